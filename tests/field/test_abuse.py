"""Inputs that once caused a hang or a traceback: one line names the file, and no output is written."""

import re
import shutil
from pathlib import Path

import pytest

from tests.field.conftest import FILES
from trace_audit.core.errors import run_command
from trace_audit.inputs.hkl_text import main as hkl_text

ABUSE = Path(__file__).parent / "abuse"
SHARED = Path(__file__).resolve().parents[3] / "shared/field"
GRID = ["-distance", "100", "-lambda", "1", "-detpixels", "24", "-pixel", "2", "-N", "2"]
REFLECTIONS = {
    "pdb_c_is_zero.pdb": "has no unit cell .* that a crystal has",
    "label_not_utf8.mtz": "is no MTZ file that gemmi can read",
}
SCENARIOS = {
    "scenario_baddate2.yaml": "unknown key 'x'",
    "scenario_bomb.yaml": "more than 1,000,000 values",
    "scenario_extra_nul.yaml": r"line 40 .* U\+0000",
    "scenario_int2.yaml": "unknown key 'a'",
    "scenario_selfref.yaml": r"\*a stands in what it names",
}


@pytest.mark.parametrize("name", REFLECTIONS)
def test_structure_factors_that_are_none(torch_program, name):
    shutil.copy(ABUSE / name, name)
    error = torch_program("-hkl", name, *GRID).error
    assert name in error and re.search(REFLECTIONS[name], error)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_that_are_none(tmp_path, capsys, name):
    arguments = ["--scenario", str(ABUSE / name), "--out", str(tmp_path / "made.hkl")]
    assert run_command(hkl_text, arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error and name in error and re.search(SCENARIOS[name], error)
    assert list(tmp_path.iterdir()) == []


def test_a_geometry_of_XDS_is_no_matrix(program):
    error = program("-mat", "XPARM.XDS", "-lambda", "1", "-default_F", "1", "-detpixels", "8", "-N", "3").error
    assert "XPARM.XDS" in error and "expected" in error


def test_every_file_and_every_line_of_the_collection_has_a_test():
    """A file that is added to the collection, or changed there, has to be copied and tested here."""
    if not SHARED.is_dir():
        pytest.skip("../shared/field is not there")
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for path in [*SHARED.iterdir(), *(SHARED / "abuse").iterdir()]:
        if path.is_dir() or path.name == "README.md":
            continue
        copy = (ABUSE if path.parent.name == "abuse" else FILES) / path.name
        assert copy.read_bytes() == path.read_bytes() and path.name in tests, path.name
    for flag in ("-Xbeam", "-ORGX", "-mask", "-img", "-mat", "-hkl"):  # lines of the table that name flags alone
        assert f'"{flag}"' in tests
