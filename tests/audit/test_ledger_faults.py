"""The ledger under real processes: many writers, kill -9 at any moment, a full disk, a cut tail, signatures."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import ASIDE, canonical_json, remove_abandoned, sha256_of_bytes, write_atomic
from trace_audit.trail import attempts, hash_chain
from trace_audit.trail.history import render
from trace_audit.trail.ledger import main as ledger
from trace_audit.trail.verify import changed_inputs, verify

BLOCKER = {"kind": "attempt", "artifacts": {}}
WRITER = """
import pathlib, sys
from trace_audit.trail import hash_chain
folder = pathlib.Path(sys.argv[1])
print("ready", flush=True)
while True:
    hash_chain.append(folder, {"kind": "seal", "status": "sealed", "summary": "x" * 3000, "artifacts": {}})
"""
KILLS = 12


@pytest.fixture
def results(three_seals):
    return three_seals


def seal(results, *more):
    return run_command(ledger, ["seal", "--results", str(results), *map(str, more)])


def trail(results):
    return results / attempts.LEDGER


def test_writers_killed_at_random_moments_leave_whole_records_and_the_next_goes_on(tmp_path):
    rng, folder = random.Random(7), tmp_path / "results" / attempts.LEDGER
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(folder)]
        writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
        before = len(hash_chain.load(folder))
        hash_chain.append(folder, {"kind": "seal", "status": "sealed", "artifacts": {}})
        entries = hash_chain.load(folder)
        render(tmp_path / "results")
        assert [entry.record["number"] for entry in entries] == list(range(1, before + 2))
        assert verify(tmp_path / "results") == []
    assert len(entries) > KILLS


def test_a_kill_between_record_and_head_is_named_and_mended(results):
    head = (trail(results) / hash_chain.HEAD).read_bytes()
    assert seal(results) == 0
    (trail(results) / hash_chain.HEAD).write_bytes(head)
    assert any("names record 3, but 4 is there" in fault for fault in verify(results))
    assert seal(results) == 0
    assert verify(results) == []


def test_a_cut_tail_stays_named_and_its_numbers_are_not_used_again(results):
    for number in (2, 3):
        (trail(results) / hash_chain.record_name(number)).unlink()
    assert any("the tail is cut off: ledger 000002.json to 000003.json: missing" in f for f in verify(results))
    assert seal(results) == 0
    assert [hash_chain.load(trail(results))[-1].record["number"], len(hash_chain.load(trail(results)))] == [4, 2]
    assert "ledger 000002.json to 000003.json: missing" in verify(results)


def test_a_lost_record_that_comes_back_makes_the_ledger_whole(results, tmp_path):
    lost = trail(results) / "000003.json"
    shutil.move(lost, tmp_path / "kept.json")
    assert seal(results) == 0 and verify(results)
    shutil.move(tmp_path / "kept.json", lost)
    render(results)
    assert verify(results) == []


def test_a_broken_last_record_stays_named_after_the_next(results):
    last = trail(results) / "000003.json"
    last.chmod(0o644)
    last.write_bytes(b"")
    assert seal(results) == 0
    faults = verify(results)
    assert "ledger 000003.json: changed (not the canonical JSON of a record)" in faults
    assert any("chain is broken between 000003.json and 000004.json" in fault for fault in faults)


def test_a_ledger_cut_back_with_everything_is_shown_by_an_anchor_alone(results):
    anchor = hash_chain.load(trail(results))[-1].sha256
    assert verify(results, anchor=anchor) == []
    (trail(results) / "000003.json").unlink()
    write_atomic(results / "file.txt", "version 1\n")
    entry = hash_chain.load(trail(results))[-1]
    write_atomic(trail(results) / hash_chain.HEAD, canonical_json({"number": 2, "sha256": entry.sha256}))
    render(results)
    assert verify(results) == []
    assert "it was cut back or made anew" in verify(results, anchor=anchor)[0]


def test_a_cut_back_ledger_is_shown_by_a_receipt_that_was_left(results):
    assert seal(results, "--receipt", results / attempts.RECEIPTS / "seal.json") == 0
    (trail(results) / "000004.json").unlink()
    entry = hash_chain.load(trail(results))[-1]
    write_atomic(trail(results) / hash_chain.HEAD, canonical_json({"number": 3, "sha256": entry.sha256}))
    assert any(fault.startswith("audit/receipts/seal.json: changed") for fault in verify(results))


def test_a_full_disk_leaves_the_ledger_as_it_was(results):
    before = {path.name: path.read_bytes() for path in trail(results).iterdir()}
    code = (
        "import resource, signal, sys\n"
        "from trace_audit.core.errors import run_command\nfrom trace_audit.trail.ledger import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "sys.exit(run_command(main))\n"
    )
    command = [sys.executable, "-c", code, "seal", "--results", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "was not written" in done.stderr
    assert {path.name: path.read_bytes() for path in trail(results).iterdir()} == before
    assert verify(results) == [] and resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 64


def test_what_a_killed_writer_left_aside_goes_with_the_next_seal(results):
    code = (
        "import os, pathlib, sys\nfrom trace_audit.core.files import write_atomic\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), 9)\nwrite_atomic(pathlib.Path(sys.argv[1]), 'half')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(results / "file.txt")], check=False)
    assert done.returncode == -signal.SIGKILL
    left = list(results.glob(f".*{ASIDE}"))
    assert len(left) == 1 and any("extra" in fault for fault in verify(results))
    assert seal(results) == 0
    assert not left[0].exists() and (results / "file.txt").read_text() == "version 2\n" and verify(results) == []


def test_what_a_living_writer_has_aside_stays(tmp_path):
    import fcntl

    with (tmp_path / f".x.1{ASIDE}").open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert remove_abandoned(tmp_path) == []
    assert [path.name for path in remove_abandoned(tmp_path)] == [f".x.1{ASIDE}"]


def test_strange_files_in_the_ledger_are_named_and_do_not_stop_the_next_record(results):
    for name in ("0x.json", "000009 copy.json", "1.json"):
        (trail(results) / name).write_text("{}")
    (trail(results) / "000007.json").mkdir()
    assert seal(results) == 0
    faults = verify(results)
    assert {f"ledger {name}: extra" for name in ("0x.json", "000009 copy.json", "1.json", "000007.json")} == set(faults)


def test_a_forged_head_cannot_stop_verify_or_the_next_record(results):
    for text in (
        "",
        "[]",
        '{"number": 1e400, "sha256": 3}',
        '{"number": true, "sha256": "x"}',
        b"\xff\xfe\x00\xd8",
    ):
        (trail(results) / hash_chain.HEAD).write_bytes(text.encode() if isinstance(text, str) else text)
        assert f"ledger {hash_chain.HEAD}: changed (does not name a record)" in verify(results)
    assert seal(results) == 0 and verify(results) == []


@pytest.mark.parametrize("name", [attempts.HISTORY, attempts.NOTES])
def test_documents_that_are_gone_or_no_files_are_named(results, name):
    (results / name).unlink()
    assert any(fault.startswith(f"{name}: missing") for fault in verify(results))
    os.mkfifo(results / name)
    assert any(fault.startswith(f"{name}: missing") for fault in verify(results))


def test_a_receipt_that_is_gone_is_named_until_the_next_seal(results):
    receipt = results / attempts.RECEIPTS / "seal.json"
    assert seal(results, "--receipt", receipt) == 0 and verify(results) == []
    receipt.unlink()
    assert verify(results) == ["audit/receipts/seal.json: missing"]
    assert seal(results) == 0 and verify(results) == []
    assert seal(results, "--receipt", receipt) == 0 and seal(results) == 0
    receipt.unlink()
    assert verify(results) == ["audit/receipts/seal.json: missing"]


def test_links_second_names_and_set_id_bits_are_named(results, tmp_path):
    (results / "file.txt").chmod(0o4644)
    assert verify(results) == ["file.txt: has a set-uid, set-gid or sticky bit"]
    (results / "file.txt").chmod(0o644)
    (tmp_path / "other name").hardlink_to(trail(results) / "000001.json")
    assert verify(results) == ["audit/ledger/000001.json: has a second name (hard link), by which it can be changed"]
    (tmp_path / "other name").unlink()
    shutil.move(trail(results), tmp_path / "elsewhere")
    trail(results).symlink_to(tmp_path / "elsewhere")
    assert "audit/ledger: is a link, not a folder" in verify(results)


@pytest.mark.parametrize("anchor", ["", "abc", "0" * 63, "g" * 64, "0" * 64 + "\n--x"])
def test_an_anchor_has_a_form(results, anchor):
    with pytest.raises(InputError, match="64 hexadecimal digits") as caught:
        verify(results, anchor=anchor)
    assert "\n" not in str(caught.value)


def test_records_with_right_hashes_and_wrong_types_are_named(results):
    for fields in ({"kind": "attempt", "artifacts": {}}, {"kind": ["attempt"], "artifacts": {}}, {"kind": "seal"}):
        hash_chain.append(trail(results), {"artifacts": [], **fields})
    render(results)
    faults = verify(results)
    assert [fault for fault in faults if "its fields are not those of record" in fault] == faults[:3]


# ---- inputs outside results/


def test_changed_inputs_are_told_apart_from_faults(tmp_path, capsys):
    results = tmp_path / "results"
    for name in ("source.c", "same.c", "gone.c"):
        (tmp_path / name).write_text("int x;\n")
    inputs = {name: sha256_of_bytes(b"int x;\n") for name in ("source.c", "same.c", "gone.c")}
    outside = {"../../etc/hostname": "0" * 64, "/etc/hostname": "0" * 64}
    hash_chain.append(trail(results), {"kind": "seal", "artifacts": {}, "inputs": {**inputs, **outside}})
    render(results)
    assert verify(results) == [] and changed_inputs(results) == []
    (tmp_path / "source.c").write_text("int y;\n")
    (tmp_path / "gone.c").unlink()
    assert verify(results) == [] and changed_inputs(results) == ["source.c: changed since record 1"]
