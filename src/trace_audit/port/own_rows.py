"""Rows of the keys that only a port has, and what moves them."""

from collections.abc import Mapping, Sequence

from trace_audit.compare.comparison import factor_of
from trace_audit.port.findings import Row
from trace_audit.port.precision import MARGIN, Spread
from trace_audit.trace.foreign_log import ForeignLog
from trace_audit.trace.keys import KeyGraph
from trace_audit.trace.own_keys import value_of
from trace_audit.trace.parse import Context, Record, Trace
from trace_audit.trace.printed import printing_error
from trace_audit.trace.tolerances import relative_tolerance


def own_rows(
    log: ForeignLog, of_reference: ForeignLog | None, model: Trace, keys: KeyGraph, moved: Spread
) -> dict[str, Row]:
    """The port's own keys against the reference's of that name, or against what their formula gives with `model`."""
    rows = {}
    logs = [log, *([] if of_reference is None else [of_reference])]
    printed = 2.0 * max(printing_error(plain_log.numbers) for plain_log in logs)
    for name, value in log.own_values.items():
        known = of_reference.own_values.get(name) if of_reference else None
        expected = value_of(log.own_keys[name], model) if known is None else (known,)
        if expected is None:
            continue
        key = keys.keys[name]
        spread_here = sum(max((s for (k, _), s in moved.items() if k == p), default=0.0) for p in key.parents)
        factor = factor_of(Record(key, Context(), expected, 0), Record(key, Context(), (value,), 0), 0.0)
        limit = max(relative_tolerance(), printed, MARGIN * spread_here)
        inside = "agrees" if factor.agrees else "rounding"
        verdict = inside if factor.relative_difference <= limit else "differs"
        rows[name] = Row(factor, 0.0, spread_here, limit, verdict)
    return rows


def moves_with(moves: Mapping[str, frozenset[str]], own: Sequence[str], keys: KeyGraph) -> Mapping[str, frozenset[str]]:
    """Which keys move which, with own keys: what moves a parent of one moves it."""
    for name in own:
        parents = frozenset(keys.keys[name].parents)
        moves = {key: moved | {name} if parents & (moved | {key}) else moved for key, moved in moves.items()}
    return moves
