"""The ledger under real processes: many writers, kill -9 at any moment, a full disk, a cut tail, signatures."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from trace_audit import attempts, chain, signing
from trace_audit.errors import InputError, run_command
from trace_audit.files import ASIDE, canonical_json, remove_abandoned, sha256_of_bytes, write_atomic
from trace_audit.history import render
from trace_audit.ledger import main as ledger
from trace_audit.verify import changed_inputs, verify

BLOCKER = {"kind": "attempt", "artifacts": {}}
WRITER = """
import pathlib, sys
from trace_audit import chain
folder = pathlib.Path(sys.argv[1])
print("ready", flush=True)
while True:
    chain.append(folder, {"kind": "seal", "status": "sealed", "summary": "x" * 3000, "artifacts": {}})
"""
KILLS = 12


@pytest.fixture
def results(tmp_path):
    """A results folder of one file and three seals."""
    folder = tmp_path / "results"
    for number in range(3):
        write_atomic(folder / "file.txt", f"version {number}\n")
        assert seal(folder) == 0
    return folder


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
        before = len(chain.load(folder))
        chain.append(folder, {"kind": "seal", "status": "sealed", "artifacts": {}})
        entries = chain.load(folder)
        assert [entry.record["number"] for entry in entries] == list(range(1, before + 2))
        assert verify(tmp_path / "results") == []
    assert len(entries) > KILLS


def test_a_kill_between_record_and_head_is_named_and_mended(results):
    head = (trail(results) / chain.HEAD).read_bytes()
    assert seal(results) == 0
    (trail(results) / chain.HEAD).write_bytes(head)
    assert any("names record 3, but 4 is there" in fault for fault in verify(results))
    assert seal(results) == 0
    assert verify(results) == []


def test_a_cut_tail_stays_named_and_its_numbers_are_not_used_again(results):
    for number in (2, 3):
        (trail(results) / chain.record_name(number)).unlink()
    assert any("the tail is cut off: ledger 000002.json to 000003.json: missing" in f for f in verify(results))
    assert seal(results) == 0
    assert [chain.load(trail(results))[-1].record["number"], len(chain.load(trail(results)))] == [4, 2]
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
    anchor = chain.load(trail(results))[-1].sha256
    assert verify(results, anchor=anchor) == []
    (trail(results) / "000003.json").unlink()
    write_atomic(results / "file.txt", "version 1\n")
    entry = chain.load(trail(results))[-1]
    write_atomic(trail(results) / chain.HEAD, canonical_json({"number": 2, "sha256": entry.sha256}))
    render(results)
    assert verify(results) == []
    assert "it was cut back or made anew" in verify(results, anchor=anchor)[0]


def test_a_cut_back_ledger_is_shown_by_a_receipt_that_was_left(results):
    assert seal(results, "--receipt", results / attempts.RECEIPTS / "seal.json") == 0
    (trail(results) / "000004.json").unlink()
    entry = chain.load(trail(results))[-1]
    write_atomic(trail(results) / chain.HEAD, canonical_json({"number": 3, "sha256": entry.sha256}))
    assert any(fault.startswith("audit/receipts/seal.json: changed") for fault in verify(results))


def test_a_full_disk_leaves_the_ledger_as_it_was(results):
    before = {path.name: path.read_bytes() for path in trail(results).iterdir()}
    code = (
        "import resource, signal, sys\n"
        "from trace_audit.errors import run_command\nfrom trace_audit.ledger import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "sys.exit(run_command(main))\n"
    )
    words = [sys.executable, "-c", code, "seal", "--results", str(results)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "was not written" in done.stderr
    assert {path.name: path.read_bytes() for path in trail(results).iterdir()} == before
    assert verify(results) == [] and resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 64


def test_what_a_killed_writer_left_aside_goes_with_the_next_seal(results):
    code = (
        "import os, pathlib, sys\nfrom trace_audit.files import write_atomic\n"
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
        (trail(results) / chain.HEAD).write_bytes(text.encode() if isinstance(text, str) else text)
        assert f"ledger {chain.HEAD}: changed (does not name a record)" in verify(results)
    assert seal(results) == 0 and verify(results) == []


# ---- inputs outside results/


def test_changed_inputs_are_told_apart_from_faults(tmp_path, capsys):
    results = tmp_path / "results"
    for name in ("source.c", "same.c", "gone.c"):
        (tmp_path / name).write_text("int x;\n")
    inputs = {name: sha256_of_bytes(b"int x;\n") for name in ("source.c", "same.c", "gone.c")}
    outside = {"../../etc/hostname": "0" * 64, "/etc/hostname": "0" * 64}
    chain.append(trail(results), {"kind": "seal", "artifacts": {}, "inputs": {**inputs, **outside}})
    assert verify(results) == [] and changed_inputs(results) == []
    (tmp_path / "source.c").write_text("int y;\n")
    (tmp_path / "gone.c").unlink()
    assert verify(results) == [] and changed_inputs(results) == ["source.c: changed since record 1"]


# ---- signatures

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


def new_key(folder, name):
    path = folder / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nobody", "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


@pytest.fixture
def signed(results, tmp_path, monkeypatch):
    """The results folder with one more record, signed."""
    key = new_key(tmp_path, "key of Ångström")
    monkeypatch.setenv(signing.VARIABLE, str(key))
    assert seal(results) == 0
    allowed = tmp_path / "allowed"
    allowed.write_text(f"someone {key.with_name(key.name + '.pub').read_text()}")
    return results, allowed


@needs_ssh_keygen
def test_signed_records_verify_and_unsigned_ones_are_named_where_all_must_be(signed):
    results, allowed = signed
    assert verify(results) == []
    assert verify(results, allowed_signers=allowed) == [f"ledger 00000{n}.json: not signed" for n in (1, 2, 3)]


@needs_ssh_keygen
def test_a_missing_changed_or_foreign_signature_is_named(signed, tmp_path):
    results, allowed = signed
    path = trail(results) / "000004.json.sig"
    data = path.read_bytes()
    path.unlink()
    assert verify(results) == ["ledger 000004.json.sig: missing, record 4 was signed"]
    at = len(data) // 2
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert verify(results) == ["ledger 000004.json.sig: its signature is not that of its key over these bytes"]
    path.write_bytes(data)
    allowed.write_text(f"other {new_key(tmp_path, 'other').with_suffix('.pub').read_text()}")
    assert any("signed by a key that is not in" in fault for fault in verify(results, allowed_signers=allowed))


@needs_ssh_keygen
def test_a_record_made_anew_by_another_key_is_shown_by_the_list_of_signers(signed, tmp_path, monkeypatch):
    results, allowed = signed
    shutil.rmtree(trail(results))
    monkeypatch.setenv(signing.VARIABLE, str(new_key(tmp_path, "forger")))
    assert seal(results) == 0 and verify(results) == []
    assert any("not in" in fault for fault in verify(results, allowed_signers=allowed))


@needs_ssh_keygen
def test_a_useless_key_fails_in_one_line_and_records_nothing(results, tmp_path, monkeypatch, capsys):
    (tmp_path / "no key").write_text("x")
    for name in ("no key", "not there"):
        monkeypatch.setenv(signing.VARIABLE, str(tmp_path / name))
        assert seal(results) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1 and signing.VARIABLE in error
    assert len(chain.load(trail(results))) == 3


@needs_ssh_keygen
@pytest.mark.parametrize("key", [3, "x", "ssh-ed25519 AAAA\nevil", "-f /etc/pass=wd"])
def test_a_forged_key_in_a_record_is_a_fault_and_reaches_no_file(results, key):
    receipt = chain.append(trail(results), {"kind": "seal", "artifacts": {}, "signing_key": key})
    (trail(results) / f"{receipt['number']:06d}.json.sig").write_text("x")
    assert any("names no proper public key" in fault for fault in verify(results))


# ---- hostile names and values


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
    chain.append(trail(results), {"kind": "attempt", "artifacts": {name: sha256_of_bytes(b"x")}})
    assert any("000004.json: changed" in fault or f"{name}: missing" in fault for fault in verify(results))


def test_records_of_the_wrong_shape_are_faults_not_crashes(results):
    for artifacts in ([], None, {"x": 3}, {"x": None}, "x"):
        chain.append(trail(results), {"kind": "attempt", "artifacts": artifacts, "inputs": artifacts})
    faults = verify(results)
    assert sum("its fields are not those of record" in fault for fault in faults) == 5
    assert changed_inputs(results) == []


def test_a_fault_in_signing_is_no_success(results):
    class Broken:
        public_key = "ssh-ed25519 AAAA"

        def sign(self, data):
            raise InputError("the key is gone")

    with pytest.raises(InputError, match="the key is gone"):
        chain.append(trail(results), BLOCKER, Broken())
    assert json.loads((trail(results) / chain.HEAD).read_text())["number"] == 3
