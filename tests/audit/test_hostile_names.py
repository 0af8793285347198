"""Hostile file names and values in records are shown as text on one line, and never followed."""

import os
import subprocess

import pytest

from trace_audit.__main__ import main as commands
from trace_audit.core.files import sha256_of_bytes
from trace_audit.trail import hash_chain
from trace_audit.trail.verify import changed_inputs, sealed_otherwise, verify

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


def test_a_file_of_holes_and_folders_without_end_are_named_at_once(results, capsys):
    """Eight terabytes of which nothing is on the disk; a thousand folders in each other, which no path reaches."""
    with (results / "file.txt").open("r+b") as file:
        file.truncate(8 << 40)
    at = os.open(results, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=at)
        below, at = at, os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(below)
    os.close(at)
    faults = verify(results)
    assert any(fault.startswith("file.txt: changed (8796093022208 bytes") for fault in faults)
    assert any(fault.endswith("is nested deeper than 100 folders, what is in it was not read") for fault in faults)
    assert seal(results) == 2 and "is nested deeper" in capsys.readouterr().err
    subprocess.run(["rm", "-r", results / "deep"], check=True)
    assert seal(results) == 2 and "hardly anything is on the disk" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["content", "link"])
def test_a_lock_is_an_empty_file(results, what):
    lock = trail(results) / hash_chain.LOCK
    lock.unlink(missing_ok=True)
    lock.write_text("payload") if what == "content" else lock.symlink_to("/etc/hostname")
    (fault,) = verify(results)
    assert fault == "audit/ledger/.lock: is a lock, expected an empty plain file"


def test_a_change_that_was_sealed_again_is_told(two_audits, capsys):
    """No fault, since a run that was cut off looks the same."""
    path = next(two_audits.rglob("compare_scaling_traces.json"))
    assert sealed_otherwise(two_audits) == []
    path.write_text(path.read_text().replace("pass", "fail"))
    assert seal(two_audits) == 0 and verify(two_audits) == []
    (line,) = sealed_otherwise(two_audits)
    assert line.startswith(path.relative_to(two_audits).as_posix())
    capsys.readouterr()
    assert commands(["verify", str(two_audits)]) == 0
    assert line in capsys.readouterr().out
