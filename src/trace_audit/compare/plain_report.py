"""The comparison of two other simulators as Markdown, JSON and JUnit XML."""

from collections.abc import Iterator
from typing import Any

from trace_audit.compare.gaps import Interval
from trace_audit.compare.plain import PlainComparison, PlainRow
from trace_audit.compare.report_parts import heading, listed, name_of, next_data, next_section, next_text, row_data
from trace_audit.core.junit import Case
from trace_audit.core.markdown import table


def summary(comparison: PlainComparison) -> str:
    """One sentence: whether the programs agree, and if not where they first differ."""
    reference, candidate = comparison.names
    common, total = comparison.coverage
    if comparison.passed:
        return f"{candidate} agrees with {reference} on all {common} keys that both print, of {total} that there are."
    if comparison.intervals:
        return f"{candidate} differs from {reference}: {sentence(comparison, comparison.intervals[0])}."
    return f"{candidate} cannot be compared in full: {comparison.faults[0]}."


def sentence(comparison: PlainComparison, interval: Interval) -> str:
    """Where one fault lies, as text. A stage is at fault for certain only where rounding cannot be behind it."""
    keys, candidate = comparison.simulator.graph.keys, comparison.names[1]
    parents, near = keys[interval.key].parents, comparison.suspects[interval.key]
    if interval.is_one_stage:
        made_of = f"what it is computed from ({', '.join(parents)}) agrees" if parents else "it is computed from no key"
        fault = "may be at fault" if near or comparison.singles else "is at fault"
        text = f"{interval.key}: the stage {keys[interval.key].stage} of {candidate}, or a flag that it reads, {fault}"
        text += f"; {made_of}"
        if comparison.singles:
            text += f"; rounding may do it too, since {' and '.join(comparison.singles)} printed float32 numbers"
    else:
        above = f"between {', '.join(interval.agreeing[-3:])} (agree)" if interval.agreeing else "from the flags"
        text = f"{above} {'and' if interval.agreeing else 'to'} {interval.key} (differs): stages "
        text += ", ".join(interval.stages)
        text += next_text(interval, keys)
    if near:
        text += f"; {', '.join(near)} agree within the tolerance, but by more than rounding, which may grow"
    return text


def as_json(comparison: PlainComparison) -> dict[str, Any]:
    """The comparison as JSON-ready data."""
    keys = comparison.simulator.graph.keys
    return {
        "status": "pass" if comparison.passed else "fail",
        "summary": summary(comparison),
        "program": comparison.simulator.program,
        "sides": {"reference": comparison.names[0], "candidate": comparison.names[1]},
        "coverage": {"printed": comparison.coverage[0], "keys": comparison.coverage[1]},
        "root_causes": [interval.key for interval in comparison.intervals],
        "causes": [
            {
                "key": interval.key,
                "side": comparison.names[1],
                "role": "in the trace",
                "sentence": sentence(comparison, interval),
                "is_one_stage": interval.is_one_stage,
                "possible": list(interval.possible),
                "stages": list(interval.stages),
                "agreeing_above": list(interval.agreeing),
                "print_next": next_data(interval.next_keys, keys),
            }
            for interval in comparison.intervals
        ],
        "problems": comparison.faults,
        "not_known": {name: log.unknown for name, log in zip(comparison.names, comparison.logs, strict=True)},
        "factors": [_row_json(row) for row in comparison.rows.values()],
    }


def _row_json(row: PlainRow) -> dict[str, Any]:
    return row_data(row.factor, row.allowed, _verdict(row))


def _verdict(row: PlainRow) -> str:
    if not row.factor.key.compared:
        return "informative"
    return "agrees" if row.agrees else "differs"


def as_markdown(comparison: PlainComparison) -> str:
    """The comparison as a Markdown page."""
    reference, candidate = comparison.names
    rows = []
    for row in map(_row_json, comparison.rows.values()):
        off = row["relative_difference"]
        told = "" if off is None else f"{off:.1e}"
        rows.append((name_of(row), row["unit"], row["reference"], row["candidate"], told, row["verdict"]))
    headings = ("key", "unit", reference, candidate, "relative", "verdict")
    following = (name for interval in comparison.intervals for name in interval.next_keys)
    parts = [
        heading(candidate, reference, comparison.passed, summary(comparison)),
        listed("Where they part", [sentence(comparison, interval) for interval in comparison.intervals], len(rows)),
        next_section(following, comparison.simulator.graph.keys),
        listed("What could not be read", comparison.faults),
        "## Keys\n\n" + table(headings, rows),
    ]
    for name, log in zip(comparison.names, comparison.logs, strict=True):
        if log.unknown:
            parts.append(f"Names in the log of {name} that are no keys: {', '.join(list(log.unknown)[:20])}.\n")
    parts += [f"{comparison.note}\n"] if comparison.note and not comparison.passed else []
    return "\n".join(part for part in parts if part)


def cases(comparison: PlainComparison) -> Iterator[Case]:
    """A test for each key that both print, and one for each line that cannot be read."""
    for row in comparison.rows.values():
        told = _row_json(row)
        differs = told["verdict"] == "differs"
        text = f"relative difference {told['relative_difference']:.3g}, allowed {row.allowed:.3g}"
        detail = f"{comparison.names[0]} {told['reference']}, {comparison.names[1]} {told['candidate']}"
        yield Case("trace", told["key"], text if differs else None, detail if differs else "")
    for number, fault in enumerate(comparison.faults, 1):
        yield Case("log", f"problem {number}", fault)
