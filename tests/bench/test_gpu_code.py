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
    assert kernel == code.Kernel(registers=64, spilled_bytes=40, step=6, of_double=2, in_memory=1)
    assert kernel.occupancy == 0.5
    assert kernel._replace(registers=168).occupancy == 0.1875
    with pytest.raises(InputError, match="no registers, or its code has no loop"):
        code.read(REPORT, DISASSEMBLY.replace("BRA", "NOP"))


def test_the_kernels_of_the_table_are_cuda():
    texts = code.texts()
    assert len(texts) == 14
    for name, text in texts.items():
        assert "__launch_bounds__(THREADS, BLOCKS)" in text
        assert ("sums_of_warp(out" in text) == name.startswith("derivatives")
        assert ("SCATTER(out" in text) == name.startswith("by amplitudes")
        blocks = 8 if name.startswith("image") else 2 if "interpolated" in name else 5 if "float32" in name else 4
        assert f"#define BLOCKS {blocks}\n" in text
