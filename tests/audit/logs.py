"""Trace logs for the tests, and edits of single values in them."""

import math
import re
from functools import cache
from pathlib import Path

from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Record, Trace, parse_trace

DATA = Path(__file__).parent / "data"
NAMES = ("c_supervisor", "c_beam_pivot")
_VALUE = re.compile(r"(?<![\w.+-])[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_TERM_OFFSETS = {"term.hkl_rounded": 6, "term.F_latt": 9, "term.F_cell": 10, "term.capture_fraction": 11}
_TERM_OFFSETS |= {"term.polar": 12, "term.omega_sr": 13, "term.value": 14}


def lines(name: str) -> list[str]:
    """The committed log `name` as lines."""
    return (DATA / f"{name}.log").read_text().splitlines()


@cache
def trace(name: str) -> Trace:
    """The committed log `name`, parsed."""
    return parse_trace(lines(name))


def as_torch(log: list[str]) -> list[str]:
    """The same log as if the torch program had printed it."""
    return [re.sub(r"^TRACE_C(?=:|_PHI )", "TRACE_PY", line) for line in log]


@cache
def torch_lines(name: str) -> tuple[str, ...]:
    """The committed log `name` as if the torch program had printed it."""
    return tuple(as_torch(lines(name)))


@cache
def torch_trace(name: str) -> Trace:
    """The same, parsed."""
    return parse_trace(list(torch_lines(name)))


def first_records(parsed: Trace) -> list[Record]:
    """One record of each key that the log has."""
    return [parsed.of(name)[0] for name in registry() if parsed.of(name)]


def shifted(log: list[str], record: Record, component: int, relative: float) -> list[str]:
    """The log with one component moved by `relative` of its magnitude; of a vector or matrix row, of its length."""
    key = record.key
    value = float(record.values[component])
    rows = {"vector": slice(0, key.size), "matrix": slice(component // 3 * 3, component // 3 * 3 + 3)}
    part = rows.get(key.kind, slice(component, component + 1))
    scale = math.hypot(*(float(v) for v in record.values[part])) or 1.0
    new = str(int(value) + 1) if key.kind == "integer" else format(value + relative * scale, ".17g")
    return replaced(log, record, component, new)


def replaced(log: list[str], record: Record, component: int, text: str) -> list[str]:
    """The log with another text for one component."""
    line = log[record.line - 1]
    if record.key.name.startswith("TRACE_PHI."):
        column = record.key.name.split(".")[1]
        new = re.sub(rf"(?<= {column}=)\S+", text, line)
    else:
        start = line.index("=" if "=" in line else record.key.name.split(".")[0]) + 1
        start += 0 if "=" in line else len(record.key.name.split(".")[0]) - 1
        values = list(_VALUE.finditer(line, start))
        match = values[_TERM_OFFSETS.get(record.key.name, 0) + component]
        new = line[: match.start()] + text + line[match.end() :]
    assert new != line
    return [*log[: record.line - 1], new, *log[record.line :]]


def without(log: list[str], record: Record) -> list[str]:
    """The log without the line of a record."""
    return [*log[: record.line - 1], *log[record.line :]]
