"""Central differences of the C program's images over a sweep of steps, against torch's gradient.

The error must fall as the square of the step until rounding dominates. Between the two images of a step a term of a
pixel may pass to another reflection, or to another cell of interpolated amplitudes, where the image jumps or bends.
Such a pixel does not count at that step, but at those that are small enough for it. Each is judged at the step at which
its differences over it and over half of it agree best, whatever torch's gradient is; left out is one without such a
step. Tilts of mosaic domains are rounded to single precision, in C as in torch: what that does to an image is taken
off the difference, as torch's images with and without it have it.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from trace_audit.derivatives.gradient_case import Case

TOLERANCE = 1e-6  # of the gradient's peak, at the best step
VALUE_TOLERANCE = 1e-9  # of the image's peak
SLOPE_RANGE = (1.8, 2.2)
STEPS = 14
BLAME_STEP = 6  # place in the sweep: neither curvature nor rounding hides a wrong derivative there
FIRST_STEP = 0.05  # the change it makes, as a share of the image's peak
_ABOVE_ROUNDING = 5.0
_ASYMPTOTIC = 0.02
_FEWEST_POINTS = 3
_MOST_LEFT_OUT = 0.05  # share of the pixels: at no step do they stay where they are


@dataclass(frozen=True)
class Point:
    """One step: its error as a share of the gradient's peak, and how many pixels could not be used."""

    step: float
    error: float
    pixels_excluded: int


@dataclass(frozen=True)
class Sweep:
    """Torch's gradient, the C program's, and how their difference depends on the step."""

    points: tuple[Point, ...]
    slope: float | None  # None: too few points above rounding to tell
    slope_points: int
    best: Point | None  # each pixel at its own step, half of them at a larger one; None: too many have none
    value_difference: float  # of the two images, as a share of the peak
    torch_gradient: np.ndarray
    c_gradient: np.ndarray
    passing: np.ndarray  # pixels that pass to another reflection within twice the blame's step
    moved: bool
    path: str  # how torch's gradient was worked out

    @property
    def failure(self) -> str | None:
        """Why the gradient does not pass; None if it does."""
        low, high = SLOPE_RANGE
        if self.value_difference > VALUE_TOLERANCE:
            return f"the images themselves differ by {self.value_difference:.1e} of the peak; audit the values first"
        if not self.moved:
            return "the parameter does not move the image, so nothing was checked"
        if self.best is None:
            return "too many pixels pass to another reflection at every step"
        if self.best.error > TOLERANCE:
            return f"the best agreement is {self.best.error:.1e} of the gradient's peak, expected {TOLERANCE:.0e}"
        if self.slope is not None and not low <= self.slope <= high:
            return f"the error falls as the step to the power {self.slope:.2f}, expected 2"
        if self.slope is None and max(point.error for point in self.points) > TOLERANCE:
            return "the error does not fall with the step"
        return None

    @property
    def worst_pixel(self) -> tuple[int, int]:
        """Where the gradients differ most (slow, fast), among usable pixels; the gradients' peak if they agree."""
        wrong = self.best is None or self.best.error > TOLERANCE
        where = np.abs(self.torch_gradient - self.c_gradient) if wrong else np.abs(self.torch_gradient)
        where = np.where(self.passing, -1.0, where)
        slow, fast = np.unravel_index(int(where.argmax()), where.shape)
        return int(slow), int(fast)

    def record(self) -> dict[str, Any]:
        """The sweep as JSON values."""
        best = None
        if self.best is not None and np.isfinite(self.best.error):
            best = {
                "step": self.best.step,
                "error_of_peak": self.best.error,
                "pixels_excluded": self.best.pixels_excluded,
            }
        return {
            "torch_derivative": self.path,
            "torch_gradient_norm": float(np.linalg.norm(self.torch_gradient)),
            "c_gradient_norm": float(np.linalg.norm(self.c_gradient)),
            "torch_gradient_peak": float(np.abs(self.torch_gradient).max()),
            "best_agreement": best,
            "fitted_slope": self.slope,
            "slope_points": self.slope_points,
            "value_difference_of_peak": self.value_difference,
            "pixels": int(self.torch_gradient.size),
            "sweep": [
                {
                    "step": p.step,
                    "error_of_peak": p.error if np.isfinite(p.error) else None,
                    "pixels_excluded": p.pixels_excluded,
                }
                for p in self.points
            ],
        }


def sweep(case: Case, steps: int = STEPS) -> Sweep:
    """Difference the C program's images at `steps` steps, each half of the one before."""
    image, gradient, path = case.torch_gradient()
    _, c_image = case.c_image(case.start)
    peak = float(np.abs(c_image).max())
    value_difference = float(np.abs(image - c_image).max()) / (peak or 1.0)
    first = first_step(case, peak, float(np.abs(gradient).max()))
    differences = [_difference(case, float(step)) for step in first * 0.5 ** np.arange(steps)]
    moved = bool(np.abs(gradient).max() > 0) and any(np.abs(d.gradient).max() > 0 for d in differences)
    slope, count = _slope(differences, gradient)
    best, chosen = _best(differences, gradient)
    points = tuple(d.point(gradient) for d in differences)
    passing = differences[BLAME_STEP - 1].passing
    return Sweep(points, slope, count, best, value_difference, gradient, chosen.gradient, passing, moved, path)


@dataclass(frozen=True)
class _Difference:
    """A central difference of images, and the pixels (slow, fast) that pass to another reflection within its step."""

    step: float
    gradient: np.ndarray
    passing: np.ndarray

    def point(self, gradient: np.ndarray, left_out: np.ndarray | None = None) -> Point:
        """Its error over all pixels, except those that move to another reflection or are `left_out`."""
        used = ~(self.passing if left_out is None else left_out)
        error = np.abs(self.gradient - gradient)[used]
        peak = float(np.abs(gradient).max())
        share = float(error.max()) / peak if error.size and peak > 0 else np.inf
        return Point(self.step, share, int(self.passing.sum()))


def _best(differences: list[_Difference], gradient: np.ndarray) -> tuple[Point | None, _Difference]:
    """Of each pixel the difference that agrees best with that over half the step; None where too many have none."""
    bend = np.array([
        np.where(wide.passing | near.passing, np.inf, np.abs(wide.gradient - near.gradient))
        for wide, near in pairwise(differences)
    ])  # fmt: skip
    chosen = bend.argmin(0)
    nearer = np.array([near.gradient for near in differences[1:]])
    steps = np.array([near.step for near in differences[1:]])[chosen]
    gradients = np.take_along_axis(nearer, chosen[None], 0)[0]
    best = _Difference(float(np.median(steps)), gradients, np.isinf(bend.min(0)))
    return (best.point(gradient) if best.passing.mean() <= _MOST_LEFT_OUT else None), best


def _slope(differences: list[_Difference], gradient: np.ndarray) -> tuple[float | None, int]:
    """`fitted_slope` of errors that fall from each step to the next as those of the pixels do that pass at neither."""
    if not np.abs(gradient).max() > 0:
        return None, 0
    points: list[Point] = []
    for wide, near in pairwise(differences):
        passing = wide.passing | near.passing
        if passing.all():
            continue
        before, after = wide.point(gradient, passing), near.point(gradient, passing)
        if not points:
            points.append(before)
        fall = after.error / before.error if before.error > 0 else 0.0
        points.append(replace(after, error=points[-1].error * fall))
    return fitted_slope(points) if points else (None, 0)


def first_step(case: Case, image_peak: float, gradient_peak: float) -> float:
    """The step that changes the image by a twentieth of its peak.

    At most a fifth of the value; if the value has a limit, at most nine tenths of the way to it.
    """
    ends = case.parameter.range
    limit = 0.2 * abs(case.start) if ends is None else 0.9 * min(case.start - ends[0], ends[1] - case.start)
    return min(limit, FIRST_STEP * image_peak / gradient_peak) if gradient_peak > 0 else limit


def _difference(case: Case, step: float) -> _Difference:
    above, image_above = case.c_image(case.start + step)
    below, image_below = case.c_image(case.start - step)
    rounding = case.rounding(above) - case.rounding(below)
    gradient = (image_above - image_below - rounding) / (above - below)
    return _Difference(step, gradient, _passing_pixels(case, above, below))


def _passing_pixels(case: Case, above: float, below: float) -> np.ndarray:
    """Pixels (slow, fast) whose terms are near different reflections at the two values, or differ in number."""
    regions = case.regions(above), case.regions(below)
    if regions[0].shape != regions[1].shape:
        return np.ones(case.shape, dtype=bool)
    return (regions[0] != regions[1]).any(0).numpy().reshape(case.shape)


def fitted_slope(points: list[Point]) -> tuple[float | None, int]:
    """Power of the step with which the error falls, over the large steps where it is above rounding, and their number.

    None where fewer than three steps are above rounding: an image that is linear or quadratic in the parameter has no
    other error.
    """
    errors = np.array([point.error for point in points])
    floor = max(float(errors.min()) * _ABOVE_ROUNDING, 1e-300)
    end = int(np.argmax(errors <= floor)) if (errors <= floor).any() else len(points)
    used = [n for n in range(end) if errors[n] <= _ASYMPTOTIC]
    if len(used) < _FEWEST_POINTS:
        return None, len(used)
    steps = np.log([points[n].step for n in used])
    return float(np.polyfit(steps, np.log(errors[used]), 1)[0]), len(used)
