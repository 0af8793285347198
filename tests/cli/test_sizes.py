"""An experiment that is too large for the machine is refused in one line, before any array is made."""

import resource
import subprocess
import sys

import pytest

from nanobrag_torch import faults, limits
from nanobrag_torch.cli.run import main
from nanobrag_torch.io.writing import WriterError
from tests.cli.conftest import BASE


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("-dispersion 1 -dispsteps 1000000 -hdivrange 1 -hdivsteps 1000000", "make 1e+12 sources"),
        ("-divergence 1 -divsteps 1000000", "make 1e+12 sources"),
        ("-dispersion 1 -dispsteps 1000000", "make 1e+06 sources"),
        ("-phisteps 1000 -osc 1 -mosaic_spread 1 -mosaic_domains 20000", "20000 mosaic domains are too many"),
        ("-mosaic 1 -mosaic_dom 1000000 -osc 1 -phisteps 1000000", "1000000 mosaic domains are too many"),
        ("-mosaic 1 -mosaic_dom 3000 -osc 1 -phisteps 3000 -oversample 100000", "steps a pixel"),
    ],
)
def test_counts_are_checked_before_anything_is_made(flags, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*BASE, *flags.split()]) == 2
    error = capsys.readouterr().err
    assert expected in error and len(error.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_an_image_must_fit_into_memory(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(limits, "room_bytes", lambda: 1000.0)
    assert main([*BASE, "-detpixels", "64", "-pixel", "0.1"]) == 2
    assert "64 x 64 pixels take" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_room_is_what_ulimit_leaves():
    code = (
        "import resource\nfrom nanobrag_torch import limits\n"
        "resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\nprint(limits.room_bytes())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < 1e9
    assert limits.room_bytes() > 1e9 or resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("can't start new thread"),
        ImportError("libtorch.so: failed to map segment from shared object"),
        RuntimeError("CUDA out of memory. Tried to allocate"),
    ],
)
def test_whoever_says_that_memory_is_out_the_user_reads_one_line(error, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert stopped_by(error, monkeypatch) == 2
    said = capsys.readouterr().err
    assert "not enough memory" in said and len(said.splitlines()) == 1 and not list(tmp_path.iterdir())


def stopped_by(error, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr("nanobrag_torch.cli.run.run", fail)
    return main(list(BASE))


def test_a_fault_of_ours_is_one_line_and_a_file(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert stopped_by(KeyError("x\n\x1b[31m"), monkeypatch) == faults.OUR_FAULT
    said = capsys.readouterr().err.splitlines()
    (kept,) = (tmp_path / "logs").iterdir()
    assert len(said) == 1 and "please report it" in said[0] and kept.name in said[0] and "\x1b" not in said[0]
    assert "Traceback" in kept.read_text()


def test_a_disk_that_fills_up_leaves_no_half_of_a_set(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = [*BASE, "-detpixels", "16", "-pixel", "0.1", "-nonoise"]
    (tmp_path / "floatimage.bin").write_text("of the run before")

    def full(*_):
        raise WriterError("image.pgm: cannot be written (No space left on device)")

    with monkeypatch.context() as patched:
        patched.setattr("nanobrag_torch.cli.write.write_pgm", full)
        assert main(flags) == 2
    assert "No space left" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["floatimage.bin"]
    assert (tmp_path / "floatimage.bin").read_text() == "of the run before"
    assert main(flags) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"floatimage.bin", "intimage.img", "image.pgm"}
