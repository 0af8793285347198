"""`python -m trace_audit.statements`: the claims of results, as in-toto statements beside the ledger.

`results/audit/statements/test_result.json` says which audits passed and failed (in-toto test result 0.1), about the
reference and the commit that were audited; `verification_summary.json` says whether `verify` found results as recorded
(SLSA verification summary 1), about the ledger's last record. With TRACE_AUDIT_SIGNING_KEY each has a DSSE envelope
beside it, `*.dsse.json`, whose signature is that of ssh-keygen over the envelope's pre-authentication encoding.
"""

import base64
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from nanobrag_torch._version import __version__
from trace_audit.core.commands import command_parser
from trace_audit.core.documents import Document, problem_of
from trace_audit.core.errors import InputError
from trace_audit.core.files import canonical_json, parse_json, printable, readable_json, write_atomic
from trace_audit.trail import attempts
from trace_audit.trail.hash_chain import Entry, load
from trace_audit.trail.records import is_sound
from trace_audit.trail.signing import Signer, check
from trace_audit.trail.verify import verify

FOLDER = Path("audit/statements")
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
_SUMMARY = "https://slsa.dev/verification_summary/v1"
_TOOL = "urn:nanobragg-audit"
_IDENTITY = ("scenario", "pixel_slow_fast", "device", "dtype", "backend")


def last_audits(entries: list[Entry]) -> list[dict[str, Any]]:
    """The last record of each audit, in the order of their names."""
    last = {}
    for record in (entry.record for entry in entries):
        if record and record.get("kind") == "attempt" and is_sound(record):
            last[name_of(record)] = record
    return [last[name] for name in sorted(last)]


def name_of(record: dict[str, Any]) -> str:
    """One audit in words: scenario, pixel, device, dtype, backend."""
    parts = [record.get(key) for key in _IDENTITY]
    return " ".join(",".join(map(str, part)) if isinstance(part, list) else str(part) for part in parts if part)


def statement(subjects: list[dict[str, Any]], kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    """An in-toto statement."""
    return {"_type": _STATEMENT, "subject": subjects, "predicateType": kind, "predicate": predicate}


def test_result(entries: list[Entry]) -> dict[str, Any]:
    """What passed and failed, of the last attempt of each audit."""
    audits = last_audits(entries)
    if not audits:
        raise InputError(f"{attempts.LEDGER}: no attempt on record; run make audit first")
    by_status: dict[str, list[str]] = {"pass": [], "fail": []}
    for record in audits:
        by_status.setdefault(record["status"], []).append(name_of(record))
    newest = max(audits, key=lambda record: int(record["number"]))
    inputs = {name: sha for record in audits for name, sha in record["inputs"].items()}
    subjects = [_described(name, inputs[name]) for name in sorted(inputs) if name.endswith("reference/nanobragg")]
    commit = newest.get("git_commit")
    if commit:
        subjects.append({"name": "nanobragg-audit", "digest": {"gitCommit": commit}})
    configuration = [_described(name, inputs[name]) for name in sorted(inputs) if name.startswith("config/")]
    predicate = {
        "result": "PASSED" if not by_status["fail"] else "FAILED",
        "configuration": configuration,
        "passedTests": by_status["pass"],
        "failedTests": by_status["fail"],
    }
    return statement(subjects or [_described(f"record {newest['number']}", _head(entries))], _TEST_RESULT, predicate)


def verification_summary(results: Path, entries: list[Entry], now: datetime) -> dict[str, Any]:
    """Whether the results are as recorded, about the last record of the ledger."""
    faults = verify(results)
    newest = last_audits(entries)[-1:]
    tolerances = newest[0]["tolerances_sha256"] if newest else _head(entries)
    predicate = {
        "verifier": {"id": f"{_TOOL}:verify", "version": {"nanobragg-audit": __version__}},
        "timeVerified": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resourceUri": f"{_TOOL}:ledger:{_head(entries)}",
        "policy": {"uri": f"{_TOOL}:tolerances", "digest": {"sha256": tolerances}},
        "verificationResult": "FAILED" if faults else "PASSED",
        "verifiedLevels": ["NANOBRAGG_AUDIT_AS_RECORDED" if not faults else "FAILED"],
    }
    last = entries[-1]
    return statement([_described(f"ledger/{last.path.name}", _head(entries))], _SUMMARY, predicate)


def _described(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}


def _head(entries: list[Entry]) -> str:
    return entries[-1].sha256


def encoding(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope(content: dict[str, Any], signer: Signer) -> dict[str, Any]:
    """A statement with its signature."""
    payload = canonical_json(content).encode()
    signature = base64.b64encode(signer.sign(encoding(payload))).decode()
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": signer.public_key, "sig": signature}],
    }


class Signature(Document):
    """One signature of an envelope."""

    keyid: str
    sig: str


class Envelope(Document):
    """A DSSE envelope."""

    payload: str
    payloadType: str
    signatures: Annotated[list[Signature], Field(min_length=1)]


def check_envelope(text: str, allowed_signers: Path | None) -> tuple[dict[str, Any], str | None]:
    """The statement in an envelope, and what is wrong with its signature, None if nothing is.

    Raises InputError if the text is no envelope.
    """
    try:
        content = parse_json(text)
        problem = problem_of(content, Envelope)
        if problem:
            raise ValueError(problem)
        payload = base64.b64decode(content["payload"], validate=True)
        first = content["signatures"][0]
        signature, key = base64.b64decode(first["sig"], validate=True), first["keyid"]
        statement = parse_json(payload)
        if not isinstance(statement, dict):
            raise ValueError("the payload is no JSON object")
        kind = content["payloadType"]
    except ValueError as error:
        raise InputError(f"no DSSE envelope of a statement: {printable(str(error))[:200]}") from error
    if kind != PAYLOAD_TYPE:
        return statement, f"its payload is {printable(kind)[:100]}, expected {PAYLOAD_TYPE}"
    with tempfile.TemporaryDirectory(prefix="statement-") as folder:
        path = Path(folder, "signature")
        path.write_bytes(signature)
        return statement, check(encoding(payload), path, key, allowed_signers)


def write_statements(results: Path, now: datetime) -> list[Path]:
    """Write both statements, with envelopes if there is a key; the files."""
    entries = load(results / attempts.LEDGER)
    signer = Signer.from_environment()
    made = {"test_result": test_result(entries), "verification_summary": verification_summary(results, entries, now)}
    written = []
    for name, content in made.items():
        written.append(results / FOLDER / f"{name}.json")
        write_atomic(written[-1], readable_json(content))
        signed = results / FOLDER / f"{name}.dsse.json"
        if signer:
            written.append(signed)
            write_atomic(signed, readable_json(envelope(content, signer)))
        else:
            signed.unlink(missing_ok=True)
    return written


def main(argv: list[str]) -> int:
    """Write the statements, or check an envelope."""
    parser = command_parser("python -m trace_audit.statements", __doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--check", type=Path, metavar="FILE", help="write nothing; check the signature of an envelope")
    parser.add_argument("--allowed-signers", type=Path, metavar="FILE", help="who may have signed it, with --check")
    options = parser.parse_args(argv)
    if options.check:
        content, fault = check_envelope(options.check.read_text(encoding="utf-8"), options.allowed_signers)
        result = content.get("predicate", {})
        verdict = result.get("result") or result.get("verificationResult")
        print(f"{options.check}: {fault}" if fault else f"{options.check}: signature holds; says {verdict}")
        return 1 if fault else 0
    for path in write_statements(options.results, datetime.now(UTC)):
        print(path)
    return 0
