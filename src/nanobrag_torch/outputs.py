"""From the float image to statistics, integer counts and grey values."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

Roi = tuple[int, int, int, int]  # first and last fast, first and last slow pixel, inclusive

LARGEST_COUNT = 65535
BRIGHTEST_COUNT = 55000.0
PGM_TARGET_GREY = 250.0
PGM_RMSD_IN_TARGET = 5.0


class Statistics(NamedTuple):
    """Photons over the computed pixels; `max_slow`, `max_fast` is the first pixel with the largest value."""

    pixels: int
    max_photons: float
    max_slow: int
    max_fast: int
    mean_photons: float
    rms_photons: float
    rmsd_photons: float


def window(roi: Roi) -> tuple[slice, slice]:
    """The region of interest as (slow, fast) slices."""
    fast_min, fast_max, slow_min, slow_max = roi
    return slice(slow_min, slow_max + 1), slice(fast_min, fast_max + 1)


def statistics(image: np.ndarray, roi: Roi, mask: np.ndarray | None) -> Statistics:
    """Statistics of an image (slow, fast) as stored in single precision.

    mean = sum/n and rms = sqrt(sum of squares/(n - 1)) over the pixels computed; rmsd = sqrt(sum of squared deviations
    from that mean over the whole region, masked pixels included, / (n_region - 1)). n = 1 counts as 2.
    """
    region = image[window(roi)].astype(np.float64)
    computed = region if mask is None else region[mask[window(roi)]]
    n = computed.size
    if n == 0:
        return Statistics(0, 0.0, 0, 0, 0.0, 0.0, 0.0)
    mean = float(computed.sum()) / n
    rms = math.sqrt(float(np.square(computed).sum()) / max(n - 1, 1))
    rmsd = math.sqrt(float(np.square(region - mean).sum()) / max(region.size - 1, 1))
    slow, fast = divmod(int(region.argmax()), region.shape[1])
    largest = max(float(region[slow, fast]), 0.0)
    return Statistics(n, largest, roi[2] + slow, roi[0] + fast, mean, rms, rmsd)


def integer_scale(asked: float, stats: Statistics) -> float:
    """Counts per photon: as asked, or the brightest pixel at 55000, or 1 for an empty image."""
    if asked > 0:
        return asked
    return BRIGHTEST_COUNT / stats.max_photons if stats.max_photons > 0 else 1.0


def integer_counts(image: np.ndarray, roi: Roi, scale: float, adc: float) -> np.ndarray:
    """floor(single(value scale + adc + 0.5)) with value scale + adc cut to 0..65535; 0 outside the region. uint16."""
    counts = np.zeros(image.shape, dtype=np.uint16)
    scaled = image[window(roi)].astype(np.float64) * scale + adc
    cut = np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, LARGEST_COUNT)
    counts[window(roi)] = np.floor((cut + 0.5).astype(np.float32)).astype(np.uint16)
    return counts


def pgm_scale(asked: float, stats: Statistics, int_scale: float) -> float:
    """Grey per photon: as asked, or five standard deviations at 250, or the integer scale for a flat image."""
    if asked > 0:
        return asked
    if stats.rmsd_photons > 0:
        return PGM_TARGET_GREY / (PGM_RMSD_IN_TARGET * stats.rmsd_photons)
    return int_scale


def grey_values(image: np.ndarray, scale: float) -> np.ndarray:
    """min(value scale, 255) without the fraction, uint8."""
    grey = np.minimum(image.astype(np.float64) * scale, 255.0)
    return np.maximum(np.nan_to_num(grey, nan=0.0), 0.0).astype(np.uint8)
