"""Photon-counting noise: Poisson deviates as nanoBragg draws them, pixel by pixel from one stream.

Three methods by the mean m: a normal deviate above 1e6, a product of uniforms below 12, rejection from a Lorentzian
between (Numerical Recipes' `poidev`, `gasdev`, `gammln`). Singles are rounded exactly where the original rounds.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from nanobrag_torch.outputs import LARGEST_COUNT, Roi, in_blocks, window
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
    for place, coefficient in enumerate(_LANCZOS, start=1):
        series += coefficient / (x + place)
    return single(-t + math.log(2.5066282746310005 * series / x))


class PoissonStream:
    """Poisson deviates from a stream of uniform ones; a spare normal deviate is kept from call to call.

    The uniform stream is read in blocks, so it stands at an unspecified place afterwards.
    """

    def __init__(self, uniform: UniformStream):
        blocks = iter(lambda: uniform.block(_BLOCK), None)
        self._uniform = chain.from_iterable(blocks).__next__
        self._spare: float | None = None
        self._log_gammas: dict[float, float] = {}

    def draws(self, means: np.ndarray) -> Iterator[float]:
        """One deviate for each mean (single precision), in order."""
        means = np.asarray(means, dtype=np.float32)
        smallest = np.exp(-np.minimum(means.astype(np.float64), _PRODUCT_BELOW)).astype(np.float32)
        for mean, limit in zip(means.tolist(), smallest.tolist(), strict=True):
            if mean > _NORMAL_ABOVE:
                yield single(mean + math.sqrt(mean) * self._normal())
            elif mean < _PRODUCT_BELOW:
                yield self._by_product(limit)
            else:
                yield self._by_rejection(mean)

    def _by_product(self, limit: float) -> float:
        """How many uniforms can be multiplied before the product falls to `limit` = exp(-m)."""
        uniform = self._uniform
        product = uniform()
        if product <= limit:
            return 0.0
        factors = [product]
        low, high = limit * (1 - _DOUBTFUL), limit * (1 + _DOUBTFUL)
        while product > low:
            if product < high and not _exact_product(factors) > limit:
                break
            factors.append(uniform())
            product *= factors[-1]
        return len(factors) - 1.0

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
        found = self._log_gammas.get(x)
        if found is None:
            found = self._log_gammas[x] = log_gamma(x)
        return found

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
    """Counts made of photons some rows at a time, in storage order, all from one stream.

    `photons` and `overloads` are those of the rows so far.
    """

    def __init__(self, adc: float, uniform: UniformStream):
        self.adc, self.poisson = adc, PoissonStream(uniform)
        self.photons, self.overloads = 0.0, 0

    def counts(self, image: np.ndarray, roi: Roi) -> np.ndarray:
        """Poisson deviates of rows (slow, fast) of photons plus `adc`, cut to 0..65535, fractions dropped.

        `roi` is (fast_min, fast_max, slow_min, slow_max) within these rows, limits included; pixels outside stay 0.
        Draws are made for every pixel inside, masked ones too.
        """
        counts = np.zeros(image.shape, dtype=np.uint16)
        means = image[window(roi)]
        drawn = np.fromiter(self.poisson.draws(means.ravel()), dtype=np.float64, count=means.size).reshape(means.shape)
        self.photons += float(drawn.sum())  # whole numbers, so any order gives the same sum
        drawn += self.adc
        self.overloads += int(np.count_nonzero(drawn > LARGEST_COUNT))
        counts[window(roi)] = np.clip(drawn, 0, LARGEST_COUNT)
        return counts


def noise_image(image: np.ndarray, roi: Roi, adc: float, uniform: UniformStream) -> NoiseImage:
    """Counts of a whole image (slow, fast) of photons, as `Noise` makes them."""
    noise = Noise(adc, uniform)
    counts = np.concatenate(list(in_blocks(image, roi, noise.counts)))
    return NoiseImage(counts, noise.photons, noise.overloads)
