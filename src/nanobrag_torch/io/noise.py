"""Photon-counting noise: Poisson deviates drawn as nanoBragg draws them: pixel by pixel, from one stream.

Section 13 of docs/physics.md.

Three methods by the mean m: a normal deviate above 1e6, a product of uniforms below 12, rejection from a Lorentzian
between (Numerical Recipes' `poidev`, `gasdev`, `gammln`). Singles are rounded exactly where the original rounds.

(13.4) noise, I < 12: the number of draws u whose product stays above exp(-I)
(13.5) noise, 12 <= I <= 1e6: k = floor(sqrt(2 I) tan(pi u) + I), accepted if
       u' <= 0.9 (1 + tan^2(pi u)) exp(k ln I - ln Gamma(k + 1) - I ln I + ln Gamma(I + 1))
(13.6) noise, I > 1e6: I + sqrt(I) times a normal number
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.io.pixel_values import LARGEST_COUNT, Roi, blocks_of_rows, in_blocks, window
from nanobrag_torch.physics.random_numbers import UniformStream

_PRODUCT_BELOW = 12.0
_NORMAL_ABOVE = 1e6
_LANCZOS = (
    76.18009172947146,
    -86.50532032941677,
    24.01409824083091,
    -1.231739572450155,
    0.001208650973866179,
    -0.000005395239384953,
)
# A product of singles may differ from the double product by 2^-24 a factor; within this the singles decide.
_DOUBTFUL = 1e-4
_BLOCK = 8192
_LONGEST_PRODUCT = 1024  # a mean below 12 practically never needs more than 80 factors
_GROUP, _FEW = 4096, 0.02


class NoiseError(ExperimentError):
    """An image that no noise can be computed for; the message is one line."""


class NoiseImage(NamedTuple):
    """Counts with offset (slow, fast), the photons drawn, and how many pixels were cut to 65535."""

    counts: np.ndarray
    photons: float
    overloads: int


_cell = array("f", [0.0])


def single(value: float) -> float:
    """Round to single precision, as a Python float."""
    _cell[0] = value
    return _cell[0]


def log_gamma(x: float) -> float:
    """ln Gamma(x) for x > 0 by Lanczos' series with six terms, in double, rounded to single."""
    t = x + 5.5
    t -= (x + 0.5) * math.log(t)
    series = 1.000000000190015
    for index, coefficient in enumerate(_LANCZOS, start=1):
        series += coefficient / (x + index)
    return single(-t + math.log(2.5066282746310005 * series / x))


class PoissonStream:
    """Poisson deviates from a stream of uniform deviates. Normal deviates come in pairs: the second is kept for later.

    The uniform stream is read in blocks, so its position afterwards is unspecified.
    """

    def __init__(self, uniform: UniformStream):
        self._stream = uniform
        self._drawn: list[float] = []  # uniform deviates, of which those from `_place` on are unused
        self._place = 0
        self._array_of: list[float] | None = None
        self._array = np.empty(0, dtype=np.float32)
        self._spare: float | None = None
        self._log_gammas: dict[float, float] = {}

    def draws(self, means: np.ndarray, before_group: Callable[[], None] = lambda: None) -> np.ndarray:
        """One deviate for each mean (n,) (single precision, finite), in order, as float64.

        `before_group` is called every few thousand deviates, some hundredths of a second; an exception it raises stops
        the drawing.
        """
        means = np.asarray(means, dtype=np.float32)
        drawn = np.zeros(means.size, dtype=np.float64)
        for first in range(0, means.size, _GROUP):
            before_group()
            group = slice(first, first + _GROUP)
            some, limit = means[group], np.exp(-np.minimum(means[group], _PRODUCT_BELOW, dtype=np.float64))
            limits = np.where(some < _PRODUCT_BELOW, limit, -1.0).astype(np.float32)
            few = np.count_nonzero(some >= _PRODUCT_BELOW) + some.size - limit.sum() < some.size * _FEW
            (self._mostly_nothing if few else self._one_by_one)(some, limits, drawn[group])
        return drawn

    def _mostly_nothing(self, means: np.ndarray, limits: np.ndarray, drawn: np.ndarray) -> None:
        """For blocks in which most pixels get no photon: such pixels take one deviate each and are skipped together."""
        pixel = 0
        while pixel < means.size:
            ahead = self._ahead(means.size - pixel)
            something = ahead > limits[pixel : pixel + ahead.size]
            nothing = int(something.argmax()) if something.any() else ahead.size
            self._place += nothing
            pixel += nothing
            if nothing < ahead.size:
                drawn[pixel] = self._deviate(float(means[pixel]), float(limits[pixel]))
                pixel += 1

    def _ahead(self, most: int) -> np.ndarray:
        """The next uniform deviates, at least one and at most `most`, without using them up."""
        self._have(1)
        if self._array_of is not self._drawn:
            self._array_of, self._array = self._drawn, np.array(self._drawn, dtype=np.float32)
        return self._array[self._place : self._place + most]

    def _one_by_one(self, means: np.ndarray, limits: np.ndarray, drawn: np.ndarray) -> None:
        deviate = self._deviate
        drawn[:] = [deviate(mean, limit) for mean, limit in zip(means.tolist(), limits.tolist(), strict=True)]

    def _deviate(self, mean: float, limit: float) -> float:
        if mean < _PRODUCT_BELOW:
            return self._by_product(limit)
        return single(mean + math.sqrt(mean) * self._normal()) if mean > _NORMAL_ABOVE else self._by_rejection(mean)

    def _have(self, count: int) -> None:
        """Make sure that `count` uniform deviates are available; draws a new block if they are not."""
        while len(self._drawn) - self._place < count:
            self._drawn = self._drawn[self._place :] + self._stream.block(_BLOCK)
            self._place = 0

    def _uniform(self) -> float:
        if self._place == len(self._drawn):
            self._have(1)
        self._place += 1
        return self._drawn[self._place - 1]

    def _by_product(self, limit: float) -> float:
        """How many uniform deviates can be multiplied before the product falls to `limit` = exp(-m)."""
        if len(self._drawn) - self._place < _LONGEST_PRODUCT:
            self._have(_LONGEST_PRODUCT)
        drawn, first = self._drawn, self._place
        position, product = first + 1, drawn[first]
        if product <= limit:
            self._place = position
            return 0.0
        low, high = limit * (1 - _DOUBTFUL), limit * (1 + _DOUBTFUL)
        while product > low:
            if product < high and not _exact_product(drawn[first:position]) > limit:
                break
            product *= drawn[position]
            position += 1
        self._place = position
        return position - first - 1.0

    def _normal(self) -> float:
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return spare
        while True:
            v1 = single(2.0 * self._uniform() - 1.0)
            v2 = single(2.0 * self._uniform() - 1.0)
            radius_sqr = v1 * v1 + v2 * v2
            if 0.0 < radius_sqr < 1.0:
                break
        factor = single(math.sqrt(-2.0 * math.log(radius_sqr) / radius_sqr))
        self._spare = v1 * factor
        return v2 * factor

    def _log_gamma(self, x: float) -> float:
        value = self._log_gammas.get(x)
        if value is None:
            value = self._log_gammas[x] = log_gamma(x)
        return value

    def _by_rejection(self, mean: float) -> float:
        uniform = self._uniform
        width = single(math.sqrt(2.0 * mean))
        log_mean = single(math.log(mean))
        peak = single(single(mean * log_mean) - self._log_gamma(single(mean + 1.0)))
        while True:
            while True:
                y = single(math.tan(math.pi * uniform()))
                count = single(single(width * y) + mean)
                if count >= 0.0:
                    break
            count = float(math.floor(count))
            exponent = single(single(single(count * log_mean) - self._log_gamma(single(count + 1.0))) - peak)
            ratio = single(0.9 * (1.0 + single(y * y)) * math.exp(exponent))
            if not uniform() > ratio:
                return count


def _exact_product(factors: list[float]) -> float:
    product = 1.0
    for factor in factors:
        product = single(product * factor)
    return product


class Noise:
    """Counts with noise, a block of rows at a time in storage order, from one stream.

    `photons` and `overloads` count the rows so far. `before_group` is called every few thousand pixels.
    """

    def __init__(self, adc: float, uniform: UniformStream, before_group: Callable[[], None] = lambda: None):
        self.adc, self.poisson, self.before_group = adc, PoissonStream(uniform), before_group
        self.photons, self.overloads = 0.0, 0

    def counts(self, image: np.ndarray, roi: Roi) -> np.ndarray:
        """Poisson deviates of rows (slow, fast) of photons plus `adc`, cut to 0..65535, fractions dropped.

        `roi` is (fast_min, fast_max, slow_min, slow_max) within these rows, limits included; pixels outside stay 0.
        Draws are made for every pixel inside, masked ones too.
        """
        counts = np.zeros(image.shape, dtype=np.uint16)
        means = image[window(roi)]
        drawn = self.poisson.draws(means.ravel(), self.before_group).reshape(means.shape)
        self.photons += float(drawn.sum())  # whole numbers, so any order gives the same sum
        drawn += self.adc
        self.overloads += int(np.count_nonzero(drawn > LARGEST_COUNT))
        counts[window(roi)] = np.clip(drawn, 0, LARGEST_COUNT)
        return counts


def require_finite(image: np.ndarray, roi: Roi) -> None:
    """Raise NoiseError if a pixel of the region is NaN or infinite: no count can be drawn for it.

    This is checked before the first draw, since rejection would never accept a count for NaN.
    """
    fast_min, _, slow_min, _ = roi
    region = image[window(roi)]
    for rows in blocks_of_rows(region.shape):
        finite = np.isfinite(region[rows])
        if not finite.all():
            row, column = np.unravel_index(int(finite.argmin()), finite.shape)
            slow, fast = slow_min + rows.start + row, fast_min + column
            raise NoiseError(
                f"noise: pixel slow {slow} fast {fast} has {image[slow, fast]} photons, expected a finite number; "
                "check -default_F, -hkl and -fluence, or leave the noise out (-nonoise) to see the image"
            )


def noise_image(image: np.ndarray, roi: Roi, adc: float, uniform: UniformStream) -> NoiseImage:
    """Counts of a whole image (slow, fast) of photons, as `Noise` makes them. Raises NoiseError."""
    require_finite(image, roi)
    noise = Noise(adc, uniform)
    counts = np.concatenate(list(in_blocks(image, roi, noise.counts)))
    return NoiseImage(counts, noise.photons, noise.overloads)
