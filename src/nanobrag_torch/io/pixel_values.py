"""Statistics, integer counts and grey values of the float image, a block of rows at a time.

Section 13 of docs/physics.md.

(13.1) mean = sum I/n,  rms = sqrt(sum I^2/(n - 1)),  rmsd = sqrt(sum over the region (I - mean)^2/(n_roi - 1))
(13.2) count = floor(I scale + adc + 1/2) from 0 to 65535,  scale = 55000/max I where not given
(13.3) grey = I pgmscale from 0 to 255,  pgmscale = 250/(5 rmsd) where not given
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

Roi = tuple[int, int, int, int]  # first and last fast, first and last slow pixel, inclusive

LARGEST_COUNT = 65535
BRIGHTEST_COUNT = 55000.0
PGM_TARGET_GREY = 250.0
PGM_RMSD_IN_TARGET = 5.0
BLOCK_PIXELS = 1 << 16  # their float64 values fit a core's cache
_QUIET = np.errstate(invalid="ignore")  # of sums with NaN or infinite pixels, which are counted


class Statistics(NamedTuple):
    """Photons over the computed pixels; `max_slow`, `max_fast` is the first pixel with the largest value."""

    pixels: int
    max_photons: float
    max_slow: int
    max_fast: int
    mean_photons: float
    rms_photons: float
    rmsd_photons: float
    not_finite: int  # computed pixels that are NaN or infinite; NaN is never the largest


def window(roi: Roi) -> tuple[slice, slice]:
    """The region of interest as (slow, fast) slices."""
    fast_min, fast_max, slow_min, slow_max = roi
    return slice(slow_min, slow_max + 1), slice(fast_min, fast_max + 1)


def blocks_of_rows(shape: tuple[int, int]) -> Iterator[slice]:
    """Blocks of consecutive rows of an image (slow, fast), small enough for temporary arrays."""
    step = max(1, BLOCK_PIXELS // max(1, shape[1]))
    for first in range(0, shape[0], step):
        yield slice(first, min(first + step, shape[0]))


def in_blocks(image: np.ndarray, roi: Roi, convert: Callable[[np.ndarray, Roi], np.ndarray]) -> Iterator[np.ndarray]:
    """`convert(rows, region within these rows)` for all rows of an image, in order."""
    fast_min, fast_max, slow_min, slow_max = roi
    for rows in blocks_of_rows(image.shape):
        first, last = max(slow_min - rows.start, 0), max(slow_max - rows.start, -1)
        yield convert(image[rows], (fast_min, fast_max, first, last))


def statistics(image: np.ndarray, roi: Roi, mask: np.ndarray | None) -> Statistics:
    """Statistics of an image (slow, fast) as stored in single precision.

    mean = sum/n and rms = sqrt(sum of squares/(n - 1)) over the pixels computed; rmsd = sqrt(sum of squared deviations
    from that mean over the whole region, masked pixels included, / (n_region - 1)). n = 1 counts as 2.
    """
    region = image[window(roi)]
    computed = None if mask is None else mask[window(roi)]
    n = region.size if computed is None else int(np.count_nonzero(computed))
    if n == 0:
        return Statistics(0, 0.0, 0, 0, 0.0, 0.0, 0.0, 0)

    def of_computed(part: slice) -> np.ndarray:
        values = _doubles(region, part)
        return values if computed is None else values * _cut(computed, part)

    @_QUIET
    def sums(part: slice) -> np.ndarray:
        values = of_computed(part)
        return np.array([values.sum(), np.square(values).sum()])

    @_QUIET
    def squared_deviations(part: slice) -> np.ndarray:
        squares: np.ndarray = np.square(_doubles(region, part) - mean).sum()
        return squares

    total, squares = _sum(region.size, sums).tolist()
    mean = total / n
    deviations = _sum(region.size, squared_deviations)
    rms, rmsd = math.sqrt(squares / max(n - 1, 1)), math.sqrt(float(deviations) / max(region.size - 1, 1))
    slow, fast = _first_largest(region)
    largest = max(0.0, float(region[slow, fast]))  # in this order NaN gives 0
    not_finite = 0
    if not math.isfinite(total):
        not_finite = sum(int(np.count_nonzero(~np.isfinite(of_computed(part)))) for part in _parts(region.size))
    return Statistics(n, largest, roi[2] + slow, roi[0] + fast, mean, rms, rmsd, not_finite)


def _parts(size: int) -> Iterator[slice]:
    """All of `size` pixels, some at a time."""
    return (slice(first, min(first + BLOCK_PIXELS, size)) for first in range(0, size, BLOCK_PIXELS))


def _sum(size: int, of_part: Callable[[slice], np.ndarray]) -> np.ndarray:
    """The sum of `of_part` over `size` pixels; a second thread adds one half."""
    if size <= BLOCK_PIXELS:
        return _pairwise(size, of_part)
    half = _half(size)
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(_pairwise, half, of_part)
        second = _pairwise(size - half, of_part, half)
        total: np.ndarray = first.result() + second
        return total


def _pairwise(size: int, of_part: Callable[[slice], np.ndarray], first: int = 0) -> np.ndarray:
    """The sum of `of_part` over `size` pixels, in the order in which numpy adds a whole array, so rounded alike."""
    if size <= BLOCK_PIXELS:
        return of_part(slice(first, first + size))
    half = _half(size)
    total: np.ndarray = _pairwise(half, of_part, first) + _pairwise(size - half, of_part, first + half)
    return total


def _half(size: int) -> int:
    return size // 2 - size // 2 % 8


def _cut(region: np.ndarray, part: slice) -> np.ndarray:
    """Pixels `part` of a region, counted along its rows."""
    width = region.shape[1]
    top = part.start // width
    rows = region[top : -(-part.stop // width)].reshape(-1)
    return rows[part.start - top * width : part.stop - top * width]


def _doubles(region: np.ndarray, part: slice) -> np.ndarray:
    return _cut(region, part).astype(np.float64)


def _first_largest(region: np.ndarray) -> tuple[int, int]:
    """(slow, fast) of the first pixel with the largest value, NaN left out."""
    best, pixel = -math.inf, (0, 0)
    for rows in blocks_of_rows(region.shape):
        values = region[rows]
        if np.isnan(values.max()):
            values = np.where(np.isnan(values), -np.inf, values)
        slow, fast = divmod(int(values.argmax()), region.shape[1])
        if values[slow, fast] > best:
            best, pixel = float(values[slow, fast]), (rows.start + slow, fast)
    return pixel


def integer_scale(asked: float, stats: Statistics) -> float:
    """Counts per photon: as asked, or the brightest pixel at 55000, or 1 for an empty image."""
    if asked > 0:
        return asked
    return BRIGHTEST_COUNT / stats.max_photons if stats.max_photons > 0 else 1.0


@_QUIET
def integer_counts(image: np.ndarray, roi: Roi, scale: float, adc: float) -> np.ndarray:
    """floor(single(value scale + adc + 0.5)) with value scale + adc cut to 0..65535; 0 outside the region. uint16."""
    counts = np.zeros(image.shape, dtype=np.uint16)
    scaled = image[window(roi)].astype(np.float64)
    scaled *= scale
    scaled += adc
    np.fmin(np.fmax(scaled, 0.0, out=scaled), LARGEST_COUNT, out=scaled)  # NaN becomes 0
    scaled += 0.5
    counts[window(roi)] = np.floor(scaled.astype(np.float32))
    return counts


def pgm_scale(asked: float, stats: Statistics, int_scale: float) -> float:
    """Grey per photon: as asked, or five standard deviations at 250, or the integer scale for a flat image."""
    if asked > 0:
        return asked
    if stats.rmsd_photons > 0:
        return PGM_TARGET_GREY / (PGM_RMSD_IN_TARGET * stats.rmsd_photons)
    return int_scale


@_QUIET
def grey_values(image: np.ndarray, scale: float) -> np.ndarray:
    """min(value scale, 255) without the fraction, uint8."""
    grey = image.astype(np.float64)
    grey *= scale
    return np.fmin(np.fmax(grey, 0.0, out=grey), 255.0, out=grey).astype(np.uint8)
