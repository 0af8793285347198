"""A user's own reference is built, or recorded if it exists already."""

import json
from pathlib import Path

import pytest

from trace_audit.core.errors import InputError
from trace_audit.programs.build import make, record_external

PROGRAM = '#include <stdio.h>\nint main(void) { puts("TRACE_C: steps 1"); return 0; }\n'


def test_single_c_file(tmp_path: Path):
    source = tmp_path / "nano Bragg.c"
    source.write_text(PROGRAM)
    binary, record = tmp_path / "out/nanobragg", tmp_path / "out/build.json"
    make(source, "gcc", 1, binary, record)
    assert binary.stat().st_mode & 0o111
    described = json.loads(record.read_text())
    assert list(described["sources"]) == ["nano Bragg.c"]
    assert "-ffp-contract=off" in described["commands"][0]


def test_building_twice_gives_the_same_bytes(tmp_path: Path):
    source = tmp_path / "tree"
    source.mkdir()
    (source / "main.c").write_text(PROGRAM)
    (source / "Makefile").write_text("nanoBragg: main.c\n\t$(CC) -o $@ main.c\n")
    for name in ("first", "second"):
        make(source, "gcc", 1, tmp_path / name / "nanobragg", tmp_path / name / "build.json")
    for name in ("nanobragg", "build.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert sorted(path.name for path in source.iterdir()) == ["Makefile", "main.c"]


def test_tree_that_does_not_compile(tmp_path: Path, capfd):
    source = tmp_path / "broken.c"
    source.write_text("int main(void) { return missing; }\n")
    with pytest.raises(InputError, match="building the reference failed with exit code 1"):
        make(source, "gcc", 1, tmp_path / "nanobragg", tmp_path / "build.json")
    assert "missing" in capfd.readouterr().err
    assert not (tmp_path / "nanobragg").exists()


def test_tree_without_makefile(tmp_path: Path):
    with pytest.raises(InputError, match="no Makefile in that folder"):
        make(tmp_path, "gcc", 1, tmp_path / "nanobragg", tmp_path / "build.json")


def test_makefile_that_makes_two_programs(tmp_path: Path):
    source = tmp_path / "tree"
    source.mkdir()
    (source / "Makefile").write_text("all:\n\tcp /bin/true one\n\tcp /bin/true two\n")
    with pytest.raises(InputError, match="executables found: one, two"):
        make(source, "gcc", 1, tmp_path / "nanobragg", tmp_path / "build.json")


def test_missing_compiler_names_what_to_install(tmp_path: Path):
    with pytest.raises(InputError, match="no-such-cc not found on PATH.*install"):
        make(tmp_path, "no-such-cc", 1, tmp_path / "nanobragg", tmp_path / "build.json")


def test_external_program_is_recorded(tmp_path: Path):
    record_external(Path("/bin/sh"), tmp_path / "build.json")
    described = json.loads((tmp_path / "build.json").read_text())
    assert described["kind"] == "external"
    with pytest.raises(InputError, match="is no executable file"):
        record_external(tmp_path / "build.json", tmp_path / "again.json")
