"""Blame with missing keys: the interval of stages that holds the fault, and the key to print next.

A key that is not printed hides a fault between its printed ancestors and its printed descendants. The fault behind a
diverging key is in its own stage or in one that it is computed from, and not in one that an agreeing key is computed
from. Printing the key that halves the rest finds the stage in a number of steps that is the logarithm of the number of
stages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trace_audit.trace.keys import KeyGraph, graph

IN_LINES_OF_MANY = ("term", "phi")  # keys without a line of their own


@dataclass(frozen=True)
class Interval:
    """Where the fault behind one diverging key lies.

    `agreeing`: printed keys right above the interval; `possible`: the keys whose stage may be at fault, `key` itself
    included, in order of computation; `next_keys`: what to print next, the key that halves the interval first, of those
    that have a line of their own; `stages`: names of the stages in the interval, in order of computation.
    """

    key: str
    agreeing: tuple[str, ...]
    possible: tuple[str, ...]
    next_keys: tuple[str, ...]
    stages: tuple[str, ...]

    @property
    def is_one_stage(self) -> bool:
        """Whether only the key's own formula is left."""
        return self.possible == (self.key,)


def ancestors(name: str) -> frozenset[str]:
    """Every key of a nanoBragg that `name` is computed from, directly or not."""
    return graph().ancestors(name)


def intervals(
    agrees: Mapping[str, bool],
    applicable: Iterable[str],
    moves: Mapping[str, frozenset[str]] | None = None,
    among: KeyGraph | None = None,
) -> list[Interval]:
    """One interval for each diverging key that no other diverging key explains, in order of computation.

    `agrees[key]` is there for the printed keys alone. `applicable` are the keys that this experiment has. `moves[key]`:
    the keys that change when this one does, here; a key that agrees clears only what moves it (a background of zero
    says nothing about the fluence). What is not in `moves` counts as moving all that is computed from it.
    `among`: the graph of the keys (None: that of a nanoBragg).
    """
    keys = among or graph()
    allowed = set(applicable) | set(agrees)
    roots = keys.heads(name for name in keys.order if agrees.get(name) is False)
    return [_interval(root, agrees, allowed, moves or {}, keys) for root in roots]


def _interval(
    root: str, agrees: Mapping[str, bool], allowed: set[str], moves: Mapping[str, frozenset[str]], among: KeyGraph
) -> Interval:
    above, keys = _open_above(root, agrees, among), among.keys
    cleared = {name for name in among.ancestors(root) if agrees.get(name)}
    for name in tuple(cleared):
        hidden = (a for a in among.ancestors(name) if agrees.get(a) is None)
        cleared |= {a for a in hidden if a not in moves or name in moves[a]}
    possible = tuple(name for name in among.order if name in allowed and name in (above | {root}) - cleared)
    agreeing = tuple(n for n in among.order if agrees.get(n) and any(n in keys[p].parents for p in possible))
    unprinted = [n for n in possible if n != root and n not in agrees and keys[n].where not in IN_LINES_OF_MANY]
    stages = tuple(dict.fromkeys(keys[name].stage for name in possible))
    return Interval(root, agreeing, possible, _to_print(unprinted, possible, among), stages)


def _open_above(root: str, agrees: Mapping[str, bool], among: KeyGraph) -> frozenset[str]:
    """The keys that can reach a key without passing through a printed key that agrees, and those agreeing keys."""
    gaps: set[str] = set()
    new = list(among.keys[root].parents)
    while new:
        name = new.pop()
        if name not in gaps:
            gaps.add(name)
            if not agrees.get(name):
                new += among.keys[name].parents
    return frozenset(gaps)


def _to_print(unprinted: Sequence[str], possible: Sequence[str], among: KeyGraph) -> tuple[str, ...]:
    """Up to two keys: the one that halves the interval best, and the one that halves what is left if it agrees."""
    inside = set(possible)
    chosen: list[str] = []
    while len(chosen) < 2:
        open_keys = [name for name in unprinted if name in inside]
        if not open_keys:
            break
        best = max(open_keys, key=lambda name: (_smaller_part(name, inside, among), -possible.index(name)))
        chosen.append(best)
        inside -= {best, *among.ancestors(best)}
    return tuple(chosen)


def _smaller_part(name: str, inside: set[str], among: KeyGraph) -> int:
    before = len(inside & (among.ancestors(name) | {name}))
    return min(before, len(inside) - before)
