"""Hostile file names and values in records are shown as text on one line, and never followed."""

import os

import pytest

from trace_audit.core.files import sha256_of_bytes
from trace_audit.trail import hash_chain
from trace_audit.trail.verify import changed_inputs, verify

from .test_ledger_faults import seal, trail


@pytest.fixture
def results(three_seals):
    return three_seals


def test_hostile_file_names_are_shown_on_one_line_without_control_characters(results, capsys):
    for name in (
        "a\nverify: is as recorded",
        "b\x1b[31mred",
        "c\u202egpj.exe",
        "$(touch pwned)",
        "'; rm -rf ~ #",
        "%s%n{0}",
    ):
        (results / name).write_text("x")
    (results / os.fsdecode(b"not-\xff-utf8")).write_text("x")
    faults = verify(results)
    assert len(faults) == 7 and all(fault.isprintable() and fault.endswith(": extra") for fault in faults)
    assert "a\\nverify: is as recorded: extra" in faults and "b\\x1b[31mred: extra" in faults


def test_a_name_that_is_not_utf8_is_refused_by_the_seal_in_one_line(results, capsys):
    (results / os.fsdecode(b"not-\xff-utf8")).write_text("x")
    assert seal(results) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and "rename the file" in error


def test_hostile_names_that_are_utf8_are_sealed_and_verify(results):
    for name in ("a\nb", "$(touch pwned)", "'; rm -rf ~ #", "<img src=x onerror=alert(1)>", "-rf"):
        (results / name).write_text("x")
    assert seal(results) == 0
    assert verify(results) == []


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "link/outside.txt", "a\0b", ".", ""])
def test_paths_in_a_record_that_lead_outside_are_not_followed(results, tmp_path, name):
    (tmp_path / "outside.txt").write_text("x")
    (results / "link").symlink_to(tmp_path)
    hash_chain.append(trail(results), {"kind": "attempt", "artifacts": {name: sha256_of_bytes(b"x")}})
    assert any("000004.json: changed" in fault or f"{name}: missing" in fault for fault in verify(results))


def test_records_of_the_wrong_shape_are_faults_not_crashes(results):
    for artifacts in ([], None, {"x": 3}, {"x": None}, "x"):
        hash_chain.append(trail(results), {"kind": "attempt", "artifacts": artifacts, "inputs": artifacts})
    faults = verify(results)
    assert sum("its fields are not those of record" in fault for fault in faults) == 5
    assert changed_inputs(results) == []
