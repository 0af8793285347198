"""The solid angle of all computed pixels: the sum of a smooth function over millions of points, from some hundred."""

from __future__ import annotations

import math

import numpy as np
import torch

from nanobrag_torch.physics import detector as detector_physics
from nanobrag_torch.simulator import Simulation

_NODES = (16, 24)
_AGREEMENT = 1e-10
_PIXELS_PER_TILE = 1 << 15


def solid_angle_sr(simulation: Simulation) -> float:
    """Sum of the solid angles of the computed pixels, each at its middle (sr).

    Without a mask a Gauss rule for sums over whole numbers is used, with two numbers of nodes. With a mask, or if the
    two results disagree, the sum is taken pixel by pixel.
    """
    if simulation.experiment.detector.mask is None:
        coarse, fine = (_by_gauss(simulation, nodes) for nodes in _NODES)
        if math.isfinite(fine) and abs(coarse - fine) <= _AGREEMENT * abs(fine):
            return fine
    tiles = simulation.tiles(_PIXELS_PER_TILE)
    return sum(float(_of_pixels(simulation, fast, slow).sum()) for fast, slow, _ in tiles)


def _of_pixels(simulation: Simulation, fast: torch.Tensor, slow: torch.Tensor) -> torch.Tensor:
    """Solid angles (pixels,) of the pixels (fast, slow), which may lie between pixels."""
    g = simulation.geometry
    fast_m, slow_m = ((index.double() + 0.5) * g.pixel_size_m for index in (fast, slow))
    rays = detector_physics.pixel_geometry(g, fast_m, slow_m, torch.zeros_like(fast_m))
    return detector_physics.solid_angle_sr(g, rays)


def _by_gauss(simulation: Simulation, nodes: int) -> float:
    x_min, x_max, y_min, y_max = simulation.roi
    if x_max < x_min or y_max < y_min:
        return 0.0
    fast, fast_weight = gauss_sum_rule(x_max - x_min + 1, nodes)
    slow, slow_weight = gauss_sum_rule(y_max - y_min + 1, nodes)
    grid = [
        torch.from_numpy(axis.reshape(-1)).to(simulation.device) for axis in np.meshgrid(x_min + fast, y_min + slow)
    ]
    weight = torch.from_numpy(np.outer(slow_weight, fast_weight).reshape(-1)).to(simulation.device)
    return float((_of_pixels(simulation, *grid) * weight).sum())


def gauss_sum_rule(count: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights with sum_k w_k f(x_k) = f(0) + f(1) + ... + f(count - 1), exact to degree 2 nodes - 1.

    Golub and Welsch: places are the eigenvalues of the matrix of the recurrence of the discrete Legendre polynomials,
    weights count times the squared first components of the eigenvectors.
    """
    nodes = min(nodes, count)
    k = np.arange(1, nodes, dtype=np.float64)
    beside = np.sqrt(k**2 * (float(count) ** 2 - k**2) / (4.0 * (4.0 * k**2 - 1.0)))
    places, vectors = np.linalg.eigh(np.diag(beside, 1) + np.diag(beside, -1))
    return places + (count - 1) / 2.0, count * vectors[0] ** 2
