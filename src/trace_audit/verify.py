"""`python -m trace_audit verify results/`: recompute every hash and the chain; name what changed."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

from trace_audit import attempts
from trace_audit.attempts import is_audit_trail
from trace_audit.chain import FIRST_PREVIOUS, HEAD, LOCK, Entry, load, record_name
from trace_audit.errors import InputError
from trace_audit.files import canonical_json, sha256_of_file
from trace_audit.history import attempt_history, notes


def verify(results: Path) -> list[str]:
    """Every fault of the results folder, one line each; an empty list if all is as recorded.

    Raises InputError if there is no ledger.
    """
    ledger = results / attempts.LEDGER
    if not ledger.is_dir():
        raise InputError(f"{ledger}: no ledger there; expected the results folder of an audit")
    entries = load(ledger)
    faults = [*_chain_faults(entries), *_head_faults(ledger, entries), *_ledger_folder_faults(ledger, entries)]
    faults += _rendered_faults(results, entries) + _receipt_faults(results, entries)
    return faults + _artifact_faults(results, entries)


def _chain_faults(entries: list[Entry]) -> list[str]:
    faults = []
    previous = FIRST_PREVIOUS
    for number, entry in enumerate(entries, start=1):
        name = entry.path.name
        if name != record_name(number):
            faults.append(f"ledger {name}: expected {record_name(number)}; a record is missing or extra")
        if entry.record is None or entry.data != _canonical(entry.record):
            faults.append(f"ledger {name}: changed (not the canonical JSON of a record)")
        elif entry.record.get("number") != number or not _well_formed(entry.record):
            faults.append(f"ledger {name}: changed (its fields are not those of record {number})")
        if entry.record is not None and entry.record.get("previous_sha256") != previous:
            before = record_name(number - 1) if number > 1 else "the beginning"
            faults.append(f"ledger {name}: the chain is broken between {before} and {name}")
        previous = entry.sha256
    return faults


def _canonical(record: dict[str, Any]) -> bytes:
    try:
        return canonical_json(record).encode()
    except (ValueError, UnicodeError):
        return b""


def _well_formed(record: dict[str, Any]) -> bool:
    artifacts = record.get("artifacts")
    if record.get("kind") not in ("attempt", "blocker", "seal") or not isinstance(artifacts, dict):
        return False
    return all(isinstance(sha, str) and _stays_inside(name) for name, sha in artifacts.items())


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.parts != ()


def _head_faults(ledger: Path, entries: list[Entry]) -> list[str]:
    if not entries:
        return [f"ledger {HEAD}: is there, but there is no record"] if (ledger / HEAD).exists() else []
    expected = canonical_json({"number": len(entries), "sha256": entries[-1].sha256}).encode()
    try:
        found = (ledger / HEAD).read_bytes()
    except OSError:
        return [f"ledger {HEAD}: missing; the last record found is {entries[-1].path.name}"]
    if found != expected:
        last = entries[-1].path.name
        return [f"ledger {HEAD}: does not name {last} as the last record; the tail changed, or a run was cut off"]
    return []


def _ledger_folder_faults(ledger: Path, entries: list[Entry]) -> list[str]:
    known = {entry.path.name for entry in entries} | {HEAD, LOCK}
    return [f"ledger {path.name}: extra" for path in sorted(ledger.iterdir()) if path.name not in known]


def _rendered_faults(results: Path, entries: list[Entry]) -> list[str]:
    faults = []
    for name, make in ((attempts.HISTORY, attempt_history), (attempts.NOTES, notes)):
        if not (results / name).exists():
            continue
        try:
            expected = make(entries).encode()
        except (KeyError, TypeError, ValueError):
            faults.append(f"{name}: cannot be rendered from the ledger, a record lacks fields")
            continue
        if (results / name).read_bytes() != expected:
            faults.append(f"{name}: changed (not what the ledger renders to)")
    return faults


def _receipt_faults(results: Path, entries: list[Entry]) -> list[str]:
    valid = {canonical_json({"number": i, "sha256": e.sha256}).encode() for i, e in enumerate(entries, start=1)}
    folder = results / attempts.RECEIPTS
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return [
        f"{path.relative_to(results).as_posix()}: changed (no record of the ledger has this receipt)"
        for path in files
        if path.is_symlink() or path.read_bytes() not in valid
    ]


def expected_artifacts(entries: list[Entry]) -> dict[str, str]:
    """Hash of each file that should be there: the last seal, and what was recorded after it."""
    expected: dict[str, str] = {}
    for entry in entries:
        record = entry.record or {}
        artifacts = record.get("artifacts")
        if isinstance(artifacts, dict):
            inside = {name: sha for name, sha in artifacts.items() if _stays_inside(name)}
            expected = inside if record.get("kind") == "seal" else {**expected, **inside}
    return expected


def _artifact_faults(results: Path, entries: list[Entry]) -> list[str]:
    expected = expected_artifacts(entries)
    faults = []
    for name, sha in sorted(expected.items()):
        path = results / name
        if path.is_symlink() or not path.is_file():
            faults.append(f"{name}: missing")
        elif sha256_of_file(path) != sha:
            faults.append(f"{name}: changed")
    extra = [name for name in _files_below(results) if name not in expected and not is_audit_trail(name)]
    return faults + [f"{name}: extra" for name in extra]


def _files_below(results: Path) -> list[str]:
    """All files and links below `results`, links not followed."""
    found = []
    for folder, folders, files in os.walk(results):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [(Path(folder) / name).relative_to(results).as_posix() for name in (*files, *links)]
    return sorted(found)
