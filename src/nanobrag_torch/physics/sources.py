"""Sources of the beam: directions, wavelengths, weights and the fluence. Section 3 of docs/physics.md.

(3.1)  fluence = flux exposure / beamsize^2, where a flux is given        [photons/m^2]
(3.2)  eta_h = dh i - rh/2,  eta_v = dv j - rv/2 with divergence_grid     [rad]
       eta_h = dh (i - (nh - 1)/2),  eta_v = dv (j - (nv - 1)/2) without
(3.3)  4 ((eta_h^2 - e_h dh^2/4)/rh^2 + (eta_v^2 - e_v dv^2/4)/rv^2) <= 1.1,  e = 1 for an even count, else 0
(3.4)  s = Raxis(Raxis(-10 b; P, eta_v); V, eta_h),  V = unit(b x P)      [m]
(3.5)  lambda_k = lambda_0 (1 + dd k - rd/2);  dd (k - (nd - 1)/2) without divergence_grid        [m]
(3.6)  i = -unit(s)
(3.7)  w = weight n_src / sum of the weights, 1 with source_weights_ignored
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.parameters import Beam, SourceTable
from nanobrag_torch.physics.constants import SOURCE_DISTANCE_M
from nanobrag_torch.physics.rotations import exactly_about_axis
from nanobrag_torch.physics.sampling import Grid, SourceGrids
from nanobrag_torch.physics.tensors import (
    HOST,
    Array,
    alike,
    cross,
    exact_unit,
    home,
    matrix,
    mean,
    number,
    scalar,
    spread,
    vector,
)

if TYPE_CHECKING:
    from jaxtyping import Float

ROUND_DIVERGENCE_LIMIT = 1.1


class Sources(NamedTuple):
    """The n point sources that illuminate the crystal, in the order of the loop over them."""

    incident: Float[Array, "n 3"]  # unit vectors along the light
    wavelength_m: Float[Array, " n"]
    weight: Float[Array, " n"] | None  # mean 1; None: every source counts the same

    def first(self, count: int) -> Sources:
        """The first `count` of them."""
        if not 0 < count <= self.incident.shape[0]:
            raise ValueError(f"{count} of {self.incident.shape[0]} sources")
        weight = None if self.weight is None else self.weight[:count]
        return Sources(self.incident[:count], self.wavelength_m[:count], weight)


def fluence_photons_per_m2(beam: Beam, device: torch.device | None = None) -> Float[Array, ""]:
    """flux exposure / beamsize^2 where a flux is given, else the fluence as stated (photons / m^2) (3.1)."""
    if beam.flux_photons_per_s != 0 and beam.exposure_s > 0 and beam.beamsize_m >= 0:
        stated = (beam.flux_photons_per_s, beam.exposure_s, beam.beamsize_m)
        device = home(device, *stated)
        flux, exposure, beamsize_m = (scalar(quantity, device) for quantity in stated)
        exposed = flux * exposure
        return exposed / beamsize_m / beamsize_m
    return scalar(beam.fluence_photons_per_m2, device)


def from_grids(
    grids: SourceGrids,
    wavelength_m: Float[Array, ""],
    beam_vector: Float[Array, "3"],
    polar_vector: Float[Array, "3"],
    vertical_vector: Float[Array, "3"],
    round_divergence: bool,
) -> Sources:
    """Sources on a grid of divergence angles, each with every wavelength of the dispersion (3.4) (3.5) (3.6).

    The beam is turned about the polarization axis by the vertical angle, then about the vertical axis by the
    horizontal one. lambda_k = lambda0 (1 + step k - range/2).
    """
    horizontal, vertical = _offsets(grids.horizontal), _offsets(grids.vertical)
    pairs = [
        (i, j)
        for i in range(grids.horizontal.count)
        for j in range(grids.vertical.count)
        if not (round_divergence and _outside_ellipse(grids, i, j))
    ]
    if not pairs:
        raise ExperimentError("the divergence leaves no source; give a range with its steps, or -square_div")
    rows, columns = map(list, zip(*pairs, strict=True))
    towards_source = spread(-SOURCE_DISTANCE_M * beam_vector, (len(pairs), 3))
    tilted = exactly_about_axis(towards_source, polar_vector, vertical[columns])
    position = exactly_about_axis(tilted, vertical_vector, horizontal[rows])
    wavelength_m, shift = alike(wavelength_m, _offsets(grids.dispersion))
    spectrum, incident, count = wavelength_m * (1.0 + shift), -exact_unit(position), grids.dispersion.count
    incident = spread(incident[:, None], (len(pairs), count, 3)).reshape(-1, 3)
    return Sources(incident, spread(spectrum, (len(pairs), count)).reshape(-1), None)


def spectra_m(dispersion: Grid, wavelengths_m: Float[Array, " n"], sources: int) -> Float[Array, "n sources"]:
    """Wavelengths of generated sources, that many, for each of several wavelengths (3.5)."""
    wavelengths_m, shift = alike(wavelengths_m, _offsets(dispersion))
    spectra = (wavelengths_m[:, None] * (1.0 + shift))[:, None]
    return spread(spectra, (len(spectra), sources // dispersion.count, dispersion.count)).reshape(len(spectra), sources)


def _offsets(grid: Grid) -> Array:
    """Angles, or relative shifts of the wavelength, of the points of a grid (3.2)."""
    device = home(None, grid.step, grid.half_extent)
    step, index, half = alike(scalar(grid.step, device), np.arange(grid.count), scalar(grid.half_extent, device))
    return step * index - half


def _outside_ellipse(grids: SourceGrids, i: int, j: int) -> bool:
    """Whether a grid point lies outside the ellipse of a round beam; without extent in one direction none does.

    Equation (3.3).
    """
    total = 0.0
    for grid, index in ((grids.horizontal, i), (grids.vertical, j)):
        extent, step = number(grid.extent), number(grid.step)
        if extent == 0:
            return False
        offset = step * index - number(grid.half_extent)
        total += (offset * offset - step * step / 4.0 * (1 - grid.count % 2)) / extent / extent
    return total * 4.0 > ROUND_DIVERGENCE_LIMIT


def from_table(table: SourceTable, device: torch.device | None, use_weights: bool) -> Sources:
    """Sources as listed in a file; with `use_weights`, each counts with its weight over the mean weight (3.7)."""
    weight = None
    if use_weights:
        weight = vector(table.weight, HOST)
        weight = weight / mean(weight)
    return Sources(-exact_unit(matrix(table.position_m, device)), vector(table.wavelength_m, device), weight)


def vertical_direction(beam_vector: Float[Array, "3"], polar_vector: Float[Array, "3"]) -> Float[Array, "3"]:
    """The axis of the horizontal divergence: unit(b x P)."""
    return exact_unit(cross(beam_vector, polar_vector))
