"""Checks of a whole experiment, beyond the ranges of its single fields. Each raises ExperimentError."""

from __future__ import annotations

import torch

from nanobrag_torch import limits
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.parameters import Detector, Experiment, StructureFactors
from nanobrag_torch.parameters.conventions import CONVENTIONS
from nanobrag_torch.physics import sampling
from nanobrag_torch.physics.detector_geometry import DetectorGeometry
from nanobrag_torch.physics.tensors import number


def check_scatterers(factors: StructureFactors) -> None:
    """Check that something scatters. A tensor passes with any value, since its derivative may be wanted."""
    strengths = factors.default_F, factors.water_size_m
    if factors.table is None and not any(isinstance(x, torch.Tensor) or x for x in strengths):
        raise ExperimentError(
            "StructureFactors: no table, and default_F is 0: nothing scatters; give table=read_reflections(FILE) or "
            "default_F in electrons"
        )


def check_counts(experiment: Experiment, defects: frozenset[str]) -> None:
    """Check the numbers of sources, orientations and steps before any is made."""
    beam, oversample = experiment.beam, experiment.detector.oversample or 1
    if beam.sources is None:
        grids = sampling.source_grids(beam, defects)
        count = float(grids.horizontal.count) * grids.vertical.count * grids.dispersion.count
    else:
        count = float(beam.sources.position_m.shape[0])
    limits.check_sources(count)
    domains = sampling.mosaic_domains(experiment.crystal).count
    phi = sampling.phi_steps(experiment.spindle, defects).count
    limits.check_orientations(phi, domains)
    limits.check_steps(count * domains * phi * oversample**2)


def check_axes(panel: Detector) -> None:
    """Check that the stated axes of a detector span a plane."""
    if panel.convention == "CUSTOM":
        habit = CONVENTIONS["CUSTOM"]
        stated = (panel.fdet_vector, habit.fdet_vector), (panel.sdet_vector, habit.sdet_vector)
        fast, slow = (
            [number(x) for x in (default if stated_axis is None else stated_axis)] for stated_axis, default in stated
        )
        limits.check_plane("Detector.fdet_vector", fast, "Detector.sdet_vector", slow)


def check_detector(panel: Detector, g: DetectorGeometry) -> None:
    """Check that mask and region fit the detector, and that the beam meets its plane."""
    limits.check_pixels("Detector", g.n_fast, g.n_slow)
    if panel.roi is not None:
        limits.check_region_on_detector("Detector.roi", panel.roi, g.n_fast, g.n_slow)
    if panel.mask is not None:
        limits.check_mask("Detector.mask", panel.mask.shape, g.n_fast, g.n_slow)
    hint = "Detector.distance_m, close_distance_m, the vectors and rotations"
    limits.check_placement(number(g.close_distance_m), number(g.distance_m), hint)
