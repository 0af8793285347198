"""The commands for a GPU: what they say without one, and how they read a compiler's report."""

from __future__ import annotations

import pytest
import torch

from nanobrag_bench import gpu_check, gpu_code, gpu_times
from nanobrag_bench.__main__ import main
from trace_audit.core.errors import InputError

REPORT = """ptxas info    : Compiling entry function 'run' for 'sm_90'
ptxas info    : Function properties for run
    248 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 64 registers, used 0 barriers, 248 bytes cumulative stack size
"""
CODE = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/                   MOV R2, RZ ;
        /*0020*/                   LDG.E.64 R4, desc[UR4][R2.64] ;
        /*0030*/                   DFMA R6, R4, R4, R6 ;
        /*0040*/             @!P0  DSETP.GT.AND P1, PT, R6, R4, PT ;
        /*0050*/                   FFMA R8, R8, R8, R9 ;
        /*0060*/               @P0 BRA 0x20 ;
        /*0070*/                   EXIT ;
        /*0080*/                   BRA 0x80;
"""


def test_a_report_is_read():
    kernel = gpu_code.read(REPORT, CODE)
    assert kernel == gpu_code.Kernel(registers=64, spilled_bytes=40, step=5, of_double=2)
    assert kernel.occupancy == 0.5
    assert kernel._replace(registers=168).occupancy == 0.1875
    with pytest.raises(InputError, match="no registers, or its code has no loop"):
        gpu_code.read(REPORT, CODE.replace("BRA", "NOP"))


def test_the_kernels_of_the_table_are_cuda():
    texts = gpu_code.texts()
    assert len(texts) == 10
    for name, text in texts.items():
        assert "__launch_bounds__(THREADS, BLOCKS)" in text
        assert ("sums_of_warp(out" in text) == name.startswith("derivatives")
        assert ("SCATTER(out" in text) == name.startswith("by amplitudes")
        assert f"#define BLOCKS {8 if name.startswith('image') else 3}" in text


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_check_says_that_there_is_no_gpu(capsys):
    assert main(["gpu-check"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "gpu-check: error: torch sees no CUDA device; run it where there is one, or with --device cpu"
    ]


def _small(name: str) -> str:
    return gpu_check.LINES[name].replace("-detpixels 96", "-detpixels 24")


def test_the_checks_hold_on_the_cpu(monkeypatch, capsys, tmp_path):
    """The same code, for one command line, as on a GPU."""
    monkeypatch.setattr(gpu_check, "LINES", {"one sample": _small("one sample")})
    monkeypatch.setattr(gpu_check, "DIFFERENTIATED", ("one sample",))
    assert main(["gpu-check", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "image: one sample, compiled, float32" in said and "tiles, compiled" in said and "\n0 checks failed" in said


def test_a_wrong_image_fails_the_check(monkeypatch, capsys):
    monkeypatch.setattr(
        gpu_check, "LINES", {"still": gpu_check.LINES["still"].replace("-detpixels 96", "-detpixels 9")}
    )
    monkeypatch.setattr(gpu_check, "DIFFERENTIATED", ())
    monkeypatch.setattr(gpu_check, "TOLERANCE_OF_PEAK", 0.0)
    assert main(["gpu-check", "--device", "cpu"]) == 1
    assert "FAIL  image: still, eager, float32" in capsys.readouterr().out


def test_another_program_is_timed_beside(monkeypatch, tmp_path):
    program = tmp_path / "nanoBraggCUDA"
    program.write_text("#!/bin/sh\necho kernel time: 1.25 ms\n")
    program.chmod(0o755)
    monkeypatch.setenv(gpu_times.CUDA_PROGRAM, str(program))
    lines = list(gpu_times.beside(3))
    assert len(lines) == len(gpu_times.IMAGES) and all(line.endswith("kernels, ms: 1.25") for line in lines)
    program.write_text("#!/bin/sh\necho no device >&2\nexit 3\n")
    assert any("ended with 3: no device" in line for line in gpu_times.beside(3))
    monkeypatch.delenv(gpu_times.CUDA_PROGRAM)
    assert not list(gpu_times.beside(3))
