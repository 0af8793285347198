"""`python -m trace_audit verify results/`: recompute every hash and the chain; name what changed.

docs/trail.md lists what it cannot see from `results/` alone, and which of that `--anchor` and `--allowed-signers` show.
"""

import os
import re
from pathlib import Path
from typing import Any

from trace_audit.core.errors import InputError
from trace_audit.core.files import canonical_json, plain_file_below, printable, read_plain, sha256_of_file
from trace_audit.core.folders import below, mostly_holes
from trace_audit.trail import attempts, signing
from trace_audit.trail.attempts import is_audit_trail
from trace_audit.trail.hash_chain import FIRST_PREVIOUS, HEAD, LOCK, Entry, load, read_head, record_name
from trace_audit.trail.history import attempt_history, notes
from trace_audit.trail.odd_files import file_faults, folder_faults, receipt_faults
from trace_audit.trail.records import problem_with, stays_inside

MOST_RENDERED_BYTES = 2_000_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def verify(results: Path, *, allowed_signers: Path | None = None, anchor: str | None = None) -> list[str]:
    """Every fault of the results folder, one printable line each; an empty list if all is as recorded.

    With `allowed_signers` every record must be signed by one of these keys; with `anchor` some record must have this
    SHA-256. Raises InputError if there is no ledger.
    """
    ledger = results / attempts.LEDGER
    if anchor is not None and not _SHA256.fullmatch(anchor := anchor.strip().lower()):
        raise InputError(f"--anchor {printable(anchor[:80])}: expected the SHA-256 of a record, 64 hexadecimal digits")
    if not ledger.is_dir():
        raise InputError(f"{ledger}: no ledger there; expected the results folder of an audit")
    if allowed_signers is not None and not allowed_signers.is_file():
        raise InputError(f"--allowed-signers {allowed_signers}: no such file; lines are NAME KEYTYPE KEY")
    entries = load(ledger)
    faults = [*_chain_faults(entries), *_head_faults(ledger, entries), *_ledger_folder_faults(ledger, entries)]
    faults += _signature_faults(entries, allowed_signers)
    found, unread = below(results)
    faults += folder_faults(results) + file_faults(found) + unread
    faults += _rendered_faults(results, entries) + receipt_faults(results, entries, found)
    if anchor is not None and anchor not in {entry.sha256 for entry in entries}:
        faults.append(f"ledger: no record has the SHA-256 {anchor}; it was cut back or made anew")
    return [printable(fault) for fault in faults + _artifact_faults(results, entries, found)]


def changed_inputs(results: Path) -> list[str]:
    """Inputs outside `results` that are no longer as the last record that used them has them, one line each.

    Looked for from the folder above `results`. Not a fault: sources and config go on changing after a run.
    """
    expected: dict[str, tuple[str, int]] = {}
    for entry in load(results / attempts.LEDGER):
        record = entry.record or {}
        inputs = record.get("inputs")
        for name, sha in inputs.items() if isinstance(inputs, dict) else ():
            expected[name] = (sha, number_of(entry))
    lines = []
    root = results.resolve().parent
    for name, (sha, number) in sorted(expected.items()):
        path = plain_file_below(root, name) if isinstance(name, str) and stays_inside(name) else None
        if path is None or path.resolve().is_relative_to(results.resolve()):
            continue
        if not mostly_holes(path.stat()) and sha256_of_file(path) == sha:
            continue
        lines.append(printable(f"{name}: changed since record {number}"))
    return lines


def number_of(entry: Entry) -> int:
    """Number of a record by its file name."""
    return int(entry.path.stem)


def _chain_faults(entries: list[Entry]) -> list[str]:
    faults = []
    expected_number, previous = 1, FIRST_PREVIOUS
    for entry in entries:
        number, name = number_of(entry), entry.path.name
        if number != expected_number:
            faults.append(_missing(expected_number, number - 1))
        if entry.path.is_symlink():
            faults.append(f"ledger {name}: is a link, not a record")
        if entry.record is None or entry.data != _canonical(entry.record):
            faults.append(f"ledger {name}: changed (not the canonical JSON of a record)")
        elif entry.record.get("number") != number or problem_with(entry.record):
            faults.append(f"ledger {name}: changed (its fields are not those of record {number})")
        adjacent = number == expected_number
        if adjacent and entry.record is not None and entry.record.get("previous_sha256") != previous:
            before = record_name(number - 1) if number > 1 else "the beginning"
            faults.append(f"ledger {name}: the chain is broken between {before} and {name}")
        expected_number, previous = number + 1, entry.sha256
    return faults


def sealed_otherwise(results: Path) -> list[str]:
    """Files that a seal has with other bytes than the last attempt that recorded them, one line each.

    A run that was cut off before its record does this; so does whoever changes a file and seals the folder again.
    """
    recorded: dict[str, tuple[str, int]] = {}
    lines: dict[str, str] = {}
    for entry in load(results / attempts.LEDGER):
        record = entry.record or {}
        artifacts = record.get("artifacts")
        for name, sha in artifacts.items() if isinstance(artifacts, dict) else ():
            if record.get("kind") != "seal":
                recorded[name] = sha, number_of(entry)
                lines.pop(name, None)
            elif name in recorded and recorded[name][0] != sha:
                lines[name] = f"{name}: attempt {recorded[name][1]}, seal {number_of(entry)}"
    return [printable(line) for _, line in sorted(lines.items())]


def _missing(first: int, last: int) -> str:
    if first == last:
        return f"ledger {record_name(first)}: missing"
    return f"ledger {record_name(first)} to {record_name(last)}: missing"


def _signature_faults(entries: list[Entry], allowed_signers: Path | None) -> list[str]:
    faults = []
    for entry in entries:
        signature = entry.path.with_name(entry.path.name + signing.SUFFIX)
        key = (entry.record or {}).get("signing_key")
        if not signature.is_file():
            if key is not None:
                faults.append(f"ledger {signature.name}: missing, record {number_of(entry)} was signed")
            elif allowed_signers is not None:
                faults.append(f"ledger {entry.path.name}: not signed")
        elif fault := signing.check(entry.data, signature, key, allowed_signers):
            faults.append(f"ledger {signature.name}: {fault}")
    return faults


def _canonical(record: dict[str, Any]) -> bytes:
    try:
        return canonical_json(record).encode()
    except (ValueError, UnicodeError):
        return b""


def _head_faults(ledger: Path, entries: list[Entry]) -> list[str]:
    if not os.path.lexists(ledger / HEAD):
        return [f"ledger {HEAD}: missing; the last record found is {entries[-1].path.name}"] if entries else []
    head = read_head(ledger)
    if (
        head is None
        or read_plain(ledger / HEAD, 1000) != canonical_json({"number": head[0], "sha256": head[1]}).encode()
    ):
        return [f"ledger {HEAD}: changed (does not name a record)"]
    number, sha256 = head
    last = number_of(entries[-1]) if entries else 0
    if number > last:
        return [f"ledger {HEAD}: names record {number}, the tail is cut off: {_missing(last + 1, number)}"]
    named = next((entry for entry in entries if number_of(entry) == number), None)
    if named is None or named.sha256 != sha256:
        return [f"ledger {HEAD}: its hash is not that of {record_name(number)}; one of the two changed"]
    if number < last:
        return [f"ledger {HEAD}: names record {number}, but {last} is there; a run was cut off, the next one mends it"]
    return []


def _ledger_folder_faults(ledger: Path, entries: list[Entry]) -> list[str]:
    names = {entry.path.name for entry in entries}
    known = names | {name + signing.SUFFIX for name in names} | {HEAD, LOCK}
    return [f"ledger {path.name}: extra" for path in sorted(ledger.iterdir()) if path.name not in known]


def _rendered_faults(results: Path, entries: list[Entry]) -> list[str]:
    faults = []
    for name, make in ((attempts.HISTORY, attempt_history), (attempts.NOTES, notes)):
        shown = read_plain(results / name, MOST_RENDERED_BYTES)
        if shown is None:
            if entries:
                faults.append(f"{name}: missing (trace_audit.ledger render makes it anew)")
            continue
        try:
            expected = make(entries).encode()
        except (KeyError, TypeError, ValueError):  # a record of an earlier edition
            faults.append(f"{name}: cannot be rendered from the ledger, a record lacks fields")
            continue
        if shown != expected:
            faults.append(f"{name}: changed (not what the ledger renders to; trace_audit.ledger render makes it anew)")
    return faults


def expected_artifacts(entries: list[Entry]) -> dict[str, str]:
    """Hash of each file that should be there: the last seal, and what was recorded after it."""
    expected: dict[str, str] = {}
    for entry in entries:
        record = entry.record or {}
        artifacts = record.get("artifacts")
        if isinstance(artifacts, dict):
            inside = {name: sha for name, sha in artifacts.items() if stays_inside(name)}
            expected = inside if record.get("kind") == "seal" else {**expected, **inside}
    return expected


def _artifact_faults(results: Path, entries: list[Entry], found: dict[str, os.stat_result]) -> list[str]:
    expected = expected_artifacts(entries)
    faults = []
    for name, sha in sorted(expected.items()):
        path = plain_file_below(results, name)
        if path is None:
            faults.append(f"{name}: missing")
        elif mostly_holes(path.stat()):
            faults.append(f"{name}: changed ({path.stat().st_size} bytes, hardly any of them on the disk; not read)")
        elif sha256_of_file(path) != sha:
            faults.append(f"{name}: changed")
    extra = [name for name in found if name not in expected and not is_audit_trail(name)]
    return faults + [f"{name}: extra" for name in extra]
