"""Which factor differs first: diverging keys without diverging parents, and their consequences.

A parent counts if it diverges in a context that the child can see: the same sub-pixel (or none), and the same
source, phi step and mosaic domain where both state them. Values of the `orientation` part are samples (source 0,
phi step 0, domain 0) of what every term is made from, so they count for all terms of their sub-pixel. A parent that
agrees within tolerance, but with more than a rounding difference from a diverging parent of its own, also counts:
phases amplify small differences. A parent that one of the logs lacks is replaced by its own parents. Context keys, from
which the pixel is not computed, are never roots.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from trace_audit.compare.comparison import Comparison, Factor
from trace_audit.trace.keys import (
    GLOBAL_PLACES,
    Key,
    can_be_root,
    downstream,
    parents_among,
    registry,
    topological_order,
)
from trace_audit.trace.parse import Context

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Root:
    """One root cause. `chain` leads from it to the pixel through diverging keys; `downstream` holds all of them."""

    factor: Factor
    downstream: tuple[str, ...]
    chain: tuple[str, ...]
    suspects: tuple[str, ...]  # parents that agree within tolerance but by more than rounding


@dataclass(frozen=True)
class Blame:
    """Roots in order of computation, the first factor that diverges, and diverging context keys."""

    roots: tuple[Root, ...]
    first: Factor | None
    context: tuple[Root, ...]

    @property
    def root_keys(self) -> list[str]:
        """Names of the root keys, each once, in order of computation."""
        return list(dict.fromkeys(root.factor.key.name for root in self.roots))

    @property
    def context_keys(self) -> list[str]:
        """The same for diverging context keys."""
        return list(dict.fromkeys(root.factor.key.name for root in self.context))


def blame(comparison: Comparison) -> Blame:
    """Sort the diverging factors of a comparison into roots, context and consequences."""
    diverging = comparison.diverging
    printed = frozenset(factor.key.name for factor in comparison.factors)
    parents = parents_among(printed)
    moved = _Moved(parents)
    by_themselves = []
    for name, factors in _by_key(comparison).items():
        followed = [factor for factor in factors if factor.relative_difference > _ROUNDING and moved.reaches(factor)]
        seen = set(map(id, followed))
        own = [factor for factor in factors if factor.diverges and id(factor) not in seen]
        by_themselves += own
        moved.add(name, followed + own)
    position = {id(factor): i for i, factor in enumerate(diverging)}
    by_themselves.sort(key=lambda factor: position[id(factor)])
    names, near = {factor.key.name for factor in diverging}, _beyond_rounding(comparison)

    def root_of(factor: Factor) -> Root:
        name = factor.key.name
        after = tuple(key for key in downstream(name) if key in names)
        suspects = tuple(parent for parent in parents[name] if parent in near)
        return Root(factor, after, _chain(name, names, parents), suspects)

    can = {factor.key.name: can_be_root(factor.key.name, printed) for factor in by_themselves}
    roots = tuple(root_of(factor) for factor in by_themselves if can[factor.key.name])
    context = tuple(root_of(factor) for factor in by_themselves if not can[factor.key.name])
    return Blame(roots, diverging[0] if diverging else None, context)


def _by_key(comparison: Comparison) -> dict[str, list[Factor]]:
    """The factors of each key, parents before children."""
    rows: dict[str, list[Factor]] = {name: [] for name in topological_order()}
    for factor in comparison.factors:
        rows[factor.key.name].append(factor)
    return rows


class _Moved:
    """Values that diverge, and values that followed one: beyond rounding, even if within tolerance."""

    def __init__(self, parents: Mapping[str, tuple[str, ...]]) -> None:
        self.parents = parents
        self.contexts: dict[str, list[Context]] = {}
        self.seen: dict[tuple[str, tuple[str, ...]], set[tuple[int | None, ...]]] = {}

    def add(self, name: str, factors: list[Factor]) -> None:
        if factors:
            self.contexts[name] = [factor.context for factor in factors]

    def reaches(self, factor: Factor) -> bool:
        """Whether a parent has moved in a context that this factor can see."""
        for name in self.parents[factor.key.name]:
            if name not in self.contexts:
                continue
            if factor.key.name == "omega_pixel_sr":
                return True  # the stored solid angle is that of the first sub-pixel
            if self._in_sight(name, factor.context):
                return True
        return False

    def _in_sight(self, name: str, context: Context) -> bool:
        shared = tuple(f for f in _indices(registry()[name]) if getattr(context, f) is not None)
        if (name, shared) not in self.seen:
            self.seen[name, shared] = {tuple(getattr(c, f) for f in shared) for c in self.contexts[name]}
        return tuple(getattr(context, f) for f in shared) in self.seen[name, shared]


def _indices(key: Key) -> tuple[str, ...]:
    """The indices that distinguish the values of a key."""
    if key.where in GLOBAL_PLACES:
        return ()
    return {"phi": ("block", "phi_tic"), "term": ("block", "source", "phi_tic", "mosaic_domain")}.get(
        key.where, ("block",)
    )


def _chain(start: str, diverging: set[str], parents: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """A shortest path of diverging keys from `start` as far towards the pixel as it goes."""
    previous: dict[str, str] = {}
    frontier, last = [start], start
    seen = {start}
    while frontier:
        following = []
        for name in frontier:
            for child, made_of in parents.items():
                if name in made_of and child in diverging and child not in seen:
                    seen.add(child)
                    previous[child] = name
                    following.append(child)
        if "floatimage_accumulated" in following:
            last = "floatimage_accumulated"
            break
        last = following[-1] if following else last
        frontier = following
    path = [last]
    while path[-1] in previous:
        path.append(previous[path[-1]])
    return tuple(reversed(path))


def _beyond_rounding(comparison: Comparison) -> set[str]:
    """Keys that agree within tolerance, yet differ by more than double rounding explains."""
    return {f.key.name for f in comparison.factors if f.agrees and f.relative_difference > _ROUNDING}
