"""Everything that is constant during a simulation, resolved from an experiment on the CPU and brought to one device.

Section 12 of docs/physics.md.

(12.2) steps = n_src n_domains n_phi n^2
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from nanobrag_torch import model_checks, model_parts, nests, transfer
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.hooks import Hook, Hooks, at, watched
from nanobrag_torch.parameters import Beam, Detector, Experiment
from nanobrag_torch.parameters import defects as defect_registry
from nanobrag_torch.parameters.tensors import Same, is_differentiated, is_plain, tensors_of, with_tensors
from nanobrag_torch.physics import (
    crystal,
    detector,
    detector_sides,
    scaling,
    sources,
    structure_factor,
)
from nanobrag_torch.physics.constants import CLASSICAL_ELECTRON_RADIUS_SQR_M2
from nanobrag_torch.physics.detector_geometry import DetectorGeometry
from nanobrag_torch.physics.random_numbers import SharedTable
from nanobrag_torch.physics.slopes import Sloped
from nanobrag_torch.physics.tensors import HOST, as_tensors, number, scalar


class Factors(NamedTuple):
    """Which factors are applied to every term of the sum, and whether the running sum is multiplied instead."""

    capture_per_term: bool
    polar_per_term: bool
    omega_per_term: bool
    evaluate_polar: bool
    running_product: bool
    rescale_water: bool
    unpolarized: bool  # -nopolar


class Model(NamedTuple):
    """The resolved experiment: what the kernel needs, on one device."""

    geometry: DetectorGeometry
    sources: sources.Sources
    cell: crystal.Cell
    real_m: torch.Tensor  # (phi * domain, 3, 3), the domain running fastest
    phi_rad: torch.Tensor  # (phi,)
    mosaic_domains: int
    n_cells: torch.Tensor  # (3,)
    shape: str
    fudge: torch.Tensor
    radius_all_cells: bool  # historic radius of Gaussian and tophat spots
    sphere_closed_form: bool  # historic cancellation of round crystals
    amplitudes: structure_factor.Amplitudes
    kahn: torch.Tensor
    d_min_m: torch.Tensor
    resolution_limited: bool
    layers: int
    layer_pitch_m: torch.Tensor
    attenuation_per_m: torch.Tensor
    absorbing: bool
    oversample: int
    fluence_photons_per_m2: torch.Tensor
    r_e_sqr_m2: float
    background: torch.Tensor  # photons / sr
    has_water: bool
    factors: Factors
    dtype: torch.dtype
    defects: frozenset[str]
    largest_hkl: float  # which no |h|, |k| or |l| exceeds, whatever the ray
    most_cells: float  # along an axis

    @property
    def source_count(self) -> int:
        return self.sources.incident.shape[0]

    @property
    def phi_count(self) -> int:
        return self.phi_rad.shape[0]

    @property
    def samples(self) -> int:
        """Points per pixel at which it is evaluated: layers times sub-pixels."""
        return self.layers * self.oversample**2

    @property
    def steps(self) -> int:
        """The divisor of the sum; layers add up, they are not averaged."""
        return self.source_count * self.mosaic_domains * self.phi_count * (self.oversample * self.oversample)


def on_device(model: Model, device: torch.device) -> Model:
    """The model on a device, where all small tensors arrive together; the detector's construction stays behind."""
    if device.type == "cpu":
        return model
    steps: Any = model.geometry.construction
    nothing: Any = None
    table = model.amplitudes.padded
    kept = None if table is None or is_differentiated(table) else structure_factor.on_device(table, device)
    here = model if kept is None else model._replace(amplitudes=model.amplitudes._replace(padded=None))
    there = transfer.moved(here._replace(geometry=here.geometry._replace(construction=nothing)), device)
    there = there if kept is None else there._replace(amplitudes=there.amplitudes._replace(padded=kept))
    return there._replace(geometry=there.geometry._replace(construction=steps))


def _on_host(experiment: Experiment) -> Experiment:
    """The experiment with its small tensors on the CPU: neither the table of amplitudes nor the mask."""
    if all(tensor.device.type == "cpu" for tensor in tensors_of(experiment)):
        return experiment
    factors, panel = experiment.structure_factors, experiment.detector
    bare = replace(experiment, structure_factors=replace(factors, table=None), detector=replace(panel, mask=None))
    bare = with_tensors(bare, transfer.moved(tensors_of(bare), HOST))
    return replace(
        bare,
        structure_factors=replace(bare.structure_factors, table=factors.table),
        detector=replace(bare.detector, mask=panel.mask),
    )


def resolve(
    experiment: Experiment,
    device: torch.device,
    dtype: torch.dtype,
    table: SharedTable | None = None,
    hooks: Hooks | None = None,
) -> Model:
    """Resolve an experiment on the CPU, except a table of amplitudes, which is already on `device`.

    Values without a derivative are computed by numpy (`nanobrag_torch.physics.tensors`); hooks see tensors.
    `table` is the random generator's shared state; misset and mosaic draws advance it, in that order. `hooks` see
    every step, see `nanobrag_torch.hooks`.

    Raises ExperimentError where the experiment contradicts itself.
    """
    table = SharedTable() if table is None else table
    return _in_tensors(_in_numbers(experiment, device, dtype, table, at(hooks)), experiment)


def _in_tensors(model: Model, experiment: Experiment) -> Model:
    """Tensors for all numbers of numpy; those of a detector that cannot change are made once."""
    if not is_plain(experiment.detector):
        return as_tensors(model)
    nothing: Any = None
    others = as_tensors(model._replace(geometry=nothing))
    return others._replace(geometry=_geometry_in_tensors(Same(model.geometry)))


@lru_cache(maxsize=16)
def _geometry_in_tensors(geometry: Same) -> DetectorGeometry:
    made: DetectorGeometry = as_tensors(geometry.one)
    return made


def resolve_with_slopes(
    experiment: Experiment, device: torch.device, dtype: torch.dtype, table: SharedTable
) -> tuple[Model, dict[int, np.ndarray]]:
    """As `resolve`, for an experiment with sloped numbers: also the slopes of the model's leaves `without_steps`."""
    model = _in_numbers(experiment, device, dtype, table, None)
    leaves = enumerate(nests.leaves(without_steps(model)))
    return _in_tensors(model, experiment), {i: leaf.slopes for i, leaf in leaves if isinstance(leaf, Sloped)}


def without_steps(model: Model) -> Model:
    """The model without the steps that placed the detector, which no pixel reads."""
    nothing: Any = None
    return model._replace(geometry=model.geometry._replace(construction=nothing))


def amplitudes(experiment: Experiment, model: Model) -> structure_factor.Amplitudes:
    """Those of a model that is on a device, as `resolve` builds them, with their graph."""
    device = _table_device(experiment, model.real_m.device)
    return structure_factor.build(experiment.structure_factors, model.amplitudes.interpolate, model.dtype, device)


def _in_numbers(
    experiment: Experiment, device: torch.device, dtype: torch.dtype, table: SharedTable, hook: Hook | None
) -> Model:
    with np.errstate(all="ignore"):  # as torch does; what must be finite is checked
        return _resolved(_on_host(experiment), _table_device(experiment, device), dtype, table, hook)


def _resolved(
    experiment: Experiment, table_device: torch.device, dtype: torch.dtype, table: SharedTable, hook: Hook | None
) -> Model:
    device = None if hook is None else HOST
    defects = defect_registry.active(experiment.defects)
    xtal, panel, factors_of = experiment.crystal, experiment.detector, experiment.structure_factors
    model_checks.check_scatterers(factors_of)
    model_checks.check_counts(experiment, defects)
    wavelength_m = _wavelength_m(experiment.beam, device)
    geometry = _placed_detector(panel, defects, device, hook)
    lattice = model_parts.oriented_lattice(experiment, geometry, wavelength_m, table, defects, hook)
    sensor_of = model_parts.sensor(panel, defects, device, hook)
    fluence = watched(hook, "fluence_photons_per_m2", sources.fluence_photons_per_m2(experiment.beam, device))
    counts = [number(n) for n in lattice.n_cells]
    interpolate = structure_factor.wants_interpolation(factors_of, xtal.n_cells, counts, defects)
    r_e_sqr_m2 = watched(hook, "r_e_sqr_m2", CLASSICAL_ELECTRON_RADIUS_SQR_M2)
    oversample = model_parts.resolve_oversample(experiment, geometry, lattice.cell, lattice.n_cells, wavelength_m)
    light = model_parts.watched_sources(experiment, geometry, wavelength_m, defects, hook)
    return Model(
        geometry=geometry,
        sources=light,
        **lattice._asdict(),
        shape=watched(hook, "shape", xtal.shape),
        fudge=scalar(xtal.fudge, device),
        radius_all_cells="spot_radius_all_cells" in defects,
        sphere_closed_form="sphere_cancellation" in defects,
        amplitudes=structure_factor.build(factors_of, interpolate, dtype, table_device),
        kahn=scalar(experiment.beam.polarization_factor, device),
        d_min_m=scalar(factors_of.d_min_m, device),
        resolution_limited=bool(factors_of.d_min_m > 0),
        **sensor_of._asdict(),
        oversample=watched(hook, "oversample", oversample),
        fluence_photons_per_m2=fluence,
        r_e_sqr_m2=r_e_sqr_m2,
        background=scaling.water_background(scalar(factors_of.water_size_m, device), fluence, r_e_sqr_m2),
        has_water=bool(factors_of.water_size_m != 0),
        factors=_factors(experiment, defects, hook),
        dtype=dtype,
        defects=defects,
        largest_hkl=model_parts.largest_hkl(lattice.real_m, light),
        most_cells=max(counts),
    )


def _wavelength_m(beam: Beam, device: torch.device | None) -> torch.Tensor:
    wavelength_m = scalar(beam.wavelength_m, device)
    if not number(wavelength_m) > 0:
        raise ExperimentError(f"wavelength {number(wavelength_m):g} m; expected a positive length")
    return wavelength_m


def _placed_detector(
    panel: Detector, defects: frozenset[str], device: torch.device | None, hook: Hook | None
) -> DetectorGeometry:
    """Place the detector, and check its axes, mask, region and front; once for each that cannot change."""
    if hook is None and is_plain(panel):
        return _placed_once(Same(panel), defects)
    return _placed(panel, defects, device, hook)


@lru_cache(maxsize=16)
def _placed_once(panel: Same, defects: frozenset[str]) -> DetectorGeometry:
    """Numbers of numpy that nothing is ever written to."""
    with np.errstate(all="ignore"):
        return _placed(panel.one, defects, None, None)


def _placed(
    panel: Detector, defects: frozenset[str], device: torch.device | None, hook: Hook | None
) -> DetectorGeometry:
    model_checks.check_axes(panel)
    geometry = detector.build(panel, defects, device, hook)
    model_checks.check_detector(panel, geometry)
    detector_sides.check_front(geometry)
    return geometry


def _table_device(experiment: Experiment, device: torch.device) -> torch.device:
    """The device on which the table of amplitudes is prepared: `device` if the table is there already, else the CPU."""
    table = experiment.structure_factors.table
    on_it = table is not None and table.F_electrons.device.type == device.type
    return device if on_it else HOST


def _factors(experiment: Experiment, defects: frozenset[str], hook: Hook | None) -> Factors:
    panel = experiment.detector
    every = "last_value_factors" not in defects
    polarized = experiment.beam.polarized
    return Factors(
        capture_per_term=bool(watched(hook, "oversample_thick", every or panel.oversample_thick)),
        polar_per_term=bool(watched(hook, "oversample_polar", every or panel.oversample_polar)),
        omega_per_term=bool(watched(hook, "oversample_omega", every or panel.oversample_omega)),
        evaluate_polar=polarized or (panel.oversample_polar and "nopolar_overridden" in defects),
        running_product="running_product" in defects,
        rescale_water="water_rescaled" in defects,
        unpolarized=not polarized,
    )
