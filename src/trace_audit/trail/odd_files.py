"""Findings of verify other than changed bytes: links, hard links, set-id bits, and missing files of the trail."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from trace_audit.core.files import canonical_json, read_plain
from trace_audit.trail import attempts
from trace_audit.trail.hash_chain import LOCK, Entry
from trace_audit.trail.records import stays_inside

_FOLDERS = (Path("audit"), attempts.LEDGER, attempts.RECEIPTS)
_LOCK = (attempts.LEDGER / LOCK).as_posix()
_LONGEST_RECEIPT = 1000  # bytes


def folder_faults(results: Path) -> list[str]:
    """Folders of the trail that are links: their content is elsewhere, where others may change it."""
    return [f"{name.as_posix()}: is a link, not a folder" for name in _FOLDERS if (results / name).is_symlink()]


def file_faults(found: dict[str, os.stat_result]) -> list[str]:
    """Plain files below results that have a second name or run with the rights of their owner; a lock with content."""
    faults = []
    for shown, status in found.items():
        if shown == _LOCK and (not stat.S_ISREG(status.st_mode) or status.st_size):
            faults.append(f"{shown}: is a lock, expected an empty plain file")
        if not stat.S_ISREG(status.st_mode):
            continue
        if status.st_nlink > 1:
            faults.append(f"{shown}: has a second name (hard link), by which it can be changed")
        if status.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
            faults.append(f"{shown}: has a set-uid, set-gid or sticky bit")
    return sorted(faults)


def receipt_bytes(entry: Entry) -> bytes:
    """The receipt of a record as it is written."""
    return canonical_json({"number": int(entry.path.stem), "sha256": entry.sha256}).encode()


def receipt_faults(results: Path, entries: list[Entry], below_results: Iterable[str]) -> list[str]:
    """Receipts that are gone, and files among them that are the receipt of no record."""
    valid = {receipt_bytes(entry) for entry in entries}
    faults, receipts = [], set()
    for name in below_results:
        if not Path(name).is_relative_to(attempts.RECEIPTS):
            continue
        receipts.add(name)
        if read_plain(results / name, _LONGEST_RECEIPT) not in valid:
            faults.append(f"{name}: changed (no record of the ledger has this receipt)")
    return faults + [f"{name}: missing" for name in sorted(_expected(entries) - receipts)]


def _expected(entries: list[Entry]) -> set[str]:
    """Receipts that should be there: those under the last seal, and those of the records since."""
    expected: set[str] = set()
    for entry in entries:
        record = entry.record or {}
        if record.get("kind") == "seal":
            listed = record.get("receipts", ())
            expected = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
        named = record.get("receipt")
        if isinstance(named, str):
            expected.add(named)
    return {name for name in expected if stays_inside(name)}
