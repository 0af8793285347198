"""How a compiler's report is read, and which kernels the table has."""

from __future__ import annotations

import pytest

from nanobrag_bench.gpu import code
from trace_audit.core.errors import InputError

REPORT = """ptxas info    : Compiling entry function 'run' for 'sm_90'
ptxas info    : Function properties for run
    248 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 64 registers, used 0 barriers, 248 bytes cumulative stack size
"""
DISASSEMBLY = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/                   MOV R2, RZ ;
        /*0020*/                   LDG.E.64 R4, desc[UR4][R2.64] ;
        /*0030*/                   DFMA R6, R4, R4, R6 ;
        /*0040*/             @!P0  DSETP.GT.AND P1, PT, R6, R4, PT ;
        /*0048*/                   LDL R8, [R1+0x10] ;
        /*0050*/                   FFMA R8, R8, R8, R9 ;
        /*0060*/               @P0 BRA 0x20 ;
        /*0070*/                   EXIT ;
        /*0080*/                   BRA 0x80;
"""


def test_a_report_is_read():
    kernel = code.read(REPORT, DISASSEMBLY)
    assert kernel == code.Kernel(64, 40, step=6, fp64=4, conversions=0, in_memory=1, around=3)
    assert kernel.occupancy == 0.5
    assert kernel._replace(registers=168).occupancy == 0.1875
    with pytest.raises(InputError, match="no registers, or its code has no loop"):
        code.read(REPORT, DISASSEMBLY.replace("BRA", "NOP"))


def test_cycles_are_counted_by_kind_of_unit():
    """Of two rays at once: a loop over orientations in one over rays, and a function for special cases at the end."""
    step = [*["FFMA R1, R1, R1, R1"] * 91, *["DFMA R2, R2, R2, R2"] * 3, "@P1 DADD.RP R2, R2, R4", "F2F.F32.F64 R4, R4"]
    step += ["FRND.F64.CEIL R4, R4", "F2I.F64.CEIL R4, R4", "MUFU.RCP R4, R5", "I2F.U32 R4, R4", "STL.64 [R1+0x8], R2"]
    code_of = [
        "S2R R0, SR_TID.X",
        "LDS.64 R2, [R3]",
        *step,
        "@P0 BRA 0x20",
        "STG.E.64 [R4.64], R2",
        "@P2 BRA 0x10",
        "EXIT",
    ]
    lines = [*code_of, "MUFU.RCP64H R7, R7", "RET.REL.NODEC R8", "BRA 0x6c0"]
    text = "\n".join(f"        /*{16 * i:04x}*/                   {line} ;" for i, line in enumerate(lines))
    assert code.read(REPORT, text).around == 5 and code.read(REPORT, text, rays=1).around == 3
    kernel = code.read(REPORT, text, rays=2)
    assert kernel == code.Kernel(64, 40, step=51, fp64=4, conversions=17, in_memory=0.5, around=1.5)
    assert code.read(REPORT, text, rays=2, architecture="sm_80").fp64 == 8


def test_the_kernels_of_the_table_are_cuda():
    texts = code.texts()
    assert len(texts) == 16
    for name, text in texts.items():
        assert "__launch_bounds__(THREADS, BLOCKS)" in text
        assert ("sums_of_warp(out" in text) == name.startswith("derivatives")
        assert ("SCATTER(out" in text) == name.startswith("by amplitudes")
        slow = 2 if "interpolated" in name else 7 if "float32" in name else 6
        slow = 7 if "round" in name or "gauss" in name else slow
        blocks = 8 if name.startswith(("image, s", "by")) else slow
        assert f"#define BLOCKS {blocks}\n" in text
