"""Which factor parted first: diverging keys without diverging parents, and what follows from them.

A parent counts if it diverges in a context that the child can see: the same sub-pixel (or none), and the same
source, phi step and mosaic domain where both state them. Values of the `orientation` part are samples (source 0,
phi step 0, domain 0) of what every term is made from, so they count for all terms of their sub-pixel.
"""

from dataclasses import dataclass

from trace_audit.comparison import Comparison, Factor
from trace_audit.keys import Key, downstream, registry
from trace_audit.parse import Context

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
    """Roots in order of computation, and the first factor that diverges."""

    roots: tuple[Root, ...]
    first: Factor | None

    @property
    def root_keys(self) -> list[str]:
        """Names of the root keys, each once, in order of computation."""
        return list(dict.fromkeys(root.factor.key.name for root in self.roots))


def blame(comparison: Comparison) -> Blame:
    """Sort the diverging factors of a comparison into roots and consequences."""
    diverging = comparison.diverging
    by_key: dict[str, list[Context]] = {}
    for factor in diverging:
        by_key.setdefault(factor.key.name, []).append(factor.context)
    root_factors = [factor for factor in diverging if not _inherited(factor, by_key)]
    near = _beyond_rounding(comparison)
    roots = tuple(
        Root(
            factor,
            tuple(name for name in downstream(factor.key.name) if name in by_key),
            _chain(factor.key.name, by_key),
            tuple(name for name in factor.key.parents if name in near),
        )
        for factor in root_factors
    )
    return Blame(roots, diverging[0] if diverging else None)


def _inherited(factor: Factor, diverging: dict[str, list[Context]]) -> bool:
    for name in factor.key.parents:
        contexts = diverging.get(name, [])
        if contexts and factor.key.name == "omega_pixel_sr":
            return True  # the stored solid angle is that of the first sub-pixel
        if any(_visible(registry()[name], parent, factor.context) for parent in contexts):
            return True
    return False


def _visible(parent: Key, parent_context: Context, child: Context) -> bool:
    """Whether a value in `parent_context` can have entered a value in context `child`."""
    pairs = [(parent_context.block, child.block)]
    if parent.where in ("term", "phi"):
        pairs += [
            (parent_context.source, child.source),
            (parent_context.phi_tic, child.phi_tic),
            (parent_context.mosaic_domain, child.mosaic_domain),
        ]
    return all(a is None or b is None or a == b for a, b in pairs)


def _chain(start: str, diverging: dict[str, list[Context]]) -> tuple[str, ...]:
    """A shortest path of diverging keys from `start` as far towards the pixel as it goes."""
    previous: dict[str, str] = {}
    frontier, last = [start], start
    seen = {start}
    while frontier:
        following = []
        for name in frontier:
            for key in registry().values():
                if name in key.parents and key.name in diverging and key.name not in seen:
                    seen.add(key.name)
                    previous[key.name] = name
                    following.append(key.name)
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
