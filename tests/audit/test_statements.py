"""Statements of results and their envelopes; the bill of materials."""

import base64
import json
from datetime import UTC, datetime

import pytest

from tests.audit.test_ledger import make_audit, record_attempt
from tests.audit.test_signing import needs_ssh_keygen, new_key
from trace_audit.core.errors import run_command
from trace_audit.trail import attempts, hash_chain, signing
from trace_audit.trail.ledger import main as ledger
from trace_audit.trail.sbom import LOCK_PROPERTY, bill_of_materials
from trace_audit.trail.statements import FOLDER, check_envelope, encoding, main, write_statements

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(signing.VARIABLE, raising=False)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("a: 1\n")
    audit = make_audit(tmp_path / "results")
    assert record_attempt(tmp_path / "results", audit, "--inputs", "config/config.yaml") == 0
    assert run_command(ledger, ["seal", "--results", "results"]) == 0
    return tmp_path / "results"


def statement(results, name):
    return json.loads((results / FOLDER / f"{name}.json").read_text())


def test_statements_say_what_passed_and_that_all_is_as_recorded(results):
    assert [path.name for path in write_statements(results, NOW)] == ["test_result.json", "verification_summary.json"]
    tested, verified = statement(results, "test_result"), statement(results, "verification_summary")
    assert {tested["_type"], verified["_type"]} == {"https://in-toto.io/Statement/v1"}
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    assert tested["predicate"]["result"] == {"pass": "PASSED", "fail": "FAILED"}[record["status"]]
    assert len(tested["predicate"]["passedTests"] + tested["predicate"]["failedTests"]) == 1
    assert [part["name"] for part in tested["predicate"]["configuration"]] == ["config/config.yaml"]
    assert all(part["digest"] for part in tested["subject"])
    last = hash_chain.load(results / attempts.LEDGER)[-1]
    assert verified["subject"] == [{"name": f"ledger/{last.path.name}", "digest": {"sha256": last.sha256}}]
    assert verified["predicate"]["verificationResult"] == "PASSED"
    assert verified["predicate"]["timeVerified"] == "2030-01-02T03:04:05Z"


def test_a_changed_result_is_a_failed_verification(results):
    (results / "stray.txt").write_text("not recorded")
    write_statements(results, NOW)
    assert statement(results, "verification_summary")["predicate"]["verificationResult"] == "FAILED"


def test_only_the_last_attempt_of_an_audit_counts(results):
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    opposite = "fail" if record["status"] == "pass" else "pass"
    hash_chain.append(results / attempts.LEDGER, {**record, "status": opposite})
    write_statements(results, NOW)
    predicate = statement(results, "test_result")["predicate"]
    assert len(predicate["passedTests"]) == (opposite == "pass") and len(predicate["failedTests"]) == (
        opposite == "fail"
    )


@needs_ssh_keygen
def test_an_envelope_holds_for_its_key_and_no_other(results, tmp_path, monkeypatch, capsys):
    key = new_key(tmp_path, "key")
    monkeypatch.setenv(signing.VARIABLE, str(key))
    assert len(write_statements(results, NOW)) == 4
    path = results / FOLDER / "test_result.dsse.json"
    text = path.read_text()
    allowed, strangers = tmp_path / "allowed", tmp_path / "others"
    allowed.write_text(f"someone {key.with_suffix('.pub').read_text()}")
    strangers.write_text(f"someone {new_key(tmp_path, 'other').with_suffix('.pub').read_text()}")
    assert check_envelope(text, None) == (statement(results, "test_result"), None)
    assert check_envelope(text, allowed)[1] is None
    assert "not in" in check_envelope(text, strangers)[1]
    assert main(["--check", str(path), "--allowed-signers", str(allowed)]) == 0
    assert "signature holds; says " in capsys.readouterr().out
    forged = json.loads(text)
    payload = base64.b64decode(forged["payload"]).replace(b"PASSED", b"FAILED") + b" "
    path.write_text(json.dumps({**forged, "payload": base64.b64encode(payload).decode()}))
    assert main(["--check", str(path)]) == 1
    path.write_text("[]")
    assert run_command(main, ["--check", str(path)]) == 2


def test_what_is_signed_is_the_encoding_of_dsse():
    assert encoding(b"hello world").startswith(b"DSSEv1 28 application/vnd.in-toto+json 11 hello world")


def test_the_bill_has_what_the_audit_ran_on(results):
    text = bill_of_materials(results)
    assert text == bill_of_materials(results)
    bill = json.loads(text)
    parts = {part["name"]: part for part in bill["components"]}
    assert {"torch", "numpy", "pydantic", "snakemake", "rocrate", "sympy"} <= set(parts)
    assert not {"mypy", "ruff", "pytest-xdist"} & set(parts)
    assert any(entry["name"] == LOCK_PROPERTY for entry in parts["numpy"]["properties"])
    known = {part["bom-ref"] for part in bill["components"]} | {"nanobragg-audit"}
    assert all({entry["ref"], *entry["dependsOn"]} <= known for entry in bill["dependencies"])
    needed = {ref for entry in bill["dependencies"] for ref in entry["dependsOn"]}
    assert needed == known - {"nanobragg-audit"}
