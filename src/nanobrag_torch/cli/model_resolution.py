"""The resolution to which amplitudes of an atom model are calculated: that of the corners of the detector."""

from __future__ import annotations

import math

import numpy as np
import torch

from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.parameters import Beam, Detector, number
from nanobrag_torch.physics import detector as detector_physics
from nanobrag_torch.physics import rays as sensor

_CPU = torch.device("cpu")
# Amplitudes are calculated a little beyond the corner of the detector, for divergence and interpolation.
_RESOLUTION_MARGIN = 0.98


def resolution_A(settings: Settings, wavelengths_m: np.ndarray | None, defects: frozenset[str]) -> float:
    """Smallest spacing that the detector's corners see: lambda / (2 sin(theta)), or -dmin where that is larger (A).

    `wavelengths_m`: those of a table of sources, in place of the beam's.
    """
    beam = Beam(**settings.beam)
    g = detector_physics.build(Detector(**settings.detector), defects, _CPU)
    fast = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64) * g.size_fast_m
    slow = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64) * g.size_slow_m
    rays = sensor.pixel_geometry(g, fast, slow, torch.zeros_like(fast))
    cos_2theta = float((g.beam_vector @ rays.direction).min()) if not g.curved else -1.0
    sin_theta = math.sqrt(max(0.0, (1.0 - cos_2theta) / 2.0))
    spread = number(beam.dispersion_fraction)
    shortest_m = number(beam.wavelength_m) * max(1.0 - spread, 0.1)
    if wavelengths_m is not None:
        shortest_m = float(wavelengths_m.min())
    smallest_A = shortest_m * 1e10 / (2.0 * sin_theta) * _RESOLUTION_MARGIN if sin_theta > 0 else math.inf
    asked_A = settings.structure_factors.get("d_min_m", 0.0) * 1e10
    return float(min(max(smallest_A, asked_A), 50.0))
