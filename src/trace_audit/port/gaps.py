"""Blame where keys are missing: the interval of stages that holds the fault, and the key to print next.

A key that is not printed hides where between its printed ancestors and its printed descendants a fault lies. What is
known about a diverging key: the fault is in its own stage or in one that it is computed from, and not in what a key
that agrees is computed from. Printing the key that halves what is left finds the stage in as many steps as the
logarithm of their number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from trace_audit.trace.keys import registry, topological_order


@dataclass(frozen=True)
class Interval:
    """Where the fault behind one diverging key lies.

    `agreeing`: printed keys right above the interval; `possible`: the keys whose stage may be at fault, `key` itself
    included, in order of computation; `next_keys`: what to print next, the key that halves the interval first.
    """

    key: str
    agreeing: tuple[str, ...]
    possible: tuple[str, ...]
    next_keys: tuple[str, ...]

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in the interval, in order of computation."""
        return tuple(dict.fromkeys(registry()[name].stage for name in self.possible))

    @property
    def is_one_stage(self) -> bool:
        """Whether the key's own formula is the only thing left."""
        return self.possible == (self.key,)


@cache
def ancestors(name: str) -> frozenset[str]:
    """Every key that `name` is computed from, directly or not."""
    found: set[str] = set()
    for parent in registry()[name].parents:
        found |= {parent, *ancestors(parent)}
    return frozenset(found)


def intervals(
    agrees: Mapping[str, bool], applicable: Iterable[str], moves: Mapping[str, frozenset[str]] | None = None
) -> list[Interval]:
    """One interval for each diverging key that no other diverging key explains, in order of computation.

    `agrees[key]` is there for the printed keys alone. `applicable` are the keys that this experiment has. `moves[key]`:
    the keys that change when this one does, here; a key that agrees clears only what moves it (a background of zero
    says nothing about the fluence). What is not in `moves` counts as moving all that is computed from it.
    """
    allowed = set(applicable) | set(agrees)
    diverging = [name for name in topological_order() if agrees.get(name) is False]
    roots = [name for name in diverging if not ancestors(name).intersection(diverging)]
    return [_interval(root, agrees, allowed, moves or {}) for root in roots]


def _interval(
    root: str, agrees: Mapping[str, bool], allowed: set[str], moves: Mapping[str, frozenset[str]]
) -> Interval:
    above = ancestors(root)
    cleared = {name for name in above if agrees.get(name)}
    for name in tuple(cleared):
        cleared |= {a for a in ancestors(name) if agrees.get(a) is None and (a not in moves or name in moves[a])}
    possible = [name for name in topological_order() if name in allowed and name in (above | {root}) - cleared]
    agreeing = [n for n in topological_order() if agrees.get(n) and any(n in registry()[p].parents for p in possible)]
    unprinted = [name for name in possible if name != root and name not in agrees]
    return Interval(root, tuple(agreeing), tuple(possible), _to_print(unprinted, possible))


def _to_print(unprinted: Sequence[str], possible: Sequence[str]) -> tuple[str, ...]:
    """Up to two keys: the one that halves the interval best, and the one that halves what is left if it agrees."""
    inside = set(possible)
    chosen: list[str] = []
    while len(chosen) < 2:
        open_keys = [name for name in unprinted if name in inside]
        if not open_keys:
            break
        best = max(open_keys, key=lambda name: (_smaller_part(name, inside), -possible.index(name)))
        chosen.append(best)
        inside -= {best, *ancestors(best)}
    return tuple(chosen)


def _smaller_part(name: str, inside: set[str]) -> int:
    before = len(inside & (ancestors(name) | {name}))
    return min(before, len(inside) - before)
