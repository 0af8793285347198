"""Two traces of another simulator than nanoBragg: which keys differ, and between which keys the fault lies.

The graph of the keys comes from the user's registry. If a key differs and all its parents are printed and agree,
its own stage is at fault; if parents are not printed, the verdict is the interval and what to print next. A key that
agrees does not prove its parents right, unless all paths from a parent lead through it: how much it depends on them is
not known (a factor may be flat there).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trace_audit.compare.comparison import Factor, factor_of
from trace_audit.compare.gaps import Interval, intervals
from trace_audit.trace.foreign_log import ForeignLog
from trace_audit.trace.keys import Key
from trace_audit.trace.parse import Context, Record
from trace_audit.trace.plain_log import PlainLog
from trace_audit.trace.printed import printing_error
from trace_audit.trace.simulator import Simulator

_ROUNDING = 1e-12


@dataclass(frozen=True)
class PlainRow:
    """One key that both printed, and the relative difference that counts as agreement."""

    factor: Factor
    allowed: float

    @property
    def agrees(self) -> bool:
        """Equal words and integers, numbers within the tolerance."""
        return self.factor.relative_difference <= self.allowed


@dataclass(frozen=True)
class PlainComparison:
    """Two traces compared. `suspects[key]`: its parents that agree within the tolerance, yet by more than rounding.

    `singles`: the sides whose numbers are float32 numbers. `note`: what else a reader should know.
    """

    simulator: Simulator
    names: tuple[str, str]
    logs: tuple[PlainLog | ForeignLog, PlainLog | ForeignLog]
    rows: Mapping[str, PlainRow]
    intervals: tuple[Interval, ...]
    suspects: Mapping[str, tuple[str, ...]]
    singles: tuple[str, ...] = ()
    note: str = ""

    @property
    def faults(self) -> list[str]:
        """Unreadable lines of either log that name a key, and reasons why the logs cannot be compared."""
        told = [
            f"{name}: {problem.message}"
            for name, log in zip(self.names, self.logs, strict=True)
            for problem in log.problems
        ]
        if not any(row.factor.key.compared for row in self.rows.values()):
            told.append(f"{self.names[0]} and {self.names[1]} have no key in common")
        return told

    @property
    def passed(self) -> bool:
        """Whether all keys that both printed agree and are readable."""
        return not self.faults and all(row.agrees for row in self.rows.values() if row.factor.key.compared)

    @property
    def coverage(self) -> tuple[int, int]:
        """Keys that both printed, and all keys of the registry."""
        return len(self.rows), len(self.simulator.graph.keys)


def compare_plain(
    simulator: Simulator, reference: PlainLog, candidate: PlainLog, names: tuple[str, str]
) -> PlainComparison:
    """Compare the output of two programs, key by key."""
    keys = simulator.graph.keys
    rows = {}
    printed = 2.0 * max(printing_error(log.numbers) for log in (reference, candidate))
    for name in simulator.graph.order:
        if name in reference.values and name in candidate.values:
            ours, theirs = (Record(keys[name], Context(), log.values[name], 0) for log in (reference, candidate))
            allowed = max(simulator.tolerances[name], printed) if keys[name].kind in ("number", "vector") else 0.0
            rows[name] = PlainRow(factor_of(ours, theirs, simulator.floors[name]), allowed)
    agrees = {name: row.agrees for name, row in rows.items() if row.factor.key.compared}
    diverging = intervals(agrees, keys, dict.fromkeys(keys, frozenset()), simulator.graph)
    suspects = suspects_of(rows, diverging, keys)
    return PlainComparison(simulator, names, (reference, candidate), rows, tuple(diverging), suspects)


def suspects_of(
    rows: Mapping[str, PlainRow], diverging: Sequence[Interval], keys: Mapping[str, Key]
) -> Mapping[str, tuple[str, ...]]:
    """For each head, its parents that agree within the tolerance, yet by more than rounding."""
    near = {n for n, row in rows.items() if row.agrees and row.factor.relative_difference > _ROUNDING}
    return {i.key: tuple(parent for parent in keys[i.key].parents if parent in near) for i in diverging}
