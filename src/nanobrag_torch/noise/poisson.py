"""Poisson deviates of given means, pixel by pixel, by the counter-based generator.

(N3)  I < 12: the smallest k with exp(-I) (1 + I + .. + I^k/k!) >= u
(N4) I >= 12: Hoermann's transformed rejection (PTRS, 1993): with b = 0.931 + 2.53 sqrt(I), a = -0.059 + 0.02483 b
        and u, v of attempt n: w = 1/2 - |u - 1/2|, k = floor((2 a/w + b)(u - 1/2) + I + 0.43), accepted if
        w >= 0.07 and v <= 0.9277 - 3.6224/(b - 2), or if k >= 0 and (w >= 0.013 or v <= w) and
        ln(v (1.1239 + 1.1328/(b - 3.4))/(a/w^2 + b)) <= k ln I - I - ln k!
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from nanobrag_torch.noise.functions import exp_of_minus, log, polynomial

INVERSION_BELOW = 12.0
MOST_BY_INVERSION = 128  # upper limit of the count for a mean below 12, so that the search always ends
LARGEST_MEAN = 2.0**50  # above this mean a float64 cannot resolve the deviation, and the mean itself is returned
MOST_ATTEMPTS = 256  # one attempt in four fails at most: the last would be needed once in 1e150 draws
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)
HALF_LOG_2_PI = 0.9189385332046728
EXACT_BELOW, SHIFT = 16.0, 8
DEVIANCE = tuple(1.0 / (2 * n + 3) for n in range(8))

Uniforms = Callable[[torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]  # (places, attempt) -> u, v


class Envelope(NamedTuple):
    """The quantities of the rejection that depend on the mean."""

    mean: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor
    log_mean: torch.Tensor


def draw(means: torch.Tensor, uniforms: Uniforms) -> torch.Tensor:
    """A deviate for each mean (n,) float64, finite; below 0 counts as 0. `uniforms` gives those of places and attempt.

    Loops until all have one, so on a GPU it waits for the device; compiled code (`compiled.py`) does not.
    """
    drawn = torch.where(means > LARGEST_MEAN, torch.floor(means), 0.0)
    for some, method in (
        ((means > 0.0) & (means < INVERSION_BELOW), _by_inversion),
        ((means >= INVERSION_BELOW) & (means <= LARGEST_MEAN), _by_rejection),
    ):
        pixels = some.nonzero()[:, 0]
        if pixels.shape[0]:
            drawn[pixels] = method(means[pixels], pixels, uniforms)
    return drawn


def _by_inversion(means: torch.Tensor, pixels: torch.Tensor, uniforms: Uniforms) -> torch.Tensor:
    """(N3)."""
    u, _ = uniforms(pixels, 0)
    term = exp_of_minus(means)
    drawn, total = torch.zeros_like(means), term
    at = (u > total).nonzero()[:, 0]
    mean, u, term, total = means[at], u[at], term[at], total[at]
    for count in range(1, MOST_BY_INVERSION + 1):
        if not at.shape[0]:
            break
        term = term * mean * (1.0 / count)
        total = total + term
        drawn[at] = float(count)
        on = (u > total).nonzero()[:, 0]
        at, mean, u, term, total = at[on], mean[on], u[on], term[on], total[on]
    return drawn


def _by_rejection(means: torch.Tensor, pixels: torch.Tensor, uniforms: Uniforms) -> torch.Tensor:
    """(N4)."""
    drawn = torch.floor(means)
    waiting = torch.arange(means.shape[0], device=means.device)
    hull = envelope(means)
    for attempt in range(MOST_ATTEMPTS):
        count, accepted = attempted(hull, *uniforms(pixels[waiting], attempt))
        drawn[waiting[accepted]] = count[accepted]
        left = (~accepted).nonzero()[:, 0]
        if not left.shape[0]:
            break
        waiting, hull = waiting[left], Envelope(*(quantity[left] for quantity in hull))
    return drawn


def envelope(means: torch.Tensor) -> Envelope:
    b = 0.931 + 2.53 * torch.sqrt(means)
    return Envelope(means, -0.059 + 0.02483 * b, b, log(means))


def attempted(hull: Envelope, u: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The count of one attempt, and whether it is accepted."""
    mean, a, b, _ = hull
    off = u - 0.5
    w = 0.5 - off.abs()
    count = torch.floor((2.0 * a / w + b) * off + mean + 0.43)
    at_once = (w >= 0.07) & (v <= 0.9277 - 3.6224 * torch.reciprocal(b - 2.0))
    possible = (count >= 0.0) & ((w >= 0.013) | (v <= w))
    height = v * (1.1239 + 1.1328 * torch.reciprocal(b - 3.4)) / (a / (w * w) + b)
    return count, at_once | (possible & (log(height) <= log_probability(torch.clamp(count, min=0.0), hull)))


def log_probability(count: torch.Tensor, hull: Envelope) -> torch.Tensor:
    """k ln I - I - ln k!; by deviance and Stirling's series for large k, where the three nearly cancel."""
    mean, log_mean = hull.mean, hull.log_mean
    few = count < EXACT_BELOW
    shifted = torch.where(few, count + float(SHIFT), count)
    inverse = torch.reciprocal(shifted)
    correction = inverse * polynomial(inverse * inverse, STIRLING)
    log_shifted = log(shifted)
    product = torch.ones_like(count)
    for step in range(1, SHIFT + 1):
        product = product * (count + float(step))
    log_factorial = (shifted + 0.5) * log_shifted - shifted + HALF_LOG_2_PI + correction - log(product)
    direct = count * log_mean - mean - log_factorial
    many = -deviance(shifted, mean, log_shifted - log_mean) - 0.5 * log_shifted - HALF_LOG_2_PI - correction
    return torch.where(few, direct, many)


def deviance(count: torch.Tensor, mean: torch.Tensor, log_ratio: torch.Tensor) -> torch.Tensor:
    """k ln(k/I) + I - k, by the series in (k - I)/(k + I) where k is near I (Loader 2000)."""
    off = count - mean
    v = off / (count + mean)
    series = off * v + 2.0 * count * v * (v * v) * polynomial(v * v, DEVIANCE)
    return torch.where(v.abs() < 0.1, series, count * log_ratio + mean - count)
