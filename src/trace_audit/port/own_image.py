"""Did the traced values make the port's own image? Subsets of the faulty keys are tried one after the other.

The port's pixel is known from its image, or from the last key that it prints. Our program with the port's values at
some of the faulty keys predicts that pixel. Keys whose wrong value is needed for the prediction are in the image; keys
whose wrong value must be left out are wrong in the trace alone. Where more than one subset predicts the pixel, or none
does, a key that they do not agree on is "not known".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from trace_audit.compare.substitute import Visit
from trace_audit.trace.parse import Context, Trace, Value

IN_IMAGE, TRACE_ONLY, NOT_KNOWN = "in the image", "in the trace only", "not known"
MOST_GROUPS = 8
PIXEL = "floatimage_accumulated"


@dataclass(frozen=True)
class Attempt:
    """Our pixel with the port's values at `fed`, and its relative difference from the port's pixel."""

    fed: tuple[str, ...]
    pixel: float
    relative_difference: float
    predicts: bool


@dataclass(frozen=True)
class ImageRole:
    """What each faulty key is for the image, the trials that say so, and the port's pixel."""

    port_pixel: float
    pixel_source: str
    roles: dict[str, str]
    attempts: tuple[Attempt, ...]

    @property
    def best(self) -> Attempt:
        """The smallest subset that predicts the pixel, or else the one that comes nearest."""
        return min(self.attempts, key=lambda a: (not a.predicts, len(a.fed) if a.predicts else a.relative_difference))


def roles(
    port: Trace,
    port_pixel: float,
    pixel_source: str,
    faulty: Sequence[tuple[str, ...]],
    run: Callable[[Visit], Trace],
    allowed: Callable[[tuple[str, ...]], float],
) -> ImageRole:
    """The role of each faulty key; keys of one group have one cause, and so one role.

    `allowed(subset)` is the relative difference that rounding explains.
    """
    groups = [tuple(name for name in group if name != PIXEL) for group in faulty]
    tried = [group for group in groups if group][:MOST_GROUPS]
    attempts, predicting = [], []
    for size in range(len(tried) + 1):
        for subset in combinations(tried, size):
            fed = tuple(name for group in subset for name in group)
            attempts.append(_attempt(port, port_pixel, fed, run, allowed(fed)))
            if attempts[-1].predicts:
                predicting.append(set(subset))
    result = {}
    for group in faulty:
        inside = [tuple(name for name in group if name != PIXEL) in subset for subset in predicting]
        known = bool(predicting) and any(set(group) - {PIXEL} == set(tried_group) for tried_group in tried)
        role = IN_IMAGE if known and all(inside) else TRACE_ONLY if known and not any(inside) else NOT_KNOWN
        result.update(dict.fromkeys(group, role))
    return ImageRole(port_pixel, pixel_source, result, tuple(attempts))


def _attempt(
    port: Trace, port_pixel: float, fed: tuple[str, ...], run: Callable[[Visit], Trace], allowed: float
) -> Attempt:
    try:
        pixel = run(feed(port, fed)).number(PIXEL)
    except (ValueError, ArithmeticError):
        pixel = None
    if pixel is None:
        return Attempt(fed, float("nan"), float("inf"), False)
    scale = max(abs(pixel), abs(port_pixel))
    difference = abs(pixel - port_pixel) / scale if scale else 0.0
    return Attempt(fed, pixel, difference, difference <= allowed)


def feed(port: Trace, names: Sequence[str]) -> Visit:
    """A visitor that puts the port's values of these keys into our stages, wherever our stage runs."""

    def visit(key: str, context: Context, values: list[Value]) -> Sequence[Value] | None:
        if key not in names:
            return None
        records = port.records.get(key, {})
        record = records.get(context)
        return None if record is None else record.values

    return visit
