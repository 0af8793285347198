"""Where two sides part from each other, when neither is our program: rows and intervals of the one against the other.

A key that both print alike clears what moves it, whatever our program says of it; so keys of the sides' own, which our
program lacks, narrow the interval of a fault too. Whose fault it is, is known only if one side departs from our program
there and the other one does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trace_audit.compare.gaps import Interval, intervals
from trace_audit.compare.substitute import TO_BLAME
from trace_audit.port.findings import EITHER_SIDE, Cause, PortAudit, Row
from trace_audit.port.own_image import NOT_KNOWN
from trace_audit.port.own_rows import moves_with, own_rows
from trace_audit.port.precision import Spread
from trace_audit.trace.foreign_log import ForeignLog
from trace_audit.trace.keys import KeyGraph
from trace_audit.trace.own_keys import graph_with


def own_of_both(reference: ForeignLog, candidate: ForeignLog, moved: Spread) -> tuple[dict[str, Row], KeyGraph]:
    """The candidate's own keys against the reference's, and the graph of the keys with those of both."""
    keys = graph_with({**reference.own_keys, **candidate.own_keys})
    return own_rows(candidate, reference, reference.trace, keys, moved), keys


def parted(audit: PortAudit, moves: Mapping[str, frozenset[str]]) -> list[Interval]:
    """Where the two sides of `audit.rows` part: one interval for each key that no other differing key explains."""
    agrees = {name: row.verdict != "differs" for name, row in audit.rows.items()}
    own = [name for name in audit.rows if name not in audit.ours.records and name in audit.graph.keys]
    return intervals(agrees, [*audit.ours.records, *own], moves_with(moves, own, audit.graph), audit.graph)


def with_intervals(causes: Sequence[Cause], diverging: Sequence[Interval], keys: KeyGraph) -> list[Cause]:
    """The causes, those that are not known with the interval between the two sides, and one for each head without.

    What is not known of a key that is computed from a head waits until the head agrees.
    """
    heads = {interval.key for interval in diverging}
    result = [c for c in causes if not _is_open(c) or c.key not in keys.keys or not heads & keys.ancestors(c.key)]
    for interval in diverging:
        at_head = [cause for cause in result if cause.key == interval.key]
        open_ones = [cause for cause in at_head if _is_open(cause)]
        if len(open_ones) == 1 and len(at_head) == 1:
            result[result.index(open_ones[0])] = _narrowed(open_ones[0], interval)
        elif len(open_ones) > 1:
            result = [cause for cause in result if cause not in open_ones] + [_of_either(interval)]
        elif not any(interval.key in (cause.key, *cause.explains) for cause in result):
            result.append(_of_either(interval))
    return result


def _is_open(cause: Cause) -> bool:
    """Whether neither an explanation nor a proof says more of a cause than that its key differs."""
    return cause.explanation is None and (cause.proof is None or cause.proof.verdict != TO_BLAME)


def _narrowed(cause: Cause, interval: Interval) -> Cause:
    """A cause with the narrower of two intervals that hold it."""
    known = cause.interval
    return cause if known and len(known.possible) <= len(interval.possible) else replace(cause, interval=interval)


def _of_either(interval: Interval) -> Cause:
    return Cause(interval.key, NOT_KNOWN, None, explains=(interval.key,), interval=interval, side=EITHER_SIDE)
