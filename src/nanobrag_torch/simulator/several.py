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
from nanobrag_torch.backends.compiled.rewriting import why_not_rounded
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.model import Model
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.parameters.checks import check_tensor
from nanobrag_torch.parameters.tensors import is_differentiated, tensors_of, with_fields
from nanobrag_torch.physics import crystal, sampling, sources, spindle, structure_factor
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


def simulations(fixed: Fixed, wanted: Asked) -> list[Simulation | None]:
    """A simulation of each; None where other programs than those of the first may be needed."""
    first, base = fixed.first, fixed.first.plain_host
    here, numbers = _resolved(fixed, wanted)
    there = transfer.moved(here, first.device)
    rows = zip(wanted.experiments(fixed.experiment), _rows(here), _rows(there), numbers, strict=True)
    made: list[Simulation | None] = []
    for experiment, host, device, counted in rows:
        if counted is None:
            made.append(None)
            continue
        on_host, on_device = _with(base, host, counted), _with(first.plain, device, counted)
        read = {name: tensor for name, tensor in device.items() if name != "cell"}
        read["cell.reciprocal_per_A"] = on_device.cell.reciprocal_per_A
        made.append(first.with_values(experiment, on_host, on_device, read))
    return made


@np.errstate(all="ignore")  # what must be finite is checked
def _resolved(fixed: Fixed, wanted: Asked) -> tuple[dict[str, Any], list[dict[str, float] | None]]:
    """Tensors of all frames by dotted names, the frame their first dimension; numbers of each, see `_numbers`."""
    experiment, defects = fixed.experiment, fixed.defects
    xtal, light = experiment.crystal, fixed.first.plain_host.sources
    cell = crystal.turned_cell(_at_rest(fixed, wanted), wanted.misset_deg / DEG_PER_RAD, defects)
    cell = cell._replace(volume_A3=spread(cell.volume_A3, wanted.wavelength_m.shape))
    steps = spindle.at_spindle_angles(cell.real_m, fixed.geometry.spindle_axis, fixed.phi_rad, defects)
    turned = [spindle.in_domains(one, fixed.mosaic).flatten(0, 1) for one in steps]
    changed: dict[str, Any] = {"cell": cell, "real_m": torch.stack(turned)}
    if any(number(size) > 0 for size in xtal.sample_size_m):
        rows = [crystal.Cell(*one) for one in zip(*cell, strict=True)]
        changed["n_cells"] = stack([crystal.n_cells(xtal, one, experiment.beam.beamsize_m, defects) for one in rows])
    if experiment.beam.sources is None:
        dispersion = sampling.source_grids(experiment.beam, defects).dispersion
        changed[WAVELENGTHS] = sources.spectra_m(dispersion, wanted.wavelength_m, light.incident.shape[0])
    axes_sqr_m2 = (steps * steps).sum(-1).reshape(len(steps), -1).max(-1)
    shortest_m = changed[WAVELENGTHS].min(-1) if WAVELENGTHS in changed else [light.wavelength_m.min()] * len(steps)
    length = model_parts.longest(light.incident)
    largest_hkl = [
        model_parts.hkl_bound(*map(number, (sqr, length, m))) for sqr, m in zip(axes_sqr_m2, shortest_m, strict=True)
    ]
    return as_tensors(changed), _numbers(fixed, wanted, cell, changed.get("n_cells"), largest_hkl)


def _at_rest(fixed: Fixed, wanted: Asked) -> crystal.AtRest:
    xtal = fixed.experiment.crystal
    if wanted.matrices is None:
        return crystal.cell_at_rest(xtal, wanted.wavelength_m[0], fixed.defects)
    each = [
        crystal.cell_at_rest(with_fields(xtal, orientation_matrix=matrix), length_m, fixed.defects)
        for matrix, length_m in zip(wanted.matrices, wanted.wavelength_m, strict=True)
    ]
    return each[0]._replace(reciprocal_per_A=stack([one.reciprocal_per_A for one in each]))


def _numbers(
    fixed: Fixed, wanted: Asked, cells: crystal.Cell, counts: Array | None, largest_hkl: Sequence[float]
) -> list[dict[str, float] | None]:
    """The numbers of each model that are no tensors; None where they may ask for other programs than the first's."""
    experiment, base = fixed.experiment, fixed.first.plain_host
    made: list[dict[str, float] | None] = []
    for row, (wavelength_m, largest) in enumerate(zip(wanted.wavelength_m, largest_hkl, strict=True)):
        n_cells, most, interpolate = base.n_cells, base.most_cells, base.amplitudes.interpolate
        if counts is not None:
            n_cells, known = counts[row], counts[row].tolist()
            most = max(known)
            interpolate = structure_factor.wants_interpolation(
                experiment.structure_factors, experiment.crystal.n_cells, known, fixed.defects
            )
        cell = crystal.Cell(*(part[row] for part in cells))
        oversample = model_parts.resolve_oversample(experiment, fixed.geometry, cell, n_cells, wavelength_m)
        alike = oversample == base.oversample and interpolate == base.amplitudes.interpolate
        same = alike and why_not_rounded(largest, most) is None
        made.append({"largest_hkl": largest, "most_cells": most} if same else None)
    return made


def _rows(stacked: dict[str, Any]) -> list[dict[str, Any]]:
    """The tensors of each frame, as views."""
    columns = [
        [crystal.Cell(*one) for one in zip(*(tensor.unbind() for tensor in part), strict=True)]
        if isinstance(part, crystal.Cell)
        else part.unbind()
        for part in stacked.values()
    ]
    return [dict(zip(stacked, row, strict=True)) for row in zip(*columns, strict=True)]


def _with(model: Model, own: dict[str, Any], numbers: dict[str, Any]) -> Model:
    """The model with a frame's own tensors and numbers."""
    light = model.sources
    if WAVELENGTHS in own:
        light = light._replace(wavelength_m=own[WAVELENGTHS])
    return model._replace(
        cell=own["cell"], real_m=own["real_m"], n_cells=own.get("n_cells", model.n_cells), sources=light, **numbers
    )
