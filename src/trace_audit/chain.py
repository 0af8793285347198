"""The ledger: one immutable, numbered, hash-chained record per attempt.

A record is canonical JSON that holds the SHA-256 of the record before it. It is written aside, flushed, and linked
to its number in one step, so a record is whole or not there, and two writers never take the same number. `HEAD.json`
holds the number and hash of the last record, so that a cut-off tail is noticed.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trace_audit.errors import InputError
from trace_audit.files import canonical_json, sha256_of_bytes, sha256_of_file, write_atomic

FIRST_PREVIOUS = "0" * 64
HEAD = "HEAD.json"
LOCK = ".lock"


@dataclass(frozen=True)
class Entry:
    """A record as it stands on disk. `record` is None if the bytes are not the JSON of an object."""

    path: Path
    sha256: str
    data: bytes
    record: dict[str, Any] | None


def record_name(number: int) -> str:
    """File name of record `number`."""
    return f"{number:06d}.json"


def load(ledger: Path) -> list[Entry]:
    """All record files in order of their names."""
    return [_entry(path) for path in sorted(ledger.glob("[0-9]*.json"))]


def _entry(path: Path) -> Entry:
    data = path.read_bytes()
    try:
        record = json.loads(data)
    except ValueError:
        record = None
    return Entry(path, sha256_of_bytes(data), data, record if isinstance(record, dict) else None)


@contextlib.contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Hold the ledger for this process while records are added or rendered."""
    ledger.mkdir(parents=True, exist_ok=True)
    with (ledger / LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def append(ledger: Path, fields: dict[str, Any]) -> dict[str, Any]:
    """Add a record with `fields`; returns its receipt: {number, sha256}.

    Raises InputError if it cannot be written; nothing is changed then.
    """
    with locked(ledger):
        return append_locked(ledger, fields)


def append_locked(ledger: Path, fields: dict[str, Any]) -> dict[str, Any]:
    """As `append`, for a caller that already holds the lock."""
    for stale in ledger.glob(".new-*"):
        stale.unlink()
    while True:
        last = max(ledger.glob("[0-9]*.json"), default=None)
        number = int(last.stem) + 1 if last else 1
        record = {
            **fields,
            "number": number,
            "previous_sha256": sha256_of_file(last) if last else FIRST_PREVIOUS,
            "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        data = canonical_json(record).encode()
        if _link_new(ledger, record_name(number), data):
            receipt = {"number": number, "sha256": sha256_of_bytes(data)}
            write_atomic(ledger / HEAD, canonical_json(receipt))
            return receipt


def _link_new(ledger: Path, name: str, data: bytes) -> bool:
    """Put a whole file in place under a new name; False if the name is taken."""
    aside = ledger / f".new-{os.getpid()}"
    try:
        with aside.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        aside.chmod(0o444)
        os.link(aside, ledger / name)
    except FileExistsError:
        return False
    except OSError as error:
        raise InputError(f"ledger {ledger / name}: {error.strerror}; the record was not written") from error
    finally:
        aside.unlink(missing_ok=True)
    return True


def hashes_below(paths: list[Path], root: Path) -> dict[str, str]:
    """SHA-256 of files, and of all files in folders, by their path relative to `root`.

    Raises InputError for a path that is missing or not below `root`.
    """
    result = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file; it was to be recorded in the ledger")
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            try:
                name = file.resolve().relative_to(root.resolve()).as_posix()
            except ValueError as error:
                raise InputError(f"{file}: is not below {root}, its artifacts cannot be recorded there") from error
            result[name] = sha256_of_file(file)
    return dict(sorted(result.items()))


def hashes_of_inputs(paths: list[Path]) -> dict[str, str]:
    """SHA-256 of input files by path relative to the current folder, or by name if they lie elsewhere."""
    result = {}
    here = Path.cwd()
    for path in paths:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            inside = file.resolve().is_relative_to(here)
            name = file.resolve().relative_to(here).as_posix() if inside else file.name
            if not file.is_file():
                raise InputError(f"{file}: no such file; it was to be recorded as an input")
            if "__pycache__" not in file.parts:
                result[name] = sha256_of_file(file)
    return dict(sorted(result.items()))
