"""Many images of one experiment, in other orientations and at other wavelengths: what stays is resolved once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nanobrag_torch import model_parts, transfer
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.rewriting import why_not_rounded
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.parameters import defects as defect_registry
from nanobrag_torch.physics import crystal, detector, mosaic, sampling, spindle, structure_factor
from nanobrag_torch.physics.random_numbers import SharedTable
from nanobrag_torch.physics.tensors import HOST, as_tensors, number, scalar
from nanobrag_torch.simulator import Simulation, several


class Series:
    """Simulations that differ in orientation and wavelength alone, on one device.

    Detector, amplitudes, mosaic domains and fluence are resolved once. What an orientation and a wavelength change is
    a few dozen numbers: they are worked out on the CPU and sent to the device, which therefore never waits for them.
    Compiled code is loaded once, and built if that is worth it for that many `images`; `compiled` says whether it is
    used. On the CPU an image is, to the bit, that of `simulate` by the same code.
    """

    def __init__(
        self,
        experiment: Experiment,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
        images: int = 1,
    ):
        self.experiment = experiment
        self.first = Simulation(experiment, device, dtype)
        self._defects = defect_registry.active(experiment.defects)
        self._geometry = detector.build(experiment.detector, self._defects)
        domains = sampling.mosaic_domains(experiment.crystal)
        table = SharedTable()
        if experiment.crystal.misset_random:  # its draws come before those of the mosaic domains
            raise ExperimentError("a series needs its orientations as angles, found misset_random")
        self._mosaic = mosaic.domain_matrices(domains, experiment.crystal, table, self._defects, HOST)
        phi_rad = spindle.spindle_angles_rad(sampling.phi_steps(experiment.spindle, self._defects))
        self._fixed = several.Fixed(self.first, self._defects, self._geometry, self._mosaic, phi_rad)
        with torch.no_grad():
            self.compiled = isinstance(self.first.backend(images=images), CompiledBackend)

    def at(
        self,
        misset_deg: tuple[float, float, float],
        wavelength_m: float,
        orientation_matrix: torch.Tensor | None = None,
    ) -> Simulation:
        """The simulation with the crystal turned by `misset_deg` about lab x, y, z, at `wavelength_m`.

        `orientation_matrix` (3, 3) takes the place of the experiment's, which is times the wavelength: at another
        wavelength the same crystal has another one. Raises ExperimentError where the two do not go together.
        """
        xtal = replace(self.experiment.crystal, misset_deg=misset_deg)
        if orientation_matrix is not None:
            xtal = replace(xtal, orientation_matrix=orientation_matrix)
        elif xtal.orientation_matrix is not None and wavelength_m != self.experiment.beam.wavelength_m:
            raise ExperimentError(
                "another wavelength needs another orientation matrix, which holds a*, b*, c* times the wavelength"
            )
        beam = replace(self.experiment.beam, wavelength_m=wavelength_m)
        return self._simulation(replace(self.experiment, crystal=xtal, beam=beam))

    def several(
        self,
        misset_deg: Sequence[tuple[float, float, float]],
        wavelength_m: Sequence[float],
        orientation_matrix: Sequence[torch.Tensor] | None = None,
    ) -> list[Simulation]:
        """`at` of each orientation and wavelength, to the bit: worked out together, and sent to the device at once."""
        matrices = [None] * len(misset_deg) if orientation_matrix is None else orientation_matrix
        asked = several.asked(misset_deg, wavelength_m, orientation_matrix)
        made: Sequence[Simulation | None] = [None] * len(misset_deg)
        if len(misset_deg) > 0 and several.can_be_together(self.experiment, asked):
            made = several.simulations(self._fixed, asked)
        frames = zip(made, misset_deg, wavelength_m, matrices, strict=True)
        return [self.at(angles, length_m, own) if known is None else known for known, angles, length_m, own in frames]

    @np.errstate(all="ignore")  # what must be finite is checked
    def _simulation(self, experiment: Experiment) -> Simulation:
        xtal, beam, defects, base = experiment.crystal, experiment.beam, self._defects, self.first.plain
        wavelength_m = scalar(beam.wavelength_m)
        misset_rad = crystal.misset_angles_rad(xtal, SharedTable(), 0, defects)
        cell = crystal.build_cell(xtal, wavelength_m, misset_rad, defects)
        n_cells = crystal.n_cells(xtal, cell, beam.beamsize_m, defects)
        factors, counts = experiment.structure_factors, [number(n) for n in n_cells]
        interpolate = structure_factor.wants_interpolation(factors, xtal.n_cells, counts, defects)
        phi = sampling.phi_steps(experiment.spindle, defects)
        turned = spindle.orientations(cell, self._geometry.spindle_axis, phi, self._mosaic, defects)
        light = model_parts.resolve_sources(experiment.beam, self._geometry, wavelength_m, defects)
        largest_hkl, most_cells = model_parts.largest_hkl(turned.real_m, light), max(counts)
        if interpolate != base.amplitudes.interpolate or why_not_rounded(largest_hkl, most_cells) is not None:
            return Simulation(experiment, self.first.device, base.dtype)  # other programs
        changed: dict[str, Any] = {
            "cell": cell,
            "real_m": turned.real_m.flatten(0, 1),
            "n_cells": n_cells,
            "sources": light,
            "largest_hkl": largest_hkl,
            "most_cells": most_cells,
        }
        oversample = model_parts.resolve_oversample(experiment, self._geometry, cell, n_cells, wavelength_m)
        changed = {name: as_tensors(part) for name, part in changed.items()}
        moved = transfer.moved(changed, self.first.device)
        host = self.first.plain_host._replace(oversample=oversample, **changed)
        return self.first.with_model(experiment, host, base._replace(oversample=oversample, **moved))
