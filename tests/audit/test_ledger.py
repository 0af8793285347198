"""The ledger: chained, whole, safe with two writers; verify names every changed, missing or added byte."""

import json
import multiprocessing
import random
import subprocess
import sys

import pytest

from trace_audit.__main__ import main as trace_audit_main
from trace_audit.compare.__main__ import main as compare
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import canonical_json, sha256_of_bytes, write_atomic
from trace_audit.trail import attempts, hash_chain
from trace_audit.trail.history import attempt_history, notes
from trace_audit.trail.ledger import main as ledger
from trace_audit.trail.verify import verify

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
    arguments = ["--c-log", pixel / "c/c_trace_scaling.log", "--py-log", folder / "trace_py_scaling.log"]
    arguments += ["--names", "C", "torch"]
    compare([*map(str, arguments), "--out", str(folder / "compare_scaling_traces.json")])
    return folder


def record_attempt(results, folder, *more):
    arguments = ["attempt", "--results", results, "--comparison", folder / "compare_scaling_traces.json"]
    arguments += ["--snapshot", folder / "config_snapshot.json", "--environment", folder / "trace_py_env.json"]
    arguments += ["--c-run", folder.parent / "c/c_trace_run.json", "--artifacts", folder, folder.parent / "c"]
    return run_command(ledger, [str(argument) for argument in (*arguments, *more)])


@pytest.fixture
def results(two_audits):
    return two_audits


def bad_record(results, folder):
    """The torch log of an audit with a wrong polarization."""
    wrong = [line.replace("polar 0.91463969894451", "polar 1") for line in logs.lines("c_supervisor")]
    return make_audit(results, folder, torch_log=wrong)


def test_records_are_chained_canonical_and_complete(results):
    entries = hash_chain.load(results / attempts.LEDGER)
    assert [entry.record["number"] for entry in entries] == [1, 2, 3]
    assert [entry.record["kind"] for entry in entries] == ["attempt", "attempt", "seal"]
    previous = hash_chain.FIRST_PREVIOUS
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


def test_a_flipped_byte_of_a_record_is_caught(results):
    for name in ("000001.json", hash_chain.HEAD):
        path = results / attempts.LEDGER / name
        data = path.read_bytes()
        path.chmod(0o644)
        for at in range(0, len(data), 7):
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
    (results / attempts.LEDGER / hash_chain.record_name(number)).unlink()
    assert any("ledger" in fault for fault in verify(results))


def test_a_missing_head_is_caught_and_repaired_by_the_next_record(results):
    (results / attempts.LEDGER / hash_chain.HEAD).unlink()
    assert any("HEAD.json: missing" in fault for fault in verify(results))
    assert run_command(ledger, ["seal", "--results", str(results)]) == 0
    assert verify(results) == []


def test_a_record_that_names_a_path_outside_is_refused_not_followed(results, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    with pytest.raises(InputError, match="is not below"):
        hash_chain.hashes_below([outside], results)
    artifacts = {"../outside.txt": sha256_of_bytes(b"y"), "/etc/hostname": "0"}
    hash_chain.append(results / attempts.LEDGER, {"kind": "attempt", "artifacts": artifacts})
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
        hash_chain._link_new(results / attempts.LEDGER, "000001.json", b"other")
    assert path.read_bytes() != b"other"
    assert list((results / attempts.LEDGER).glob(".new-*")) == []


def _append_many(folder, count):
    for index in range(count):
        hash_chain.append(folder, {"kind": "attempt", "artifacts": {}, "index": index})


def test_two_writers_at_once_keep_one_chain(tmp_path):
    folder = tmp_path / "ledger"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(folder, 20)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    entries = hash_chain.load(folder)
    assert [entry.record["number"] for entry in entries] == list(range(1, 61))
    hashes = [hash_chain.FIRST_PREVIOUS, *(entry.sha256 for entry in entries)]
    assert [entry.record["previous_sha256"] for entry in entries] == hashes[:-1]


def test_a_killed_writer_leaves_no_part_of_a_record(tmp_path):
    folder = tmp_path / "ledger"
    hash_chain.append(folder, {"kind": "attempt", "artifacts": {}})
    code = (
        "import os, trace_audit.trail.hash_chain as c, pathlib\n"
        "real = os.fsync\n"
        "os.fsync = lambda fd: os._exit(9)\n"
        f"c.append(pathlib.Path({str(folder)!r}), {{'kind': 'attempt', 'artifacts': {{}}}})\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert len(hash_chain.load(folder)) == 1 and list(folder.glob(".new-*"))
    hash_chain.append(folder, {"kind": "attempt", "artifacts": {}})
    assert [entry.record["number"] for entry in hash_chain.load(folder)] == [1, 2]
    assert list(folder.glob(".new-*")) == []


def test_history_and_notes_come_from_the_records_alone(results):
    entries = hash_chain.load(results / attempts.LEDGER)
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
