"""Two logs, value by value: which values agree, which differ, and which are missing."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from trace_audit.compare import multiply_back
from trace_audit.trace import keys
from trace_audit.trace.keys import Key, registry
from trace_audit.trace.parse import Context, Problem, Record, Trace, Value
from trace_audit.trace.tolerances import floors, relative_tolerance

Side = Literal["c", "py"]
SIDES: tuple[Side, Side] = ("c", "py")
NAMES = ("C", "torch")  # of our own two programs

_PIVOT_GROUPS = ("setup_sample", "setup_beam")


@dataclass(frozen=True)
class Component:
    """One number (or word) of one key on both sides."""

    name: str
    c: Value
    py: Value
    absolute_difference: float | None
    relative_difference: float
    agrees: bool


@dataclass(frozen=True)
class Factor:
    """One key in one context on both sides. `relative_difference` is the worst of its components."""

    key: Key
    context: Context
    floor: float
    components: tuple[Component, ...]

    @cached_property
    def relative_difference(self) -> float:
        return max(component.relative_difference for component in self.components)

    @cached_property
    def agrees(self) -> bool:
        return all(component.agrees for component in self.components)

    @property
    def diverges(self) -> bool:
        """Whether it counts against the comparison: it differs and is not merely informative."""
        return self.key.compared and not self.agrees


@dataclass
class Comparison:
    """All results of comparing two logs.

    `problems[side]` are faults of that log; `alone[side]` lists keys that only that log has and that do not fail the
    comparison, because the other log is in the historic form.
    """

    c: Trace
    py: Trace
    names: tuple[str, str] = NAMES
    factors: list[Factor] = field(default_factory=list)
    problems: dict[Side, list[Problem]] = field(default_factory=lambda: {"c": [], "py": []})
    alone: dict[Side, list[str]] = field(default_factory=lambda: {"c": [], "py": []})
    identities: dict[Side, list[multiply_back.Identity]] = field(default_factory=dict)

    def name_of(self, side: Side) -> str:
        """The name of a side."""
        return self.names[SIDES.index(side)]

    @property
    def diverging(self) -> list[Factor]:
        return [factor for factor in self.factors if factor.diverges]

    @property
    def passed(self) -> bool:
        sound = all(identity.holds for side in SIDES for identity in self.identities[side])
        return sound and not self.diverging and not any(self.problems.values()) and bool(self.factors)

    @property
    def worst(self) -> Factor | None:
        """The compared factor with the largest relative difference; words have none, so they come last."""
        judged = [factor for factor in self.factors if factor.key.compared and factor.key.kind != "word"]
        judged = judged or [factor for factor in self.factors if factor.key.compared]
        return max(judged, key=lambda factor: factor.relative_difference, default=None)

    def label(self, key: Key, context: Context) -> dict[str, int]:
        """The place of a value: layer, sub-pixel, source, phi step, mosaic domain, as far as they apply."""
        result: dict[str, int] = {}
        if context.block is not None:
            candidates = [t.blocks[context.block] for t in (self.c, self.py) if context.block < len(t.blocks)]
            coordinates = next((block for block in candidates if block is not None), None)
            if coordinates is not None:
                result.update(zip(("layer", "sub_slow", "sub_fast"), coordinates, strict=True))
            else:
                result["block"] = context.block
        for name in ("source", "phi_tic", "mosaic_domain"):
            index = getattr(context, name)
            if index is not None:
                result[name] = index
            elif key.where in ("orientation", "square"):
                result[name] = 0
        return result


def compare(c: Trace, py: Trace, names: tuple[str, str] = NAMES) -> Comparison:
    """Compare two parsed logs at the tolerances of the data file. `names`: the names of the sides."""
    result = Comparison(c, py, names, identities={"c": multiply_back.check(c), "py": multiply_back.check(py)})
    floor = floors([c, py])
    sides: tuple[tuple[Side, Trace, Trace], ...] = (("c", c, py), ("py", py, c))
    for side, trace, other in sides:
        for problem in trace.problems:
            _sort_problem(result, side, trace, problem)
        for key in registry().values():
            _find_missing(result, side, trace, other, key)
        if not trace.historic:
            result.problems[side] += _incomplete_terms(trace)
    if not c.historic and not py.historic and c.blocks != py.blocks:
        message = f"the logs list different sub-pixels: {len(c.blocks)} in {names[0]}, {len(py.blocks)} in {names[1]}"
        result.problems["py"].append(Problem("unknown", "subpixel", None, message))
    for name in keys.topological_order():
        for context in c.records.get(name, {}):
            if context in py.records.get(name, {}):
                result.factors.append(factor_of(c.records[name][context], py.records[name][context], floor[name]))
    result.factors.sort(key=lambda factor: -1 if factor.context.block is None else factor.context.block)
    result.factors.sort(key=_stage_order)
    return result


def _stage_order(factor: Factor) -> int:
    """Setup before sub-pixels before the end, so that the first factor listed is the first computed."""
    where = factor.key.where
    return 0 if where in ("run", *keys.SETUP_PLACES) else 2 if where == "end" else 1


def _sort_problem(result: Comparison, side: Side, trace: Trace, problem: Problem) -> None:
    if problem.kind == "unknown" and trace.historic:
        result.alone[side].append(problem.key)
    else:
        result.problems[side].append(problem)


def _find_missing(result: Comparison, side: Side, trace: Trace, other: Trace, key: Key) -> None:
    """Report keys that `other` has and `trace` lacks, and required keys that both lack."""
    mine, theirs = trace.records.get(key.name, {}), other.records.get(key.name, {})
    strict = not trace.historic and not other.historic
    lacking = [context for context in theirs if context not in mine]
    if not mine and not theirs and (key.required or strict) and _expected(key, trace, other):
        lacking = [Context()]
    if not lacking:
        return
    if not strict and not key.required:
        if not mine and key.name not in result.alone[_opposite(side)]:
            result.alone[_opposite(side)].append(key.name)
        return
    faulty = {problem.key for problem in trace.problems}
    if key.name in faulty or (key.name.startswith("term.") and "term" in faulty):
        return
    for context in lacking:
        where = "".join(f", {name} {index}" for name, index in result.label(key, context).items())
        message = f"{key.name} is missing in the {result.name_of(side)} log{where}"
        result.problems[side].append(Problem("missing", key.name, None, message))


def _opposite(side: Side) -> Side:
    return "py" if side == "c" else "c"


def _expected(key: Key, trace: Trace, other: Trace) -> bool:
    """Whether a key that both logs lack should exist."""
    present = {registry()[name].where for log in (trace, other) for name in log.records}
    if key.where in _PIVOT_GROUPS:
        return key.where in present or not present.intersection(_PIVOT_GROUPS)
    if key.where == "orientation":  # printed for source 0 where that one is within the resolution limit
        of_source_0 = (c.source == 0 for log in (trace, other) for c in log.records.get("term.value", {}))
        return key.where in present or any(of_source_0)
    if key.where == "term":
        return bool(present.intersection(("orientation", "term")))
    if key.where in ("square", "phi"):
        return bool(present.intersection(("square", "phi")))
    return True


def _incomplete_terms(trace: Trace) -> Iterator[Problem]:
    """Per block and source, every (phi step, mosaic domain) must have its term, and every block its keys."""
    phi_steps, domains = trace.number("phi_steps"), trace.number("mosaic_domains")
    if phi_steps is None or domains is None:
        return
    terms = trace.records.get("term.value", {})
    square = "F_latt_a" in trace.records or "TRACE_PHI.k_frac" in trace.records
    for block, source in sorted({(c.block, c.source) for c in terms if c.block is not None and c.source is not None}):
        for phi_tic in range(int(phi_steps)):
            for domain in range(int(domains)):
                if Context(block, source, phi_tic, domain) not in terms:
                    message = f"no term for block {block}, source {source}, phi step {phi_tic}, domain {domain}"
                    yield Problem("missing", "term", None, message)
            phi_context = Context(block, phi_tic=phi_tic)
            if square and source == 0 and phi_context not in trace.records.get("TRACE_PHI.k_frac", {}):
                message = f"no per-phi line for block {block}, phi step {phi_tic}"
                yield Problem("missing", "TRACE_PHI.k_frac", None, message)
        if source == 0:
            yield from _incomplete_block(trace, block, square)


def _incomplete_block(trace: Trace, block: int, square: bool) -> Iterator[Problem]:
    places = ("block", "orientation", "square") if square else ("block", "orientation")
    for key in registry().values():
        records = trace.records.get(key.name, {})
        if key.where in places and records and Context(block) not in records:
            yield Problem("missing", key.name, None, f"{key.name} is missing in block {block}")


def factor_of(c: Record, py: Record, floor: float) -> Factor:
    """One value of both sides, judged component by component."""
    key = c.key
    if key.kind in ("word", "integer"):
        components = [_exact(key, i, x, y) for i, (x, y) in enumerate(zip(c.values, py.values, strict=True))]
    else:
        a, b = [float(v) for v in c.values], [float(v) for v in py.values]
        scales = _scales(key, a, b, floor)
        components = [_near(key.component_name(i), *values) for i, values in enumerate(zip(a, b, scales, strict=True))]
    return Factor(key, c.context, floor, tuple(components))


def _exact(key: Key, index: int, c: Value, py: Value) -> Component:
    absolute = None if isinstance(c, str) or isinstance(py, str) else float(abs(c - py))
    return Component(key.component_name(index), c, py, absolute, 0.0 if c == py else 1.0, c == py)


def _scales(key: Key, c: list[float], py: list[float], floor: float) -> list[float]:
    """What the difference of each component is relative to: the larger magnitude; in a vector or row, larger length."""
    width = {"vector": key.size, "matrix": 3}.get(key.kind, 1)
    scales: list[float] = []
    for start in range(0, key.size, width):
        part = slice(start, start + width)
        scales += [max(math.hypot(*c[part]), math.hypot(*py[part]), floor)] * width
    return scales


def _near(name: str, c: float, py: float, scale: float) -> Component:
    absolute = abs(c - py)
    relative = absolute / scale if absolute else 0.0
    if not math.isfinite(relative):
        relative = 1.0
    return Component(name, c, py, absolute, relative, relative <= relative_tolerance())
