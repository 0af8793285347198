"""`attempt_history.md` and `notes.md`, rendered from the ledger: same records, same bytes."""

import shlex
from pathlib import Path
from typing import Any

from trace_audit.core.files import write_atomic
from trace_audit.core.markdown import cell, table
from trace_audit.trail import attempts
from trace_audit.trail.hash_chain import Entry, load, locked
from trace_audit.trail.records import is_sound


def _records(entries: list[Entry], *kinds: str) -> list[dict[str, Any]]:
    return [
        entry.record
        for entry in entries
        if entry.record is not None and entry.record.get("kind") in kinds and is_sound(entry.record)
    ]


def _pixel(record: dict[str, Any]) -> str:
    pixel = record["pixel_slow_fast"]  # none if a comparison of images had no pixels
    return "({}, {})".format(*pixel) if pixel else ""


def attempt_history(entries: list[Entry]) -> str:
    """Every attempt in order, then the reasons of those that failed."""
    text = "# Attempts\n\nRendered from the ledger; each row is one immutable record.\n\n"
    rows = [
        (
            record["number"],
            record["time_utc"],
            record["scenario"],
            _pixel(record),
            record["device"],
            record["dtype"],
            record["status"],
            record["metrics"]["worst_key"] or "",
            _number(record["metrics"]["worst_relative_difference"]),
        )
        for record in _records(entries, "attempt")
    ]
    headings = ("record", "time", "scenario", "pixel (slow, fast)", "device", "dtype", "status", "worst", "relative")
    text += table(headings, rows)
    text += _images(_records(entries, "image"))
    text += _campaigns(_records(entries, "campaign"))
    blockers = _records(entries, "blocker")
    if blockers:
        text += "\n## Blockers\n" + "".join(_blocker(record) for record in blockers)
    return text


def _images(records: list[dict[str, Any]]) -> str:
    """Comparisons of whole images; the difference is the largest of any pixel, over the peak."""
    if not records:
        return ""
    rows = [
        (
            record["number"],
            record["time_utc"],
            record["scenario"],
            record["device"],
            record["dtype"] + _compiled(record),
            record["status"],
            _number(record["metrics"]["worst_relative_difference"]),
            ", ".join(record["root_causes"]),
        )
        for record in records
    ]
    headings = ("record", "time", "scenario", "device", "dtype", "status", "of peak", "root causes")
    return "\n## Images\n\n" + table(headings, rows)


def _compiled(record: dict[str, Any]) -> str:
    """Addition to the dtype of an image that compiled code made."""
    backend = record.get("backend", "eager")
    return "" if backend == "eager" else f", {backend}"


def _campaigns(records: list[dict[str, Any]]) -> str:
    """Campaigns; the difference is the largest of any audited frame, over its peak."""
    if not records:
        return ""
    rows = [
        (
            record["number"],
            record["time_utc"],
            record["name"],
            record["device"],
            record["dtype"],
            record.get("noise", "none"),
            record["metrics"]["frames"],
            record["metrics"]["audited"],
            _number(record["metrics"]["worst_difference_of_peak"]),
            record["status"],
        )
        for record in records
    ]
    headings = ("record", "time", "campaign", "device", "dtype", "noise", "frames", "audited", "of peak", "status")
    return "\n## Campaigns\n\n" + table(headings, rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}"


def _blocker(record: dict[str, Any]) -> str:
    lines = [
        f"\n### Record {record['number']}: {cell(record['scenario'])} {_pixel(record)} "
        f"{cell(record['device'])} {cell(record['dtype'])}, {cell(record['time_utc'])}\n",
        f"{cell(record['summary'])}\n",
        *(f"- {cell(reason)}" for reason in record["reasons"]),
        *(f"- kept: {cell(name)}" for name in record["artifacts"]),
    ]
    return "\n".join(lines) + "\n"


def notes(entries: list[Entry]) -> str:
    """Commands, devices, tolerances and deviations of each attempt."""
    text = "# Notes\n\nRendered from the ledger.\n"
    for record in _records(entries, "attempt", "image"):
        text += f"\n## Record {record['number']}: {cell(record['scenario'])} {_pixel(record)}\n\n"
        lines = [
            f"- device {cell(record['device'])}, dtype {cell(record['dtype'])}, "
            f"git commit {cell(record['git_commit'])}",
            f"- tolerance {record['tolerance_relative']:.0e} relative "
            f"(tolerance file {cell(record['tolerances_sha256'])})",
            *(f"- deviation: {cell(deviation)}" for deviation in record["deviations"]),
        ]
        for command in record["commands"]:
            line = " ".join(shlex.quote(argument) for argument in command["arguments"])
            how = f" ({cell(command['confined'])})" if command.get("confined") else ""
            lines.append(f"- exit status {command['exit_code']}: {cell(line)}{how}")
        text += "\n".join(lines) + "\n"
    return text


def render(results: Path) -> None:
    """Write both documents from the ledger below `results`, while the ledger is locked."""
    with locked(results / attempts.LEDGER):
        render_locked(results)


def render_locked(results: Path) -> None:
    """As `render`, for a caller that already holds the lock."""
    entries = load(results / attempts.LEDGER)
    write_atomic(results / attempts.HISTORY, attempt_history(entries))
    write_atomic(results / attempts.NOTES, notes(entries))
