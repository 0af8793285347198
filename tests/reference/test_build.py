"""The Makefile: folders with blanks in their names, a compiler that is not there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.c_program import SOURCES, build

NEEDED = [Path("Makefile"), *(path.relative_to(SOURCES) for path in SOURCES.rglob("*.[ch]"))]


def make(folder, *arguments):
    return subprocess.run(["make", "-j2", *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


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


def test_seam_marks_leave_no_trace_in_the_program(tmp_path):
    """Without the flag of the tests, sources with the marks and sources without them give the same bytes."""
    mark = re.compile(r"^ *SEAM[A-Z_]*\([^;]*\);\n", re.M)
    marked = [path for path in sorted(SOURCES.glob("*/*.c")) if mark.search(path.read_text())]
    assert len(marked) > 5
    bare = tmp_path / "bare"
    shutil.copytree(SOURCES, bare)
    for path in bare.glob("*/*.c"):
        path.write_text(mark.sub("", path.read_text()))
        assert "SEAM" not in path.read_text()
    command = ["gcc", "-std=c11", "-O2", "-ffp-contract=off", "-fopenmp", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    for path in marked:
        name = path.relative_to(SOURCES)
        objects = []
        for root in (SOURCES, bare):
            objects.append(tmp_path / f"{root.name}.o")
            subprocess.run([*command, f"-I{root}", "-c", name, "-o", objects[-1]], check=True, cwd=root, timeout=60)
        assert objects[0].read_bytes() == objects[1].read_bytes(), name
