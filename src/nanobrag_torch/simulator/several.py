"""Many orientations and wavelengths of one experiment, resolved together: the bytes of each are those it has alone.

Numpy does the same operations in the same order on an array with one more dimension, the frame. Results are sent to the
device together, and each frame gets views of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from nanobrag_torch import model_parts, transfer
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.model import Model
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.parameters.checks import check_tensor
from nanobrag_torch.parameters.tensors import is_differentiated, tensors_of, with_fields
from nanobrag_torch.physics import crystal, sampling, sources, structure_factor
from nanobrag_torch.physics.constants import DEG_PER_RAD
from nanobrag_torch.physics.detector_geometry import DetectorGeometry
from nanobrag_torch.physics.tensors import Array, as_tensors, number, spread, stack
from nanobrag_torch.simulator.simulation import Simulation

WAVELENGTHS = "sources.wavelength_m"


class Fixed(NamedTuple):
    """What all frames of a series have in common; geometry and angles are numpy's."""

    first: Simulation
    defects: frozenset[str]
    geometry: DetectorGeometry
    mosaic: torch.Tensor
    phi_rad: Any

    @property
    def experiment(self) -> Experiment:
        return self.first.experiment


class Asked(NamedTuple):
    """Orientations and wavelengths: angles (n, 3) in deg, lengths (n,) in m; matrices, if any, one for each."""

    misset_deg: Array
    wavelength_m: Array
    matrices: Sequence[torch.Tensor] | None

    def experiments(self, experiment: Experiment) -> list[Experiment]:
        """The experiment of each; its numbers have been checked."""
        made = []
        for row, (misset_deg, wavelength_m) in enumerate(
            zip(self.misset_deg.tolist(), self.wavelength_m.tolist(), strict=True)
        ):
            xtal = with_fields(experiment.crystal, misset_deg=tuple(misset_deg))
            if self.matrices is not None:
                xtal = with_fields(xtal, orientation_matrix=self.matrices[row])
            beam = with_fields(experiment.beam, wavelength_m=wavelength_m)
            made.append(with_fields(experiment, crystal=xtal, beam=beam))
        return made


def asked(
    misset_deg: Sequence[tuple[float, float, float]],
    wavelength_m: Sequence[float],
    matrices: Sequence[torch.Tensor] | None,
) -> Asked:
    """Numbers of numpy."""
    angles: Any = np.array(misset_deg, dtype=np.float64)
    lengths_m: Any = np.array(wavelength_m, dtype=np.float64)
    return Asked(angles, lengths_m, matrices)


def can_be_together(experiment: Experiment, wanted: Asked) -> bool:
    """Whether no derivative is asked for and every number is possible."""
    xtal, beam = experiment.crystal, experiment.beam
    tensors = [*tensors_of(experiment), *(wanted.matrices or ())]
    if any(tensor.requires_grad or is_differentiated(tensor) for tensor in tensors):
        return False
    if wanted.matrices is None and xtal.orientation_matrix is not None:
        return False
    if not (np.isfinite(wanted.misset_deg).all() and np.isfinite(wanted.wavelength_m).all()):
        return False
    try:
        for extreme in (np.min, np.max):
            replace(xtal, misset_deg=tuple(extreme(wanted.misset_deg, axis=0).tolist()))
            replace(beam, wavelength_m=float(extreme(wanted.wavelength_m)))
        for matrix in wanted.matrices or ():
            check_tensor("Crystal.orientation_matrix", matrix, (3, 3))
    except ExperimentError:
        return False
    return True


@np.errstate(all="ignore")  # what must be finite is checked
def simulations(fixed: Fixed, wanted: Asked) -> list[Simulation | None]:
    """A simulation of each; None where more than the values of tensors differs from the first."""
    first, base = fixed.first, fixed.first.plain_host
    here, like = _resolved(fixed, wanted)
    there = transfer.moved(here, first.device)
    made: list[Simulation | None] = []
    for experiment, host, device, is_like in zip(
        wanted.experiments(fixed.experiment), _rows(here), _rows(there), like, strict=True
    ):
        if not is_like:
            made.append(None)
            continue
        on_host, on_device = _with(base, host), _with(first.plain, device)
        read = {name: tensor for name, tensor in device.items() if name != "cell"}
        read["cell.reciprocal_per_A"] = on_device.cell.reciprocal_per_A
        made.append(first.with_values(experiment, on_host, on_device, read))
    return made


def _resolved(fixed: Fixed, wanted: Asked) -> tuple[dict[str, Any], list[bool]]:
    """Tensors of all frames by dotted names, the frame their first dimension; whether each is like the first."""
    experiment, defects = fixed.experiment, fixed.defects
    cell = crystal.turned_cell(_at_rest(fixed, wanted), wanted.misset_deg / DEG_PER_RAD, defects)
    cell = cell._replace(volume_A3=spread(cell.volume_A3, wanted.wavelength_m.shape))
    steps = crystal.at_spindle_angles(cell.real_m, fixed.geometry.spindle_axis, fixed.phi_rad, defects)
    turned = [crystal.in_domains(one, fixed.mosaic).flatten(0, 1) for one in steps]
    changed: dict[str, Any] = {"cell": cell, "real_m": torch.stack(turned)}
    counts = None
    if any(number(size) > 0 for size in experiment.crystal.sample_size_m):
        rows = [crystal.Cell(*one) for one in zip(*cell, strict=True)]
        beamsize_m = experiment.beam.beamsize_m
        counts = stack([crystal.n_cells(experiment.crystal, one, beamsize_m, defects) for one in rows])
        changed["n_cells"] = counts
    if experiment.beam.sources is None:
        light, grids = fixed.first.plain_host.sources, sampling.source_grids(experiment.beam, defects)
        changed[WAVELENGTHS] = sources.spectra_m(grids.dispersion, wanted.wavelength_m, light.incident.shape[0])
    return as_tensors(changed), _like_first(fixed, wanted, cell, counts)


def _at_rest(fixed: Fixed, wanted: Asked) -> crystal.AtRest:
    xtal = fixed.experiment.crystal
    if wanted.matrices is None:
        return crystal.cell_at_rest(xtal, wanted.wavelength_m[0], fixed.defects)
    each = [
        crystal.cell_at_rest(with_fields(xtal, orientation_matrix=matrix), length_m, fixed.defects)
        for matrix, length_m in zip(wanted.matrices, wanted.wavelength_m, strict=True)
    ]
    return each[0]._replace(reciprocal_per_A=stack([one.reciprocal_per_A for one in each]))


def _like_first(fixed: Fixed, wanted: Asked, cells: crystal.Cell, counts: Array | None) -> list[bool]:
    """Whether sub-pixels and the choice of interpolation are those of the first simulation."""
    experiment, base = fixed.experiment, fixed.first.plain_host
    if counts is None and (experiment.detector.oversample or 0) > 0:
        return [True] * len(wanted.wavelength_m)
    like = []
    for row, wavelength_m in enumerate(wanted.wavelength_m):
        cell = crystal.Cell(*(part[row] for part in cells))
        n_cells = base.n_cells if counts is None else counts[row]
        oversample = model_parts.resolve_oversample(experiment, fixed.geometry, cell, n_cells, wavelength_m)
        interpolate = base.amplitudes.interpolate
        if counts is not None:
            stated = experiment.crystal.n_cells
            interpolate = structure_factor.wants_interpolation(
                experiment.structure_factors, stated, list(map(number, n_cells)), fixed.defects
            )
        like.append(oversample == base.oversample and interpolate == base.amplitudes.interpolate)
    return like


def _rows(stacked: dict[str, Any]) -> list[dict[str, Any]]:
    """The tensors of each frame, as views."""
    columns = [
        [crystal.Cell(*one) for one in zip(*(tensor.unbind() for tensor in part), strict=True)]
        if isinstance(part, crystal.Cell)
        else part.unbind()
        for part in stacked.values()
    ]
    return [dict(zip(stacked, row, strict=True)) for row in zip(*columns, strict=True)]


def _with(model: Model, own: dict[str, Any]) -> Model:
    """The model with a frame's own tensors."""
    light = model.sources
    if WAVELENGTHS in own:
        light = light._replace(wavelength_m=own[WAVELENGTHS])
    return model._replace(
        cell=own["cell"], real_m=own["real_m"], n_cells=own.get("n_cells", model.n_cells), sources=light
    )
