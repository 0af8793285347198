"""The gate opens or keeps the evidence; protected assets; the table of verdicts."""

import json
import sys

import pytest

from trace_audit.core.errors import run_command
from trace_audit.core.files import write_atomic
from trace_audit.report.table import main as table
from trace_audit.trail import attempts, evidence, hash_chain
from trace_audit.trail.gate import main as gate
from trace_audit.trail.ledger import main as ledger
from trace_audit.trail.protect import main as protect
from trace_audit.trail.verify import verify

from .test_ledger import bad_record, make_audit, record_attempt


@pytest.fixture
def results(two_audits):
    return two_audits


def gate_words(results, *folders, more=()):
    paths = [str(folder / "compare_scaling_traces.json") for folder in folders]
    return [*paths, "--results", str(results), "--out", str(results / "audit/gate.json"), *more]


def test_gate_opens_when_all_agree(results):
    folder = results / "tiny/S685_F1039/cpu_float64"
    assert run_command(gate, gate_words(results, folder)) == 0
    assert json.loads((results / "audit/gate.json").read_text())["status"] == "pass"
    assert not (folder / "attempt_failed.log").exists()


def test_gate_stays_shut_names_the_keys_and_keeps_the_evidence(results, capsys):
    good, bad = results / "tiny/S685_F1039/cpu_float64", bad_record(results, "wrong")
    write_atomic(results / "audit/gate.json", "from the run before")
    assert run_command(gate, gate_words(results, good, bad)) == 1
    error = capsys.readouterr().err
    assert "polar: relative difference" in error and "(root cause)" in error
    assert not (results / "audit/gate.json").exists()
    log = (bad / "attempt_failed.log").read_text()
    for text in ("C says hello", "torch says hello", "torch warns", "==== c_trace_stderr.txt ===="):
        assert text in log
    assert (bad / "diff_on_blocker.patch").exists() and (bad / "compare_scaling_traces.json").exists()
    assert not (good / "attempt_failed.log").exists()
    history = (results / attempts.HISTORY).read_text()
    assert "## Blockers" in history and "polar: relative difference" in history
    entry = hash_chain.load(results / attempts.LEDGER)[-1].record
    assert entry["kind"] == "blocker" and "wrong/S685_F1039/cpu_float64/attempt_failed.log" in entry["artifacts"]


def test_no_command_of_a_terminal_gets_into_the_evidence(results):
    bad = bad_record(results, "wrong")
    (bad.parent / "c/c_trace_stderr.txt").write_bytes(b"\x1b]0;title\x07 \xff\n")
    assert run_command(gate, gate_words(results, bad)) == 1
    log = (bad / "attempt_failed.log").read_bytes()
    assert b"\x1b" not in log and b"\x07" not in log and b"\\x1b]0;title\\x07 \\xff" in log


def test_gate_stays_shut_when_a_protected_asset_changed(results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("kept.txt", "changed.txt", "gone.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "list.yaml").write_text("- kept.txt\n- changed.txt\n- gone.txt\n")
    assert run_command(protect, ["hash", "--list", "list.yaml", "--out", "before.json"]) == 0
    assert run_command(protect, ["check", "--before", "before.json"]) == 0
    arguments = gate_words(results, results / "tiny/S685_F1039/cpu_float64", more=["--protected", "before.json"])
    assert run_command(gate, arguments) == 0
    (tmp_path / "changed.txt").write_text("y")
    (tmp_path / "gone.txt").unlink()
    assert run_command(gate, arguments) == 1
    error = capsys.readouterr().err
    assert "protected asset changed.txt changed" in error and "protected asset gone.txt is missing" in error
    assert "kept.txt" not in error
    assert run_command(protect, ["check", "--before", "before.json"]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: 1\n", "expected a list"), ("- none.txt\n", "no such file 'none.txt'"), ("- ../x\n", "inside the repository")],
)
def test_lists_of_protected_assets_are_checked(tmp_path, capsys, text, message):
    (tmp_path / "list.yaml").write_text(text)
    status = run_command(protect, ["hash", "--list", str(tmp_path / "list.yaml"), "--out", str(tmp_path / "x.json")])
    assert status == 2 and message in capsys.readouterr().err and not (tmp_path / "x.json").exists()


def test_table_is_plain_when_it_is_not_a_terminal(results, capsys):
    bad = bad_record(results, "wrong")
    capsys.readouterr()
    paths = [results / "tiny/S685_F1039/cpu_float64", results / "tiny/S685_F1039/cpu_float32", bad]
    arguments = [str(path / "compare_scaling_traces.json") for path in paths]
    assert run_command(table, [*arguments, "--out", str(results / "table.txt")]) == 0
    out = capsys.readouterr().out
    assert out == (results / "table.txt").read_text() and "\x1b" not in out
    rows = out.splitlines()
    assert rows[0].split()[0] == "scenario" and rows[2].startswith("tiny") and rows[2].endswith("pass")
    assert rows[4].startswith("wrong") and rows[4].endswith("polar  fail")
    assert rows[6:8] == ["1 audit: polar", "  wrong (685, 1039) cpu float64 eager"] and "part at polar" in rows[8]


def test_audits_with_the_same_failure_are_told_once_by_the_gate(results, capsys):
    folders = [bad_record(results, name) for name in ("wrong", "wrong_too")]
    capsys.readouterr()
    assert run_command(gate, gate_words(results, *folders)) == 1
    error = capsys.readouterr().err
    assert error.count("gate:   polar: relative difference") == 1
    assert all(f"{folder}: polar" in error for folder in folders)


def test_table_in_a_terminal_is_coloured(results, monkeypatch, capsys):
    bad = bad_record(results, "wrong")
    capsys.readouterr()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert run_command(table, [str(bad / "compare_scaling_traces.json")]) == 0
    assert "\x1b[" in capsys.readouterr().out


def test_evidence_of_a_failure_goes_to_the_shelf_once_the_audit_passes(results, monkeypatch, tmp_path):
    folder = bad_record(results, "mended")
    assert record_attempt(results, folder) == 0
    assert run_command(gate, gate_words(results, folder)) == 1
    blocker = hash_chain.load(results / attempts.LEDGER)[-1].record
    log = (folder / evidence.LOG).read_bytes()
    make_audit(results, "mended")
    assert run_command(gate, gate_words(results, folder)) == 0
    shelf = results / evidence.SHELF / f"{blocker['number']:06d}"
    assert not (folder / evidence.LOG).exists() and not (folder / evidence.PATCH).exists()
    assert (shelf / evidence.LOG).read_bytes() == log and (shelf / evidence.PATCH).is_file()
    assert run_command(ledger, ["seal", "--results", str(results)]) == 0
    assert verify(results) == []


def test_a_reference_that_was_exchanged_after_its_build_stops_the_gate(results, capsys):
    folder = results / "tiny/S685_F1039/cpu_float64"
    run = folder.parent / "c/c_trace_run.json"
    run.write_text(json.dumps({**json.loads(run.read_text()), "binary_sha256": "1" * 64}))
    build = {"kind": "external", "binary_sha256": "1" * 64}
    write_atomic(results / "reference/build.json", json.dumps(build))
    assert run_command(gate, gate_words(results, folder)) == 0
    assert json.loads((results / "audit/gate.json").read_text())["reference"] == "as built"
    write_atomic(results / "reference/build.json", json.dumps({**build, "binary_sha256": "2" * 64}))
    assert run_command(gate, gate_words(results, folder)) == 1
    assert "(c_trace_run.json: 1111111111111111...) is not the one of build.json" in capsys.readouterr().err
    write_atomic(results / "reference/build.json", "[]")
    assert run_command(gate, gate_words(results, folder)) == 2


@pytest.mark.parametrize("content", ["{}", "[1]", '{"status": "pass"}', '{"status": NaN}', "{" * 9000, "null", "\x1b"])
def test_a_damaged_comparison_is_one_line(results, capsys, content):
    folder = results / "tiny/S685_F1039/cpu_float64"
    (folder / "compare_scaling_traces.json").write_text(content)
    assert run_command(gate, gate_words(results, folder)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
