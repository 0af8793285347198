"""The ledger: chained, whole, safe with two writers; verify names every changed, missing or added byte."""

import json
import multiprocessing
import random
import subprocess
import sys

import pytest

from trace_audit import attempts, chain
from trace_audit.__main__ import main as trace_audit_main
from trace_audit.compare import main as compare
from trace_audit.errors import InputError, run_command
from trace_audit.files import canonical_json, sha256_of_bytes, write_atomic
from trace_audit.gate import main as gate
from trace_audit.history import attempt_history, notes
from trace_audit.ledger import main as ledger
from trace_audit.protect import main as protect
from trace_audit.table import main as table
from trace_audit.verify import verify

from . import logs

GIT = {"commit": None, "status": None, "diff_sha256": None}
ENVIRONMENT = {"torch": {"cuda_available": False}, "git": {"before": GIT, "after": GIT}}


def make_audit(results, scenario="tiny", dtype="float64", torch_log=None):
    """The files of one audit, as the harness, the reference runner and the comparison leave them."""
    pixel = results / scenario / "S685_F1039"
    folder = pixel / f"cpu_{dtype}"
    write_atomic(pixel / "c/c_trace_scaling.log", "\n".join(logs.lines("c_supervisor")) + "\n")
    write_atomic(pixel / "c/c_trace_stdout.txt", "C says hello\n")
    write_atomic(pixel / "c/c_trace_stderr.txt", "")
    run = {"program": "nanobragg", "arguments": ["-mat", "A.mat", "a b"], "exit_code": 0}
    write_atomic(pixel / "c/c_trace_run.json", json.dumps(run))
    write_atomic(folder / "trace_py_scaling.log", "\n".join(torch_log or logs.lines("c_supervisor")) + "\n")
    write_atomic(folder / "trace_py_stdout.txt", "torch says hello\n")
    write_atomic(folder / "trace_py_stderr.txt", "torch warns\n")
    write_atomic(folder / "trace_py_env.json", json.dumps(ENVIRONMENT))
    snapshot = {"scenario": {"name": scenario}, "pixel_slow_fast": [685, 1039], "device": "cpu", "dtype": dtype}
    write_atomic(folder / "config_snapshot.json", json.dumps({**snapshot, "arguments": ["-mat", "A.mat"]}))
    words = ["--c-log", pixel / "c/c_trace_scaling.log", "--py-log", folder / "trace_py_scaling.log"]
    compare([*map(str, words), "--out", str(folder / "compare_scaling_traces.json")])
    return folder


def record_attempt(results, folder, *more):
    words = ["attempt", "--results", results, "--comparison", folder / "compare_scaling_traces.json"]
    words += ["--snapshot", folder / "config_snapshot.json", "--environment", folder / "trace_py_env.json"]
    words += ["--c-run", folder.parent / "c/c_trace_run.json", "--artifacts", folder, folder.parent / "c"]
    return run_command(ledger, [str(word) for word in (*words, *more)])


@pytest.fixture
def results(tmp_path):
    """Two audits, recorded and sealed."""
    folder = tmp_path / "results"
    for dtype in ("float64", "float32"):
        assert record_attempt(folder, make_audit(folder, dtype=dtype)) == 0
    write_atomic(folder / "audit/summary.txt", "two audits\n")
    receipt = folder / "audit/receipts/seal.json"
    assert run_command(ledger, ["seal", "--results", str(folder), "--receipt", str(receipt)]) == 0
    return folder


def bad_record(results, folder):
    """The torch log of an audit with a wrong polarization."""
    wrong = [line.replace("polar 0.91463969894451", "polar 1") for line in logs.lines("c_supervisor")]
    return make_audit(results, folder, torch_log=wrong)


def test_records_are_chained_canonical_and_complete(results):
    entries = chain.load(results / attempts.LEDGER)
    assert [entry.record["number"] for entry in entries] == [1, 2, 3]
    assert [entry.record["kind"] for entry in entries] == ["attempt", "attempt", "seal"]
    previous = chain.FIRST_PREVIOUS
    for entry in entries:
        assert entry.data == canonical_json(entry.record).encode()
        assert entry.record["previous_sha256"] == previous
        previous = sha256_of_bytes(entry.data)
    first = entries[0].record
    wanted = "scenario pixel_slow_fast device dtype status commands metrics inputs artifacts time_utc deviations"
    assert set(wanted.split()) <= set(first)
    assert first["commands"][0] == {"arguments": ["nanobragg", "-mat", "A.mat", "a b"], "exit_code": 0}
    assert "tiny/S685_F1039/c/c_trace_stdout.txt" in first["artifacts"]


def test_verify_finds_nothing_wrong_where_nothing_is(results, capsys):
    assert verify(results) == []
    assert trace_audit_main(["verify", str(results)]) == 0
    assert "is as recorded" in capsys.readouterr().out


def test_every_flipped_byte_of_a_record_is_caught(results):
    for name in ("000001.json", chain.HEAD):
        path = results / attempts.LEDGER / name
        data = path.read_bytes()
        path.chmod(0o644)
        for at in range(len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            assert verify(results), f"byte {at} of {name}"
        path.write_bytes(data)
    assert verify(results) == []


def test_a_flipped_byte_in_any_other_file_is_caught(results):
    rng = random.Random(1)
    files = [
        p for p in results.rglob("*") if p.is_file() and p.parent != results / attempts.LEDGER and p.stat().st_size
    ]
    assert len(files) > 15
    for path in files:
        data = path.read_bytes()
        at = rng.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        faults = verify(results)
        assert any(fault.startswith(path.relative_to(results).as_posix()) for fault in faults), path
        path.write_bytes(data)
    assert verify(results) == []


def test_added_and_missing_files_are_named(results, capsys):
    (results / "tiny/extra.txt").write_text("x")
    (results / "link").symlink_to("/etc/hostname")
    (results / attempts.LEDGER / "note.txt").write_text("x")
    (results / "audit/summary.txt").unlink()
    assert trace_audit_main(["verify", str(results)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert {"tiny/extra.txt: extra", "link: extra", "ledger note.txt: extra", "audit/summary.txt: missing"} <= set(
        lines
    )


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_missing_record_is_caught_wherever_it_was(results, number):
    (results / attempts.LEDGER / chain.record_name(number)).unlink()
    assert any("ledger" in fault for fault in verify(results))


def test_a_missing_head_is_caught_and_repaired_by_the_next_record(results):
    (results / attempts.LEDGER / chain.HEAD).unlink()
    assert any("HEAD.json: missing" in fault for fault in verify(results))
    assert run_command(ledger, ["seal", "--results", str(results)]) == 0
    assert verify(results) == []


def test_a_record_that_names_a_path_outside_is_refused_not_followed(results, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    with pytest.raises(InputError, match="is not below"):
        chain.hashes_below([outside], results)
    artifacts = {"../outside.txt": sha256_of_bytes(b"y"), "/etc/hostname": "0"}
    chain.append(results / attempts.LEDGER, {"kind": "attempt", "artifacts": artifacts})
    faults = verify(results)
    assert any("000004.json: changed" in fault for fault in faults)
    assert not any("outside.txt: changed" in fault or "hostname" in fault for fault in faults)


def test_a_later_attempt_replaces_the_hashes_of_an_earlier_one(results):
    folder = make_audit(results)
    write_atomic(folder / "capture_notes.md", "a new file of the second attempt\n")
    assert any("extra" in fault for fault in verify(results))
    assert record_attempt(results, folder) == 0
    assert verify(results) == []


def test_records_are_read_only_and_never_overwritten(results):
    path = results / attempts.LEDGER / "000001.json"
    assert path.stat().st_mode & 0o222 == 0
    with pytest.raises(InputError, match="File exists"):
        chain._link_new(results / attempts.LEDGER, "000001.json", b"other")
    assert path.read_bytes() != b"other"
    assert list((results / attempts.LEDGER).glob(".new-*")) == []


def _append_many(folder, count):
    for index in range(count):
        chain.append(folder, {"kind": "attempt", "artifacts": {}, "index": index})


def test_two_writers_at_once_keep_one_chain(tmp_path):
    folder = tmp_path / "ledger"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(folder, 20)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    entries = chain.load(folder)
    assert [entry.record["number"] for entry in entries] == list(range(1, 61))
    hashes = [chain.FIRST_PREVIOUS, *(entry.sha256 for entry in entries)]
    assert [entry.record["previous_sha256"] for entry in entries] == hashes[:-1]


def test_a_killed_writer_leaves_no_part_of_a_record(tmp_path):
    folder = tmp_path / "ledger"
    chain.append(folder, {"kind": "attempt", "artifacts": {}})
    code = (
        "import os, trace_audit.chain as c, pathlib\n"
        "real = os.fsync\n"
        "os.fsync = lambda fd: os._exit(9)\n"
        f"c.append(pathlib.Path({str(folder)!r}), {{'kind': 'attempt', 'artifacts': {{}}}})\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert len(chain.load(folder)) == 1 and list(folder.glob(".new-*"))
    chain.append(folder, {"kind": "attempt", "artifacts": {}})
    assert [entry.record["number"] for entry in chain.load(folder)] == [1, 2]
    assert list(folder.glob(".new-*")) == []


def test_history_and_notes_come_from_the_records_alone(results):
    entries = chain.load(results / attempts.LEDGER)
    assert (results / attempts.HISTORY).read_text() == attempt_history(entries) == attempt_history(entries)
    assert (results / attempts.NOTES).read_text() == notes(entries)
    assert "| 2 |" in attempt_history(entries) and "float32" in attempt_history(entries)
    text = notes(entries)
    assert "exit status 0: nanobragg -mat A.mat 'a b'" in text and "no CUDA device" in text and "1e-06" in text


def test_hostile_names_stay_text_in_the_history(results):
    folder = make_audit(results, scenario="x|<img src=x>`*")
    assert record_attempt(results, folder) == 0
    text = (results / attempts.HISTORY).read_text()
    assert "x\\|\\<img src=x>\\`\\*" in text


def test_verify_needs_a_ledger(tmp_path, capsys):
    assert run_command(trace_audit_main, ["verify", str(tmp_path)]) == 2
    assert "no ledger there" in capsys.readouterr().err


def test_a_receipt_must_lie_among_the_receipts(results, tmp_path):
    assert run_command(ledger, ["seal", "--results", str(results), "--receipt", str(tmp_path / "r.json")]) == 2


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
    entry = chain.load(results / attempts.LEDGER)[-1].record
    assert entry["kind"] == "blocker" and "wrong/S685_F1039/cpu_float64/attempt_failed.log" in entry["artifacts"]


def test_gate_stays_shut_when_a_protected_asset_changed(results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("kept.txt", "changed.txt", "gone.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "list.yaml").write_text("- kept.txt\n- changed.txt\n- gone.txt\n")
    assert run_command(protect, ["hash", "--list", "list.yaml", "--out", "before.json"]) == 0
    assert run_command(protect, ["check", "--before", "before.json"]) == 0
    words = gate_words(results, results / "tiny/S685_F1039/cpu_float64", more=["--protected", "before.json"])
    assert run_command(gate, words) == 0
    (tmp_path / "changed.txt").write_text("y")
    (tmp_path / "gone.txt").unlink()
    assert run_command(gate, words) == 1
    error = capsys.readouterr().err
    assert "protected asset changed.txt changed" in error and "protected asset gone.txt is missing" in error
    assert "kept.txt" not in error
    assert run_command(protect, ["check", "--before", "before.json"]) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: 1\n", "expected a list"), ("- none.txt\n", "no such file 'none.txt'"), ("- ../x\n", "inside the repository")],
)
def test_lists_of_protected_assets_are_checked(tmp_path, capsys, text, words):
    (tmp_path / "list.yaml").write_text(text)
    status = run_command(protect, ["hash", "--list", str(tmp_path / "list.yaml"), "--out", str(tmp_path / "x.json")])
    assert status == 2 and words in capsys.readouterr().err and not (tmp_path / "x.json").exists()


def test_table_is_plain_when_it_is_not_a_terminal(results, capsys):
    bad = bad_record(results, "wrong")
    capsys.readouterr()
    paths = [results / "tiny/S685_F1039/cpu_float64", results / "tiny/S685_F1039/cpu_float32", bad]
    words = [str(path / "compare_scaling_traces.json") for path in paths]
    assert run_command(table, [*words, "--out", str(results / "table.txt")]) == 0
    out = capsys.readouterr().out
    assert out == (results / "table.txt").read_text() and "\x1b" not in out
    rows = out.splitlines()
    assert rows[0].split()[0] == "scenario" and rows[2].startswith("tiny") and rows[2].endswith("pass")
    assert rows[4].startswith("wrong") and rows[4].endswith("fail") and "part at polar" in rows[5]


def test_table_in_a_terminal_is_coloured(results, monkeypatch, capsys):
    bad = bad_record(results, "wrong")
    capsys.readouterr()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert run_command(table, [str(bad / "compare_scaling_traces.json")]) == 0
    assert "\x1b[" in capsys.readouterr().out
