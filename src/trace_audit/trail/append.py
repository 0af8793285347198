"""Adds one record to the ledger below results/, renders its documents and writes its receipt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trace_audit.core.errors import InputError
from trace_audit.core.files import canonical_json, write_atomic
from trace_audit.trail import attempts, hash_chain, history
from trace_audit.trail.signing import Signer


def add_record(results: Path, fields: Callable[[], dict[str, Any]], receipt: Path | None) -> None:
    """Append the fields that `fields()` returns, called while the ledger is locked, and print the record's number.

    `receipt`: file for {number, sha256} of the record; None: no file. Raises InputError if the ledger cannot grow.
    """
    signer = Signer.from_environment()
    with hash_chain.locked(results / attempts.LEDGER):
        named = {"receipt": _below(results, receipt)} if receipt else {}
        written = hash_chain.append_locked(results / attempts.LEDGER, {**fields(), **named}, signer)
        history.render_locked(results)
    if receipt:
        write_atomic(receipt, canonical_json(written))
    print(f"ledger: record {written['number']} sha256 {written['sha256']}")


def _below(results: Path, receipt: Path) -> str:
    """Name of a receipt below `results`. Raises InputError if it is elsewhere."""
    folder = (results / attempts.RECEIPTS).resolve()
    if not receipt.resolve().is_relative_to(folder):
        raise InputError(f"--receipt {receipt}: expected a file below {results / attempts.RECEIPTS}")
    return receipt.resolve().relative_to(results.resolve()).as_posix()
