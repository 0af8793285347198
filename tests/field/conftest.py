"""Files as other programs write them, and both programs run on them in an empty folder."""

import contextlib
import io
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from nanobrag_torch.cli.run import main

FILES = Path(__file__).parent / "files"
QUIET = ["-oversample", "1", "-nonoise", "-nopgm", "-noprogress", "-intfile", "int.img", "-floatfile", "v.bin"]


class Seen(NamedTuple):
    """The output and the files of a program."""

    code: int
    stdout: str
    stderr: str
    image: np.ndarray | None

    @property
    def sum(self) -> float:
        assert self.code == 0 and self.image is not None, self.stderr
        return float(self.image.sum())

    @property
    def error(self) -> str:
        """The one line of a refusal, which leaves nothing behind."""
        lines = self.stderr.splitlines()
        assert self.code == 2 and self.image is None and len(lines) == 1 and ": error: " in lines[0], self
        return lines[0]

    @property
    def warnings(self) -> list[str]:
        return [line.partition(": warning: ")[2] for line in self.stderr.splitlines() if ": warning: " in line]


class Torch:
    def __call__(self, *flags: str) -> Seen:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*map(str, flags), *QUIET])
        return Seen(code, out.getvalue(), err.getvalue(), taken_image())


class C:
    def __init__(self, binary: Path):
        self.binary = binary

    def __call__(self, *flags: str) -> Seen:
        done = subprocess.run([self.binary, *map(str, flags), *QUIET], capture_output=True, text=True, timeout=60)
        return Seen(done.returncode, done.stdout, done.stderr, taken_image())


def taken_image() -> np.ndarray | None:
    path = Path("v.bin")
    if not path.exists():
        return None
    image = np.fromfile(path, np.float32)
    path.unlink()
    return image


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The current folder of the test, with all files."""
    for path in FILES.iterdir():
        shutil.copy(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def torch_program(here) -> Torch:
    return Torch()


@pytest.fixture(params=["torch", "c"])
def program(request, here) -> Torch | C:
    """Each of the two programs in turn."""
    if request.param == "torch":
        return Torch()
    return C(request.getfixturevalue("build_folder") / "nanobragg")
