"""What reports of two sides have in common, of any simulator: heading, rows of keys, what to print next."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trace_audit.compare.comparison import Factor
from trace_audit.compare.gaps import IN_LINES_OF_MANY, Interval
from trace_audit.core.markdown import table
from trace_audit.trace.keys import Key


def heading(candidate: str, reference: str, passed: bool, summary: str) -> str:
    """The title of a report and its result."""
    return f"# {candidate} against {reference}\n\n**{'pass' if passed else 'FAIL'}**: {summary}\n"


def row_data(factor: Factor, allowed: float, verdict: str) -> dict[str, Any]:
    """One key on both sides, by its worst component, JSON-ready."""
    worst = max(factor.components, key=lambda c: (not c.agrees, c.relative_difference))
    return {
        "key": factor.key.name,
        "component": worst.name,
        "unit": factor.key.unit,
        "reference": worst.c,
        "candidate": worst.py,
        "relative_difference": finite(factor.relative_difference),
        "allowed": allowed,
        "verdict": verdict,
    }


def name_of(row: Mapping[str, Any]) -> str:
    """The key of a row, with its worst component if it has several."""
    return str(row["key"]) + (f".{row['component']}" if row["component"] else "")


def next_data(names: Iterable[str], keys: Mapping[str, Key]) -> list[dict[str, str]]:
    """The keys to print next with formula and unit, JSON-ready."""
    return [{"key": name, "formula": keys[name].formula, "unit": keys[name].unit} for name in names]


def next_text(interval: Interval, keys: Mapping[str, Key]) -> str:
    """What to print next, as the end of a sentence; empty where one stage is left."""
    if interval.next_keys:
        return f"; print next: {' or '.join(interval.next_keys)}"
    left = [name for name in interval.possible if keys[name].where in IN_LINES_OF_MANY]
    return "; what is left are the terms of the sum, each of which has a line `term` (docs/trace.md)" if left else ""


def next_section(names: Iterable[str], keys: Mapping[str, Key]) -> str:
    """The same for people; empty if there are none."""
    rows = [(name, keys[name].unit, keys[name].formula) for name in dict.fromkeys(names)]
    return "## Print next\n\n" + table(("key", "unit", "formula"), rows) if rows else ""


def listed(title: str, lines: Sequence[str], most: int = 20) -> str:
    """A section with one line for each item; empty if there are none."""
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines[:most]) + "\n" if lines else ""


def finite(value: float) -> float | None:
    """A number that JSON can hold; None for any other."""
    return float(value) if math.isfinite(value) else None
