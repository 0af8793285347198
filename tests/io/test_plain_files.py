"""Inputs that are no plain files are refused at once by both programs, for every flag that names one."""

import os
import subprocess
import sys

import pytest

from nanobrag_torch.cli import UsageError, parse
from nanobrag_torch.io.reading import ReaderError, read_bytes

FLAGS = ("-hkl", "-mat", "-img", "-mask", "-sourcefile", "-stol", "-4stol", "-dumpfile")
WORDS = "-cell 50 60 70 90 90 90 -lambda 1 -distance 100 -N 2 -detpixels 8 -default_F 1 -nonoise -nopgm".split()  # noqa: SIM905
KINDS = ("zeros", "pipe", "folder", "endless")


@pytest.fixture
def inputs(tmp_path):
    """Files that have no end, no writer or no bytes, by kind."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(1 << 42)
    return {"zeros": "/dev/zero"} | {kind: str(tmp_path / kind) for kind in KINDS[1:]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", FLAGS)
def test_torch_refuses_them(flag, kind, inputs):
    with pytest.raises(UsageError, match="is a pipe|is a folder|is larger") as error:
        parse([*WORDS, flag, inputs[kind]])
    assert "\n" not in str(error.value) and inputs[kind] in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", FLAGS)
def test_c_refuses_them(flag, kind, inputs, c_binary, tmp_path):
    command = [str(c_binary), *WORDS, flag, inputs[kind], "-floatfile", "v.bin"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2, done.stderr
    assert inputs[kind] in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "v.bin").exists()


def test_refinement_refuses_a_pipe(inputs):
    pytest.importorskip("hdf5plugin")
    from nanobrag_torch.refine.images import _read_hdf5

    with pytest.raises(ReaderError, match="is a pipe"):
        _read_hdf5(inputs["pipe"], "data", 0)


def test_the_program_ends_with_one_line(inputs, tmp_path):
    command = [sys.executable, "-m", "nanobrag_torch", *WORDS, "-hkl", inputs["pipe"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_plain_file_is_read_whole(tmp_path):
    (tmp_path / "x").write_bytes(bytes(range(256)) * 1000)
    assert read_bytes(tmp_path / "x") == bytes(range(256)) * 1000
