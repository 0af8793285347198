"""The page's section about each audit: its latest attempt, its factors, its environment, how to reproduce it."""

import math
import shlex
from pathlib import Path
from typing import Any

from trace_audit.compare.cause import cause, evidence, names_of
from trace_audit.compare.markdown_report import sides
from trace_audit.compare.verdict import place_text
from trace_audit.core.documents import TraceComparison, read_document
from trace_audit.report.pictures import patch_picture, svg_data
from trace_audit.trace.keys import registry
from trace_audit.trail import evidence as evidence_files
from trace_audit.trail.hash_chain import Entry
from trace_audit.trail.records import is_sound
from trace_audit.trail.rerun import environment_differences

_SMALLEST = 1e-17  # left end of the bars: below the rounding of a double
_LARGEST = 10.0
_COMPARISON = "compare_scaling_traces.json"
Record = dict[str, Any]


def bar_percent(relative_difference: float) -> float:
    """Length of a bar on the logarithmic scale from 1e-17 to 10; 0 for exact agreement."""
    if not relative_difference > 0:
        return 0.0
    clipped = min(max(relative_difference, _SMALLEST), _LARGEST)
    return round(100 * math.log10(clipped / _SMALLEST) / math.log10(_LARGEST / _SMALLEST), 2)


def latest_attempts(entries: list[Entry]) -> list[tuple[Record, Record | None]]:
    """The latest trace attempt of each audit with the one before it, in the order of scenario, pixel, device, dtype."""
    attempts_by_audit: dict[tuple[Any, ...], list[Record]] = {}
    for entry in entries:
        record = entry.record or {}
        if record.get("kind") == "attempt" and record.get("pixel_slow_fast") and is_sound(record):
            audited = (record["scenario"], tuple(record["pixel_slow_fast"]))
            key = (*audited, record["device"], record["dtype"], record.get("backend", "eager"))
            attempts_by_audit.setdefault(key, []).append(record)
    return [(rows[-1], rows[-2] if len(rows) > 1 else None) for _, rows in sorted(attempts_by_audit.items())]


def factor_rows(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a key, with the component and place of the largest difference. Failing keys come first."""
    worst: dict[str, dict[str, Any]] = {}
    for row in verdict["factors"]:
        known = worst.get(row["key"])
        rank = (row["verdict"] == "fail", row["relative_difference"])
        if known is None or rank > (known["verdict"] == "fail", known["relative_difference"]):
            worst[row["key"]] = row
    roots = verdict["root_causes"]
    order = sorted(worst.values(), key=lambda row: (row["key"] not in roots, row["verdict"] != "fail"))
    return [
        {
            **row,
            **dict(zip(("c", "py"), sides(row["key"], row["c"], row["py"]), strict=True)),
            "place": place_text(row.get("context", {})),
            "bar": bar_percent(row["relative_difference"]),
            "root": row["key"] in roots,
            "formula": registry()[row["key"]].formula if row["key"] in registry() else "",
        }
        for row in order
    ]


def audit_section(results: Path, record: Record, before: Record | None) -> dict[str, Any]:
    """The section about the latest attempt of one audit; `before` is the attempt before it."""
    number, folder = record["number"], _folder_of(results, record)
    verdict = read_document(folder / _COMPARISON, "comparison", TraceComparison) if folder else None
    worst = record["metrics"].get("worst_relative_difference")
    pixel = ", ".join(map(str, record["pixel_slow_fast"]))
    picture, note, made_by = patch_picture(folder, record["pixel_slow_fast"], names_of(verdict or {}))
    rows = factor_rows(verdict) if verdict else []
    return {
        "id": f"audit-{number}",
        "folder": _place_of(record),
        "cause": _cause(record, verdict),
        "evidence": evidence(verdict) if verdict else "",
        "number": number,
        "record": record,
        "title": f"{record['scenario']}, pixel ({pixel}), {record['device']}, {record['dtype']}"
        + f", {record.get('backend', 'eager')}",
        "worst_key": record["metrics"].get("worst_key"),
        "worst": worst,
        "worst_bar": bar_percent(worst or 0.0),
        "tolerance_bar": bar_percent(record["tolerance_relative"]),
        "failing": [row for row in rows if row["verdict"] == "fail"],
        "agreeing": [row for row in rows if row["verdict"] != "fail"],
        "graph": svg_data(folder / "key_graph.svg") if folder else None,
        "picture": picture,
        "picture_note": note,
        "made_by": made_by,
        "names": names_of(verdict or {}),
        "taken": _taken(record),
        "environment": leaves(record.get("environment", {})),
        "environment_changes": _environment_changes(before, record),
        "previous": before["number"] if before else None,
        "commands": [
            {"last_words": [], **command, "line": " ".join(map(shlex.quote, command["arguments"]))}
            for command in record["commands"]
        ],
    }


def _cause(record: Record, verdict: dict[str, Any] | None) -> str:
    """The cause of a failed audit; that of a crash comes from its record."""
    if record["status"] != "fail":
        return ""
    return cause(verdict) if verdict else "crashed before anything was compared"


def _taken(record: Record) -> list[str]:
    """What was read from a user's structure factors, and the remarks; empty for a synthetic set."""
    source = record.get("structure_factors") or {}
    return [source["line"], *source.get("remarks", [])] if source.get("kind") == "file" else []


def _place_of(record: Record) -> str:
    """The folder of an audit below results, according to its artifacts."""
    own = (_COMPARISON, evidence_files.LOG)
    folders = [Path(name).parent.as_posix() for name in record["artifacts"] if Path(name).name in own]
    return next(iter(folders), "")


def _folder_of(results: Path, record: Record) -> Path | None:
    """The folder below `results` with the comparison of an attempt; None if it made none or it is gone."""
    for name in record["artifacts"]:
        path = results / name if "\0" not in name else results
        inside = path.resolve().is_relative_to(results.resolve())
        if path.name == _COMPARISON and inside and path.is_file():
            return path.parent
    return None


def _environment_changes(before: Record | None, record: Record) -> list[str] | None:
    if before is None or "environment" not in before or "environment" not in record:
        return None
    return environment_differences(before["environment"], record["environment"])


def leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Names and values of a nested record, `torch.version`, `2.1`."""
    if isinstance(value, dict):
        return [row for name, part in value.items() for row in leaves(part, f"{path}.{name}" if path else str(name))]
    if isinstance(value, list):
        return [(path, ", ".join(map(str, value)) or "none")]
    return [(path, "none" if value is None else str(value))]
