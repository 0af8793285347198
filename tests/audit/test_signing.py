"""Signed records: what a signature proves, and how a forged, a missing and an unusable one are treated."""

import json
import shutil
import subprocess

import pytest

from trace_audit.core.errors import InputError
from trace_audit.trail import hash_chain, signing
from trace_audit.trail.verify import verify

from .test_ledger_faults import BLOCKER, seal, trail


@pytest.fixture
def results(three_seals):
    return three_seals


needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


def new_key(folder, name):
    path = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nobody", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
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
    assert len(hash_chain.load(trail(results))) == 3


@needs_ssh_keygen
@pytest.mark.parametrize("key", [3, "x", "ssh-ed25519 AAAA\nevil", "-f /etc/pass=wd"])
def test_a_forged_key_in_a_record_is_a_fault_and_reaches_no_file(results, key):
    receipt = hash_chain.append(trail(results), {"kind": "seal", "artifacts": {}, "signing_key": key})
    (trail(results) / f"{receipt['number']:06d}.json.sig").write_text("x")
    assert any("names no proper public key" in fault for fault in verify(results))


def test_a_fault_in_signing_is_no_success(results):
    class Broken:
        public_key = "ssh-ed25519 AAAA"

        def sign(self, data):
            raise InputError("the key is gone")

    with pytest.raises(InputError, match="the key is gone"):
        hash_chain.append(trail(results), BLOCKER, Broken())
    assert json.loads((trail(results) / hash_chain.HEAD).read_text())["number"] == 3
