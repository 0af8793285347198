"""How far rounding alone moves each key: of doubles, and of the precision that the port's numbers show.

A port that computes in float32 cannot agree to 1e-6 everywhere, and no stage of it is to blame for that. So our own
program is run a dozen times with every value of every stage moved by up to one unit in the last place of that
precision. How far a key comes out is its spread. A difference within four times the spread is called rounding.
"""

import random
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

from trace_audit.compare.comparison import Factor, compare
from trace_audit.compare.gaps import ancestors
from trace_audit.compare.substitute import Visit
from trace_audit.trace.keys import registry, topological_order
from trace_audit.trace.parse import Context, Trace, Value
from trace_audit.trace.printed import EPS, FEWEST, digits, is_single, tells

RUNS = 12
MARGIN = 4.0
_SHIFT, _CHANGED = 1e-3, 1e-9
Spread = Mapping[tuple[str, Context], float]


@dataclass(frozen=True)
class Single:
    """The part of a program that computes in float32: its first key, and how far rounding there moves each key."""

    first: str
    moved: Spread

    def explains(self, factors: Sequence[Factor]) -> bool:
        """Whether rounding to float32 there is enough for these differences."""
        limits = (MARGIN * self.moved.get((factor.key.name, factor.context), 0.0) for factor in factors)
        return all(factor.relative_difference <= limit for factor, limit in zip(factors, limits, strict=True))


def single_part(numbers: Mapping[str, Sequence[str]], base: Trace, run: Callable[[Visit], Trace]) -> Single | None:
    """The part of a program whose printed numbers are float32 numbers, where the others are not; None if none shows.

    A key belongs to it if all its numbers that can tell are; keys that are not printed do if they are made of it.
    """
    telling = {name: [t for t in texts if digits(t) >= 9] for name, texts in numbers.items() if tells(name)}
    shown = [name for name in topological_order() if telling.get(name) and all(map(is_single, telling[name]))]
    if sum(len(telling[name]) for name in shown) < FEWEST or len(shown) == sum(map(bool, telling.values())):
        return None
    follow = {name for name in registry() if name not in numbers and ancestors(name).intersection(shown)}
    keys = frozenset((*shown, *follow))
    return Single(shown[0], spread(base, run, EPS["float32"], keys=keys))


def spread(
    base: Trace,
    run: Callable[[Visit], Trace],
    eps: float,
    runs: int = RUNS,
    seed: int = 1,
    keys: Container[str] | None = None,
) -> Spread:
    """The largest relative difference from `base` of each (key, context) over runs with every stage moved by eps.

    `keys`: only these stages.
    """
    largest: dict[tuple[str, Context], float] = {}
    for number in range(runs):
        trace = run(_mover(eps, random.Random(1000 * seed + number), keys))
        for factor in compare(base, trace).factors:
            position = factor.key.name, factor.context
            largest[position] = max(largest.get(position, 0.0), factor.relative_difference)
    return largest


def _mover(eps: float, source: random.Random, keys: Container[str] | None = None) -> Visit:
    def visit(key: str, context: Context, values: list[Value]) -> Sequence[Value] | None:
        if registry()[key].kind in ("word", "integer") or (keys is not None and key not in keys):
            return None
        return [float(value) * (1.0 + eps * source.uniform(-1.0, 1.0)) for value in values]

    return visit


def moved_by_each(base: Trace, run: Callable[[Visit], Trace]) -> dict[str, frozenset[str]]:
    """For each key with real values, the keys that change in this experiment when its values are moved."""
    result = {}
    for name in base.records:
        if registry()[name].kind in ("word", "integer"):
            continue
        try:
            trace = run(_shifted(name))
        except ValueError:  # our stages refuse the moved value
            continue
        changed = {f.key.name for f in compare(base, trace).factors if f.relative_difference > _CHANGED}
        if name in changed:  # where the value cannot be moved, nothing is known about it
            result[name] = frozenset(changed)
    return result


def _shifted(name: str) -> Visit:
    def visit(key: str, context: Context, values: list[Value]) -> Sequence[Value] | None:
        if key != name:
            return None
        return [float(value) * (1.0 + _SHIFT * (index + 1)) + _SHIFT**2 for index, value in enumerate(values)]

    return visit
