"""Small experiments for the property tests."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from nanobrag_torch.parameters import Beam, Crystal, Detector, Experiment, ReflectionTable, Spindle, StructureFactors


def reflection_table(reach: int = 8) -> ReflectionTable:
    """Amplitudes that differ for every reflection."""
    h = torch.arange(-reach, reach + 1, dtype=torch.float64)
    values = 50 + 30 * torch.sin(1.3 * h[:, None, None] + 2.1 * h[None, :, None] + 0.7 * h[None, None, :])
    return ReflectionTable(values, -reach, -reach, -reach)


def small(**overrides) -> Experiment:
    """A triclinic crystal, four domains, two spindle steps, on 24 x 20 pixels."""
    groups = {
        "crystal": Crystal(
            cell_lengths_A=(50.0, 60.0, 70.0),
            cell_angles_deg=(80.0, 95.0, 100.0),
            misset_deg=(10.0, 20.0, 30.0),
            n_cells=(6, 5, 4),
            mosaic_spread_rad=math.radians(0.5),
            mosaic_domains=4,
        ),
        "beam": Beam(wavelength_m=1.1e-10, polarization_factor=0.9, fluence_photons_per_m2=1e24),
        "spindle": Spindle(phi_start_deg=1.0, osc_deg=0.5, phisteps=2),
        "detector": Detector(pixel_size_m=1.5e-3, n_fast=24, n_slow=20, distance_m=0.08, oversample=1),
        "structure_factors": StructureFactors(table=reflection_table(), interpolate=False),
    }
    return Experiment(**{**groups, **overrides})


def per_term(experiment: Experiment) -> Experiment:
    """The experiment with sub-pixels and a thick sensor, every factor applied term by term."""
    detector = replace(
        experiment.detector,
        oversample=2,
        oversample_omega=True,
        oversample_polar=True,
        oversample_thick=True,
        thickness_m=3e-4,
        thick_steps=3,
    )
    return replace(experiment, detector=detector)
