"""The Makefile: folders with blanks in their names, a compiler that is not there."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.c_program import SOURCES, build

NEEDED = [Path("Makefile"), *(path.relative_to(SOURCES) for path in SOURCES.rglob("*.[ch]"))]


def make(folder, *words):
    return subprocess.run(["make", "-j2", *words], cwd=folder, capture_output=True, text=True, timeout=300)


def copy_of_sources(folder):
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCES / name, folder / name)


def test_blanks_in_names(build_folder, tmp_path):
    copy_of_sources(tmp_path / "my work" / "src" / "nanobragg_c")
    made = make(tmp_path / "my work" / "src" / "nanobragg_c")
    assert made.returncode == 0, made.stderr
    binary = tmp_path / "my work" / "build" / "nanobragg_c" / "nanobragg"
    assert binary.read_bytes() == (build_folder / "nanobragg").read_bytes()
    again = make(tmp_path, "-f", "my work/src/nanobragg_c/Makefile", "BUILD=an other/place")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "an other" / "place" / "nanobragg").read_bytes() == binary.read_bytes()
    assert make(tmp_path / "my work" / "src" / "nanobragg_c", "clean").returncode == 0
    assert list(binary.parent.iterdir()) == []


def test_second_make_does_nothing(tmp_path):
    build("all", tmp_path)
    made = make(tmp_path, "-C", str(SOURCES), f"BUILD={tmp_path}")
    assert made.returncode == 0 and "-o nanobragg" not in made.stdout


@pytest.mark.parametrize(("target", "variable"), [("all", "CC"), ("fuzz_targets", "CLANG")])
def test_absent_compiler(tmp_path, target, variable):
    made = make(tmp_path, "-C", str(SOURCES), target, f"BUILD={tmp_path / 'b'}", f"{variable}=absent")
    assert made.returncode == 2
    assert made.stderr.startswith("error: ") and "'absent' was not found" in made.stderr.splitlines()[0]
