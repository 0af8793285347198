"""Two logs of any programs that simulate what nanoBragg does, of which one is not a whole trace in a form of ours.

Trace lines are picked out of whatever was printed, and the keys that both print are compared. No simulation is run: a
key that agrees clears another only if all that is computed from that one leads through it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from trace_audit.compare.comparison import compare, factor_of
from trace_audit.compare.gaps import intervals
from trace_audit.compare.plain import PlainComparison, PlainRow, suspects_of
from trace_audit.core.errors import InputError
from trace_audit.trace.foreign_log import ForeignLog, read_foreign_log
from trace_audit.trace.key_names import read_key_names
from trace_audit.trace.keys import KeyGraph
from trace_audit.trace.own_keys import graph_with, value_of
from trace_audit.trace.parse import Context, Record, Trace, is_whole, read_trace
from trace_audit.trace.printed import detect, printing_error
from trace_audit.trace.simulator import Simulator
from trace_audit.trace.tolerances import relative_tolerance


def read_whole(path: Path) -> Trace | None:
    """A log in a form of ours that holds a whole trace; None for any other, and for one that cannot be read."""
    try:
        trace = read_trace(path)
    except InputError:
        return None
    return trace if is_whole(trace) else None


def compare_foreign(
    logs: tuple[Path, Path], key_files: tuple[Path | None, Path | None], names: tuple[str, str]
) -> PlainComparison:
    """Compare what two programs printed, key by key. Raises InputError for a log without a trace line."""
    reference, candidate = (
        read_foreign_log(path, read_key_names(keys), name=name)
        for path, keys, name in zip(logs, key_files, names, strict=True)
    )
    graph = graph_with({**reference.own_keys, **candidate.own_keys})
    printed = 2.0 * max(printing_error(log.numbers) for log in (reference, candidate))
    allowed = max(relative_tolerance(), printed)
    rows = _rows(reference.trace, candidate.trace, allowed)
    rows |= _own_rows(reference, candidate, graph, allowed)
    rows = {name: rows[name] for name in graph.order if name in rows}
    agrees = {name: row.agrees for name, row in rows.items() if row.factor.key.compared}
    diverging = tuple(intervals(agrees, graph.keys, dict.fromkeys(graph.keys, frozenset()), graph))
    simulator = Simulator("nanoBragg", graph, (), dict.fromkeys(graph.keys, allowed), dict.fromkeys(graph.keys, 0.0))
    named = zip(names, (reference, candidate), strict=True)
    return PlainComparison(
        simulator,
        names,
        (reference, candidate),
        rows,
        diverging,
        suspects_of(rows, diverging, graph.keys),
        tuple(name for name, log in named if detect(log.numbers).name == "float32"),
        "No simulation was run for this. Why they differ: `python -m trace_audit.port --flags '-cell ...' --pixel "
        f"SLOW FAST --name {names[1]} --log {logs[1]} --out FOLDER`, with the flags and the pixel of the logs.",
    )


def _rows(reference: Trace, candidate: Trace, allowed: float) -> dict[str, PlainRow]:
    """Each key that both print, at the place where it differs most."""
    rows: dict[str, PlainRow] = {}
    for factor in compare(reference, candidate).factors:
        key = factor.key if factor.key.name != "defects" else replace(factor.key, compared=False)
        limit = 0.0 if key.kind in ("word", "integer") else allowed
        row = PlainRow(replace(factor, key=key), limit)
        known = rows.get(key.name)
        if known is None or factor.relative_difference > known.factor.relative_difference:
            rows[key.name] = row
    return rows


def _own_rows(reference: ForeignLog, candidate: ForeignLog, keys: KeyGraph, allowed: float) -> Mapping[str, PlainRow]:
    """The candidate's own keys against the reference's, or against what their formula gives with its values."""
    rows = {}
    for name, value in candidate.own_values.items():
        known = reference.own_values.get(name)
        expected = value_of(candidate.own_keys[name], reference.trace) if known is None else (known,)
        if expected is not None:
            key = keys.keys[name]
            factor = factor_of(Record(key, Context(), expected, 0), Record(key, Context(), (value,), 0), 0.0)
            rows[name] = PlainRow(factor, allowed)
    return rows
