"""Which stage has the wrong derivative: torch's derivative of every traced key against differences of the C traces.

As with values, a key that differs while none of the keys it is computed from does is a root; its stage is to blame.
"""

from dataclasses import dataclass
from typing import Any

from trace_audit.derivatives.gradient_case import Case
from trace_audit.trace.keys import registry, roots
from trace_audit.trace.parse import Context, Trace

TOLERANCE = 1e-5  # of the largest derivative of the key
_ROUNDING = 1e-12  # of a traced value
_LEFT_OUT = ("r_e_meters", "r_e_sqr", "floatimage_accumulated")  # constants, and a number of single precision


Pair = list[tuple[float, Trace]]  # value of the parameter and C trace, above and below the start


@dataclass(frozen=True)
class KeyDerivative:
    """The worst component of a key: its derivatives per unit, and their difference as a share of the largest."""

    name: str
    torch: float
    c: float
    share: float
    agrees: bool


@dataclass(frozen=True)
class GradientBlame:
    """Every key that moves or should move, and the roots among those that differ, in order of computation."""

    pixel: tuple[int, int]
    keys: tuple[KeyDerivative, ...]

    @property
    def root_keys(self) -> tuple[str, ...]:
        return roots(key.name for key in self.keys if not key.agrees)

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages of the roots, each once."""
        return tuple(dict.fromkeys(registry()[name].stage for name in self.root_keys))

    def record(self) -> dict[str, Any]:
        """The blame as JSON values: the roots, and the worst key."""
        worst = max(self.keys, key=lambda key: key.share, default=None)
        named = [key for key in self.keys if key.name in self.root_keys]
        return {
            "pixel_slow_fast": list(self.pixel),
            "keys_compared": len(self.keys),
            "worst_share": None if worst is None else worst.share,
            "worst_key": None if worst is None else worst.name,
            "stages_to_blame": list(self.stages),
            "root_keys": [{"key": k.name, "torch": k.torch, "c": k.c, "difference_share": k.share} for k in named],
        }


def blame(case: Case, pixel: tuple[int, int], step: float) -> GradientBlame:
    """Compare the derivatives of all keys at a pixel (slow, fast); C differences over `step` and twice that."""
    derivatives = case.torch_derivatives(pixel)
    near, far = ([case.c_trace(case.start + sign * size, pixel) for sign in (1, -1)] for size in (step, 2 * step))
    found = (_compare(name, derivatives, near, far) for name in registry())
    return GradientBlame(pixel, tuple(key for key in found if key is not None))


def _compare(name: str, derivatives: Trace, near: Pair, far: Pair) -> KeyDerivative | None:
    """The worst component of a key over its contexts; None for a key that is no number or does not move."""
    key = registry()[name]
    if not key.compared or key.kind in ("word", "integer") or name in _LEFT_OUT:
        return None
    rows = []
    for context, record in derivatives.records.get(name, {}).items():
        pair, wide = _difference(near, name, context), _difference(far, name, context)
        if pair is None or wide is None:
            return None
        for torch_value, (c, noise), (c_wide, _) in zip(record.values, pair, wide, strict=True):
            slack = 2.0 * abs(c_wide - c) / 3.0 + noise
            rows.append((float(torch_value), c, slack))
    largest = max((abs(c) for _, c, _ in rows), default=0.0)
    largest = max(largest, max((abs(t) for t, _, _ in rows), default=0.0))
    if largest == 0.0:
        return None
    torch_value, c, slack = max(rows, key=lambda row: abs(row[0] - row[1]) - row[2])
    excess = abs(torch_value - c) - slack
    return KeyDerivative(name, torch_value, c, max(excess, 0.0) / largest, excess <= TOLERANCE * largest)


def _difference(pair: Pair, name: str, context: Context) -> list[tuple[float, float]] | None:
    """Central difference of each component, and its rounding error."""
    (above, trace_above), (below, trace_below) = pair
    values_above, values_below = trace_above.values(name, context), trace_below.values(name, context)
    if values_above is None or values_below is None:
        return None
    width = above - below
    return [
        ((float(a) - float(b)) / width, _ROUNDING * max(abs(float(a)), abs(float(b))) / abs(width))
        for a, b in zip(values_above, values_below, strict=True)
    ]
