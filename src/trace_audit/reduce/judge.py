"""Comparison of two programs' output, key by key: for nanoBragg, or for a simulator whose keys are in a registry."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from trace_audit.compare.comparison import compare
from trace_audit.compare.plain import compare_plain
from trace_audit.trace.foreign_log import read_foreign_lines
from trace_audit.trace.key_names import KeyNames
from trace_audit.trace.keys import KeyGraph, graph
from trace_audit.trace.parse import Value
from trace_audit.trace.plain_log import read_plain_lines
from trace_audit.trace.printed import printing_error
from trace_audit.trace.simulator import Simulator
from trace_audit.trace.tolerances import relative_tolerance


@dataclass(frozen=True)
class Difference:
    """One key on both sides, at its worst place."""

    relative: float
    agrees: bool
    values: tuple[tuple[Value, ...], tuple[Value, ...]]


class Judge(Protocol):
    """Reads the output of programs and compares it."""

    @property
    def graph(self) -> KeyGraph:
        """The keys and their dependencies."""

    def differences(self, reference: Iterable[bytes], candidate: Iterable[bytes]) -> dict[str, Difference]:
        """The keys that both printed, with their differences; a key with an unreadable value differs entirely."""


@dataclass(frozen=True)
class NanoBraggJudge:
    """The keys of a nanoBragg, at the audit's own tolerance."""

    names: KeyNames

    @property
    def graph(self) -> KeyGraph:
        return graph()

    def differences(self, reference: Iterable[bytes], candidate: Iterable[bytes]) -> dict[str, Difference]:
        logs = read_foreign_lines(reference, KeyNames()), read_foreign_lines(candidate, self.names)
        allowed = max(relative_tolerance(), *(2.0 * printing_error(log.numbers) for log in logs))
        result: dict[str, Difference] = {}
        for factor in compare(logs[0].trace, logs[1].trace).factors:
            name = factor.key.name
            if not factor.key.compared or name in ("defects", "pixel_slow_fast"):
                continue
            sides = tuple(c.c for c in factor.components), tuple(c.py for c in factor.components)
            agrees = factor.agrees or factor.relative_difference <= allowed
            _keep_worst(result, name, Difference(factor.relative_difference, agrees, sides))
        for problem in logs[1].problems:
            if problem.key in self.graph.keys:
                _keep_worst(result, problem.key, Difference(1.0, False, ((), (problem.kind,))))
        return result


@dataclass(frozen=True)
class PlainJudge:
    """The keys of a registry, at its tolerances."""

    simulator: Simulator

    @property
    def graph(self) -> KeyGraph:
        return self.simulator.graph

    def differences(self, reference: Iterable[bytes], candidate: Iterable[bytes]) -> dict[str, Difference]:
        logs = read_plain_lines(reference, self.simulator), read_plain_lines(candidate, self.simulator)
        result = {}
        for name, row in compare_plain(self.simulator, *logs, ("reference", "candidate")).rows.items():
            sides: Any = tuple(tuple(getattr(c, s) for c in row.factor.components) for s in ("c", "py"))
            if row.factor.key.compared:
                result[name] = Difference(row.factor.relative_difference, row.agrees, sides)
        for problem in logs[1].problems:
            _keep_worst(result, problem.key, Difference(1.0, False, ((), (problem.kind,))))
        return result


def _keep_worst(result: dict[str, Difference], name: str, new: Difference) -> None:
    known = result.get(name)
    if known is None or (not new.agrees, new.relative) > (not known.agrees, known.relative):
        result[name] = new
