"""Which stage has the wrong derivative: torch's derivative of every traced key against differences of the C traces.

As with values, a key that differs while none of the keys it is computed from does is a root. A trace does not print
every value of every pass, so the stage to blame is that of the first value whose derivative is not that of its own
differences, and that of the roots where torch's derivatives are those of its own values.
"""

from dataclasses import dataclass, replace
from typing import Any

from trace_audit.derivatives.gradient_case import Case
from trace_audit.derivatives.gradient_stages import ValueAtFault, derivative_of_pixel, first_at_fault
from trace_audit.trace.keys import registry, roots
from trace_audit.trace.parse import Context, Trace

TOLERANCE = 1e-5  # of the largest derivative of the key
STRICTER = (1e-6, 1e-7)  # where the image's derivative is wrong and no key differs by more
_SAME_PIXEL = 1e-9  # of the derivative of a pixel: by the image's own way, and with the graph of every step
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

    def within(self, tolerance: float) -> bool:
        """Whether the share that differs is within a stricter tolerance too."""
        return self.agrees and self.share <= tolerance


@dataclass(frozen=True)
class GradientBlame:
    """Every key that moves or should move, the roots among those that differ in order of computation, and the fault.

    `first`: the first value that is at fault by itself; `path`: how the image's derivative is worked out, where that is
    at fault and no stage is.
    """

    pixel: tuple[int, int]
    keys: tuple[KeyDerivative, ...]
    tolerance: float = TOLERANCE
    first: ValueAtFault | None = None
    path: str | None = None

    @property
    def root_keys(self) -> tuple[str, ...]:
        return roots(key.name for key in self.keys if not key.within(self.tolerance))

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages to blame, each once."""
        if self.first is not None:
            return (self.first.stage,)
        if self.path is not None:
            return (f"image ({self.path})",)
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
            "first_value_at_fault": None if self.first is None else self.first.record(),
            "root_keys": [{"key": k.name, "torch": k.torch, "c": k.c, "difference_share": k.share} for k in named],
        }


def blame(case: Case, pixel: tuple[int, int], step: float, image: tuple[float, str] | None = None) -> GradientBlame:
    """Compare the derivatives of all keys at a pixel (slow, fast); C differences over `step` and twice that.

    `image`: of an image whose derivative is wrong, so that something is at fault, the pixel's derivative and what made
    it.
    """
    derivatives = case.torch_derivatives(pixel)
    near, far = ([case.c_trace(case.start + sign * size, pixel) for sign in (1, -1)] for size in (step, 2 * step))
    comparisons = (_compare(name, derivatives, near, far) for name in registry())
    seen = GradientBlame(pixel, tuple(key for key in comparisons if key is not None))
    if image is None and not seen.root_keys:
        return seen
    seen = replace(seen, first=first_at_fault(case, pixel, step))
    return seen if image is None or seen.stages else _last_resort(case, seen, *image)


def _last_resort(case: Case, seen: GradientBlame, of_image: float, path: str) -> GradientBlame:
    """Where no stage is at fault by itself: the way the image is differentiated, or a key that differs by little."""
    of_pixel = derivative_of_pixel(case, seen.pixel)
    if abs(of_image - of_pixel) > _SAME_PIXEL * max(abs(of_image), abs(of_pixel)):
        return replace(seen, path=path)
    stricter = (replace(seen, tolerance=tolerance) for tolerance in STRICTER)
    return next((comparison for comparison in stricter if comparison.root_keys), seen)


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
