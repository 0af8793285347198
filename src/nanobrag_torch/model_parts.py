"""Parts of a model: its sensor, its crystal in every orientation, its sources, and its number of sub-pixels.

Sections 2, 3 and 4 of docs/physics.md.
"""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import NamedTuple

import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.parameters import Beam, Detector, Experiment
from nanobrag_torch.parameters import defects as defect_registry
from nanobrag_torch.parameters.tensors import Same, is_plain
from nanobrag_torch.physics import (
    crystal,
    detector_sides,
    mosaic,
    sampling,
    sources,
    spindle,
)
from nanobrag_torch.physics.detector_geometry import DetectorGeometry
from nanobrag_torch.physics.random_numbers import SharedTable
from nanobrag_torch.physics.tensors import HOST, alike, exact_norm, number, scalar, underived


class Sensor(NamedTuple):
    """The sensor's part of a model: see the fields of that name in `Model`."""

    layers: int
    layer_pitch_m: torch.Tensor
    attenuation_per_m: torch.Tensor
    absorbing: bool


def sensor(panel: Detector, defects: frozenset[str], device: torch.device | None, hook: Hook | None) -> Sensor:
    layers = sampling.sensor_layers(panel, defects)
    return Sensor(
        layers=watched(hook, "thick_steps", layers.count),
        layer_pitch_m=scalar(layers.pitch_m, device),
        attenuation_per_m=scalar(layers.attenuation_per_m, device),
        absorbing=bool(layers.pitch_m > 0),
    )


class Lattice(NamedTuple):
    """The crystal's part of a model: see the fields of that name in `Model`."""

    cell: crystal.Cell
    real_m: torch.Tensor
    phi_rad: torch.Tensor
    mosaic_domains: int
    n_cells: torch.Tensor


def oriented_lattice(
    experiment: Experiment,
    geometry: DetectorGeometry,
    wavelength_m: torch.Tensor,
    table: SharedTable,
    defects: frozenset[str],
    hook: Hook | None,
) -> Lattice:
    """The unit cell in every orientation that phi steps and mosaic domains give it; draws misset, then tilts."""
    xtal, device = experiment.crystal, None if hook is None else HOST
    misset_seed = -int(time.time()) if xtal.misset_seed is None else xtal.misset_seed
    misset_rad = crystal.misset_angles_rad(xtal, table, misset_seed, defects, device)
    cell = crystal.build_cell(xtal, wavelength_m, misset_rad, defects, device, hook)
    n_cells = watched(hook, "n_cells", crystal.n_cells(xtal, cell, experiment.beam.beamsize_m, defects, device))
    domains = sampling.mosaic_domains(xtal, hook)
    tilts = mosaic.domain_matrices(domains, xtal, table, defects, HOST, hook)
    phi = sampling.phi_steps(experiment.spindle, defects, hook)
    turned = spindle.orientations(cell, geometry.spindle_axis, phi, tilts, defects, hook)
    return Lattice(cell, turned.real_m.reshape(-1, 3, 3), turned.phi_rad, domains.count, n_cells)


def watched_sources(
    experiment: Experiment,
    geometry: DetectorGeometry,
    wavelength_m: torch.Tensor,
    defects: frozenset[str],
    hook: Hook | None,
) -> sources.Sources:
    if hook is None and is_plain(experiment.beam) and is_plain(experiment.detector):
        return _sources_once(Same(experiment.beam), Same(geometry), defects)
    light = resolve_sources(experiment.beam, geometry, wavelength_m, defects, None if hook is None else HOST)
    light = light.first(watched(hook, "sources", light.incident.shape[0]))
    return light._replace(
        incident=watched(hook, "incident", light.incident),
        wavelength_m=watched(hook, "wavelength_m", light.wavelength_m),
    )


@lru_cache(maxsize=16)
def _sources_once(beam: Same, geometry: Same, defects: frozenset[str]) -> sources.Sources:
    """Those of a beam and a detector that cannot change: numbers of numpy that nothing is ever written to."""
    return resolve_sources(beam.one, geometry.one, scalar(beam.one.wavelength_m), defects)


def resolve_sources(
    beam: Beam,
    geometry: DetectorGeometry,
    wavelength_m: torch.Tensor,
    defects: frozenset[str],
    device: torch.device | None = None,
) -> sources.Sources:
    """The sources of the beam, from its table or from its divergence and dispersion."""
    if beam.sources is not None:
        return sources.from_table(beam.sources, device, "source_weights_ignored" not in defects)
    vertical = sources.vertical_direction(geometry.beam_vector, geometry.polar_vector)
    grids = sampling.source_grids(beam, defects)
    return sources.from_grids(
        grids, wavelength_m, geometry.beam_vector, geometry.polar_vector, vertical, beam.round_divergence
    )


def largest_hkl(real_m: torch.Tensor, light: sources.Sources) -> float:
    """What no |h|, |k| or |l| exceeds: the longest axis times the largest |q|, that of light scattered straight back.

    All tensors are on the CPU. A number that is none is the largest.
    """
    axes_m, wavelength_m = underived(real_m), number(underived(light.wavelength_m).min())
    return hkl_bound(number((axes_m * axes_m).sum(-1).max()), longest(light.incident), wavelength_m)


def longest(vectors: torch.Tensor) -> float:
    """Length of the longest of several vectors."""
    plain = underived(vectors)
    return math.sqrt(number((plain * plain).sum(-1).max()))


def hkl_bound(axis_sqr_m2: float, length: float, wavelength_m: float) -> float:
    """As `largest_hkl`: by the square of the longest axis, the longest direction and the shortest wavelength."""
    bound = math.sqrt(axis_sqr_m2) * (1.0 + length) / wavelength_m if wavelength_m else math.inf
    return math.inf if math.isnan(bound) else bound * (1.0 + 1e-9)


def resolve_oversample(
    experiment: Experiment,
    geometry: DetectorGeometry,
    cell: crystal.Cell,
    n_cells: torch.Tensor,
    wavelength_m: torch.Tensor,
) -> int:
    """Sub-pixels along each side of a pixel: as stated, else as the size of the crystal recommends."""
    asked = experiment.detector.oversample
    if asked is not None and asked > 0:
        return asked
    lengths_m, counts = alike(exact_norm(cell.real_m), n_cells)
    largest_m = number((lengths_m * counts).max())
    defects = defect_registry.active(experiment.defects)
    slack = 0.0 if "distance_without_twotheta" in defects else sampling.COUNT_TOLERANCE
    distance_m, pixel_m = detector_sides.sampling_distance_m(geometry, defects), number(geometry.pixel_size_m)
    return sampling.recommended_oversample(largest_m, number(wavelength_m), distance_m, pixel_m, slack)
