"""How many steps each sampled quantity gets: rules for what the user did not state. Section 2 of docs/physics.md.

(2.1)  n = ceil(r/d) with divergence_grid;  floor(r/d + 1/2) + 1 without
(2.2)  d = r/(n - 1)
(2.3)  dT = T/(n - 1), n at least 2, with layer_pitch;  T/n without       [m]
(2.4)  n_sub = max(1, ceil(3 L / (lambda D / p))),  L = max(|a| Na, |b| Nb, |c| Nc)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.parameters import Beam, Crystal, Detector, Spindle, number
from nanobrag_torch.physics.constants import DEG_PER_RAD

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float

UNSET = -1
COUNT_TOLERANCE = 1e-9  # a count that exceeds a whole number by this share still rounds to it


@dataclass(frozen=True)
class Grid:
    """`count` points, `step` apart, over `extent`: from its half downwards, or with the middle point at 0."""

    count: int
    extent: float | Float[torch.Tensor, ""]
    step: float | Float[torch.Tensor, ""]
    centred: bool = False

    @property
    def half_extent(self) -> float | Float[torch.Tensor, ""]:
        """How far the first point lies below 0."""
        return self.step * (self.count - 1) / 2.0 if self.centred else self.extent / 2.0


POINT = Grid(1, 0.0, 0.0)


def _or_unset(value: float | Float[torch.Tensor, ""] | None) -> float | Float[torch.Tensor, ""]:
    """The value, or -1 if it was not stated."""
    return UNSET if value is None else value


def _count_or_unset(count: int | None) -> int:
    """The number of steps, or -1 if it was not stated."""
    return UNSET if count is None else count


def divergence_grid(
    name: str,
    count: int | None,
    extent: float | Float[torch.Tensor, ""] | None,
    step: float | Float[torch.Tensor, ""] | None,
    defects: frozenset[str],
) -> Grid:
    """Grid of a divergence angle (rad) or of the dispersion from any subset of count, extent and step (2.1) (2.2).

    Raises ExperimentError, in which `name` says what the grid is of, where these do not make a grid.

    With the defect `divergence_grid` on: a step that does not divide the extent leaves the end point out, and a count
    alone means an extent of one whole unit. Off: the end point is included, the grid lies evenly about 0, and a count
    alone is refused.
    """
    n, r, d = _count_or_unset(count), _or_unset(extent), _or_unset(step)
    historic = "divergence_grid" in defects
    if n <= 0:
        if r < 0:
            grid = Grid(2, d, d) if d > 0 else POINT
        elif d <= 0:
            grid = Grid(2, r, r)
        else:
            grid = Grid(math.ceil(number(r / d)) if historic else math.floor(number(r / d) + 0.5) + 1, r, d)
    elif r < 0:
        if d > 0:
            grid = Grid(2, d, d)
        elif historic:
            grid = Grid(n, 1.0, 1.0 / n)
        else:
            raise ExperimentError(f"{name}: a number of steps ({n}) without a range; give the range too")
    elif d <= 0:
        n = max(n, 2)
        grid = Grid(n, r, r / (n - 1))
    else:
        grid = Grid(n, r, d)
    if grid.extent <= 0 or grid.step <= 0 or grid.count <= 0:
        return POINT
    return replace(grid, centred=not historic)


@dataclass(frozen=True)
class SourceGrids:
    """Grids of horizontal and vertical divergence (rad) and of the relative wavelength."""

    horizontal: Grid
    vertical: Grid
    dispersion: Grid


def source_grids(beam: Beam, defects: frozenset[str]) -> SourceGrids:
    """The three grids of the generated sources, each by `divergence_grid` (2.1) (2.2)."""
    return SourceGrids(
        divergence_grid("horizontal divergence", beam.hdiv_steps, beam.hdiv_range_rad, beam.hdiv_step_rad, defects),
        divergence_grid("vertical divergence", beam.vdiv_steps, beam.vdiv_range_rad, beam.vdiv_step_rad, defects),
        divergence_grid("dispersion", beam.dispersion_steps, beam.dispersion_fraction, None, defects),
    )


@dataclass(frozen=True)
class Layers:
    """Sensor layers: their number, the pitch dT (m) and the attenuation coefficient mu (1/m)."""

    count: int
    pitch_m: float | Float[torch.Tensor, ""]
    attenuation_per_m: float | Float[torch.Tensor, ""]


def sensor_layers(detector: Detector, defects: frozenset[str]) -> Layers:
    """Layers of a sensor of thickness T (m); mu is 1/T where it is not stated (2.3).

    With the defect `layer_pitch` on, n layers are T/(n - 1) apart and a single layer is impossible; off, T/n.
    """
    thickness_m, n = detector.thickness_m, _count_or_unset(detector.thick_steps)
    if thickness_m <= 0:
        return Layers(1, 0.0, 0.0 if detector.attenuation_per_m is None else detector.attenuation_per_m)
    attenuation = 1.0 / thickness_m if detector.attenuation_per_m is None else detector.attenuation_per_m
    if n <= 0:
        return Layers(2, thickness_m / 2, attenuation)
    if "layer_pitch" in defects:
        n = max(n, 2)
        return Layers(n, thickness_m / (n - 1), attenuation)
    return Layers(n, thickness_m / n, attenuation)


@dataclass(frozen=True)
class PhiSteps:
    """Spindle angles phi_start + (j + into_slice) step, j = 0 .. count - 1, as in (4.12)."""

    count: int
    start_rad: float | Float[torch.Tensor, ""]
    step_rad: float | Float[torch.Tensor, ""]
    osc_rad: float | Float[torch.Tensor, ""]
    into_slice: float


def phi_steps(spindle: Spindle, defects: frozenset[str], hook: Hook | None = None) -> PhiSteps:
    """The spindle rotation from any subset of range, step and count, by the rules of section 2 (angles in rad).

    With the defect `phi_slice_start` on, the crystal stands at the start of each slice; off, in its middle.
    """
    n = _count_or_unset(spindle.phisteps)
    n = watched(hook, "phi_steps", n) if n > 0 else n
    osc = UNSET if spindle.osc_deg is None else spindle.osc_deg / DEG_PER_RAD
    step = UNSET if spindle.phistep_deg is None else spindle.phistep_deg / DEG_PER_RAD
    if n == 0:
        n = 1
    if n < 0:
        if osc < 0:
            n, osc, step = (2, step, step) if step > 0 else (1, 0.0, 0.0)
        elif step <= 0:
            n, step = 2, osc / 2
        else:
            n = math.ceil(number(osc / step))
    elif osc < 0:
        if step <= 0:
            osc = 1.0 / DEG_PER_RAD
            step = osc / n
        else:
            n, osc = 2, step
    elif step < 0:
        step = osc / n
    into_slice = 0.0 if "phi_slice_start" in defects else 0.5
    return PhiSteps(watched(hook, "phi_steps", max(n, 1)), spindle.phi_start_deg / DEG_PER_RAD, step, osc, into_slice)


@dataclass(frozen=True)
class MosaicDomains:
    """Number of domains and the largest tilt (rad)."""

    count: int
    spread_rad: float | Float[torch.Tensor, ""]


def mosaic_domains(crystal: Crystal, hook: Hook | None = None) -> MosaicDomains:
    """The mosaic domains by the rules of section 2: 10 for a spread alone, one without a positive spread."""
    n, spread = _count_or_unset(crystal.mosaic_domains), _or_unset(crystal.mosaic_spread_rad)
    if spread <= 0:
        n, spread = 1, 0.0
    return MosaicDomains(watched(hook, "mosaic_domains", n if n > 0 else 10), spread)


def recommended_oversample(
    crystal_size_m: float, wavelength_m: float, distance_m: float, pixel_size_m: float, slack: float
) -> int:
    """Sub-pixels along an edge that sample each shape transform three times: ceil(3 L / (lambda D / p)), at least 1.

    L is the largest extent of the crystal, lambda the wavelength, D the distance and p the edge of a pixel, all in m
    (2.4). A quotient that exceeds a whole number by less than the share `slack` of itself is rounded down.
    """
    return max(1, math.ceil(3.0 * crystal_size_m / (wavelength_m * distance_m / pixel_size_m) * (1.0 - slack)))
