"""The solid angle that all computed pixels see together: an integral of a smooth function from few points."""

from __future__ import annotations

import math

import numpy as np
import torch

from nanobrag_torch.physics import rays as sensor
from nanobrag_torch.simulator import Simulation

_NODES = (16, 24)
_NODES_IN_A_PIXEL = 2
_AGREEMENT = 1e-10
_PIXELS_PER_TILE = 1 << 15


def solid_angle_sr(simulation: Simulation) -> float:
    """Integral of the solid angle over the computed pixels (sr).

    Without a mask Gauss' rule integrates over the region, with two numbers of nodes. If the two results differ, or with
    a mask, Gauss' rule is used in every pixel.
    """
    if simulation.experiment.detector.mask is None:
        coarse, fine = (_of_region(simulation, nodes) for nodes in _NODES)
        if math.isfinite(fine) and abs(coarse - fine) <= _AGREEMENT * abs(fine):
            return fine
    tiles = simulation.pixels.tiles(_PIXELS_PER_TILE)
    return sum(_of_pixels(simulation, fast, slow) for fast, slow, _ in tiles)


def _at(simulation: Simulation, fast: torch.Tensor, slow: torch.Tensor) -> torch.Tensor:
    """Solid angles (points,) of pixels whose middles are at these places (pixels from the corner of the detector)."""
    g = simulation.geometry
    rays = sensor.pixel_geometry(g, fast * g.pixel_size_m, slow * g.pixel_size_m, torch.zeros_like(fast))
    return sensor.solid_angle_sr(g, rays)


def _of_pixels(simulation: Simulation, fast: torch.Tensor, slow: torch.Tensor) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES_IN_A_PIXEL)
    total = 0.0
    for along_fast, fast_weight in zip(nodes, weights, strict=True):
        for along_slow, slow_weight in zip(nodes, weights, strict=True):
            middle = fast.double() + 0.5 + along_fast / 2.0, slow.double() + 0.5 + along_slow / 2.0
            total += fast_weight * slow_weight / 4.0 * float(_at(simulation, *middle).sum())
    return total


def _of_region(simulation: Simulation, nodes: int) -> float:
    x_min, x_max, y_min, y_max = simulation.roi
    if x_max < x_min or y_max < y_min:
        return 0.0
    positions, weights = np.polynomial.legendre.leggauss(nodes)
    halves = (x_max + 1 - x_min) / 2.0, (y_max + 1 - y_min) / 2.0
    axes = np.meshgrid(x_min + halves[0] * (1.0 + positions), y_min + halves[1] * (1.0 + positions))
    fast, slow = (torch.from_numpy(axis.reshape(-1)).to(simulation.device) for axis in axes)
    weight = torch.from_numpy(np.outer(weights, weights).reshape(-1)).to(simulation.device)
    return float((_at(simulation, fast, slow) * weight).sum()) * halves[0] * halves[1]
