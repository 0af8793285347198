"""The ledger: one immutable, numbered, hash-chained record per attempt.

A record is canonical JSON that holds the SHA-256 of the record before it. It is written aside, flushed, and linked
to its number in one step, so a record is whole or not there, and two writers never take the same number. `HEAD.json`
holds the number and hash of the last record, so that a cut-off tail is noticed. The next record goes on from what HEAD
names: a number is never used twice, and a record that was lost or changed stays named by its hash in the one after it.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trace_audit.core.errors import InputError
from trace_audit.core.files import (
    canonical_json,
    flush_folder,
    open_lock,
    parse_json,
    printable,
    read_plain,
    remove_abandoned,
    sha256_of_bytes,
    sha256_of_file,
    write_atomic,
)
from trace_audit.core.folders import below, mostly_holes
from trace_audit.trail.signing import SUFFIX, Signer

FIRST_PREVIOUS = "0" * 64
HEAD = "HEAD.json"
LOCK = ".lock"
MOST_RECORD_BYTES = 256_000_000
_RECORD_NAME = re.compile(r"[0-9]{6,12}\.json", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


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
    """All record files in order of their numbers."""
    return [_entry(path) for path in record_files(ledger)]


def record_files(ledger: Path) -> list[Path]:
    """Files with the name of a record, in order of their numbers; nothing else in the folder counts as one."""
    records = [path for path in ledger.glob("*.json") if _RECORD_NAME.fullmatch(path.name) and path.is_file()]
    return sorted((path for path in records if path.name == record_name(int(path.stem))), key=lambda p: int(p.stem))


def read_head(ledger: Path) -> tuple[int, str] | None:
    """Number and hash that HEAD.json names; None if it is not there or says nothing of the kind."""
    try:
        head = parse_json(read_plain(ledger / HEAD, 1000) or b"")
        number, sha256 = head["number"], head["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = type(number) is int and 0 < number < 10**12 and isinstance(sha256, str) and _SHA256.fullmatch(sha256)
    return (number, sha256) if whole else None


def _entry(path: Path) -> Entry:
    data = read_plain(path, MOST_RECORD_BYTES) or b""
    try:
        record = parse_json(data)
    except ValueError:
        record = None
    return Entry(path, sha256_of_bytes(data), data, record if isinstance(record, dict) else None)


@contextlib.contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Hold the ledger for this process while records are added or rendered."""
    ledger.mkdir(parents=True, exist_ok=True)
    with open_lock(ledger / LOCK) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def append(ledger: Path, fields: dict[str, Any], signer: Signer | None = None) -> dict[str, Any]:
    """Add a record with `fields`, signed if there is a `signer`; returns its receipt: {number, sha256}.

    Raises InputError if it cannot be written; nothing is changed then.
    """
    with locked(ledger):
        return append_locked(ledger, fields, signer)


def append_locked(ledger: Path, fields: dict[str, Any], signer: Signer | None = None) -> dict[str, Any]:
    """As `append`, for a caller that already holds the lock."""
    _tidy(ledger)
    number, previous = _tail(ledger)
    record = {
        **fields,
        **({"signing_key": signer.public_key} if signer else {}),
        "number": number + 1,
        "previous_sha256": previous,
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    data = canonical_json(record).encode()
    name = record_name(number + 1)
    if signer:
        write_atomic(ledger / (name + SUFFIX), signer.sign(data))
    try:
        _link_new(ledger, name, data)
    except InputError:
        (ledger / (name + SUFFIX)).unlink(missing_ok=True)
        raise
    receipt = {"number": number + 1, "sha256": sha256_of_bytes(data)}
    write_atomic(ledger / HEAD, canonical_json(receipt))
    return receipt


def _tidy(ledger: Path) -> None:
    """Remove what a killed writer left: a record not yet linked, a signature whose record never came."""
    remove_abandoned(ledger)
    for stale in ledger.glob(".new-*"):
        stale.unlink()
    last = max([*(int(path.stem) for path in record_files(ledger)), (read_head(ledger) or (0, ""))[0]])
    (ledger / (record_name(last + 1) + SUFFIX)).unlink(missing_ok=True)


def _tail(ledger: Path) -> tuple[int, str]:
    """Number and hash to go on from: what HEAD names, or a whole record that a killed run left behind HEAD."""
    files = record_files(ledger)
    last = (int(files[-1].stem), sha256_of_file(files[-1])) if files else (0, FIRST_PREVIOUS)
    head = read_head(ledger)
    return head if head and head[0] >= last[0] else last


def _link_new(ledger: Path, name: str, data: bytes) -> None:
    """Put a whole file in place under a new name. Raises InputError if the name is taken or the disk refuses."""
    aside = ledger / f".new-{os.getpid()}"
    try:
        with aside.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        aside.chmod(0o444)
        os.link(aside, ledger / name)
        flush_folder(ledger)
    except OSError as error:
        raise InputError(f"ledger {ledger / name}: {error.strerror}; the record was not written") from error
    finally:
        aside.unlink(missing_ok=True)


def hashes_below(paths: list[Path], root: Path) -> dict[str, str]:
    """SHA-256 of files, and of all files in folders, by their path relative to `root`.

    Raises InputError for a path that is missing or not below `root`.
    """
    result = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file; it was to be recorded in the ledger")
        for file in _files(path):
            try:
                name = file.resolve().relative_to(root.resolve()).as_posix()
            except ValueError as error:
                raise InputError(f"{file}: is not below {root}, its artifacts cannot be recorded there") from error
            if not _is_utf8(name):
                raise InputError(f"{printable(name)}: a name that is not UTF-8 cannot be recorded; rename the file")
            if mostly_holes(file.stat()):
                raise InputError(
                    f"{printable(name)}: is a large file of which hardly anything is on the disk; remove it"
                )
            result[name] = sha256_of_file(file)
    return dict(sorted(result.items()))


def _files(path: Path) -> list[Path]:
    """A file, or all files in a folder. Raises InputError where a folder cannot be looked into."""
    if not path.is_dir():
        return [path]
    found, unread = below(path)
    if unread:
        raise InputError(f"{printable(str(path))}: {printable(unread[0])}; it was to be recorded in the ledger")
    return [path / name for name in found if (path / name).is_file()]


def hashes_of_inputs(paths: list[Path]) -> dict[str, str]:
    """SHA-256 of input files by path relative to the current folder; elsewhere, by name, or from the folder named."""
    result = {}
    here = Path.cwd()
    for path in paths:
        for file in _files(path):
            inside = file.resolve().is_relative_to(here)
            outside = file.relative_to(path.parent) if path.is_dir() else Path(file.name)
            name = (file.resolve().relative_to(here) if inside else outside).as_posix()
            if not file.is_file():
                raise InputError(f"{file}: no such file; it was to be recorded as an input")
            if "__pycache__" not in file.parts:
                result[name] = sha256_of_file(file)
    return dict(sorted(result.items()))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
