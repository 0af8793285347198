"""The spindle turns the crystal: its cell vectors at every angle in every mosaic domain. Section 4 of docs/physics.md.

(4.12) phi_j = phi_0 + dphi j with phi_slice_start;  phi_0 + dphi (j + 1/2) without               [rad]
(4.13) a_jm = U_m Raxis(a; spindle, phi_j);  b, c likewise                     [m]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.physics import rotations
from nanobrag_torch.physics.crystal import Cell
from nanobrag_torch.physics.sampling import PhiSteps
from nanobrag_torch.physics.tensors import HOST, Array, alike, home, number, scalar, turned

if TYPE_CHECKING:
    from jaxtyping import Float


class Orientations(NamedTuple):
    """Real-space cell vectors of every spindle step and mosaic domain."""

    real_m: Float[Array, "steps domains 3 3"]  # rows a, b, c
    phi_rad: Float[Array, " steps"]  # nominal spindle angles


def orientations(
    cell: Cell,
    spindle_axis: Float[Array, "3"],
    phi: PhiSteps,
    mosaic_matrices: Float[Array, "domains 3 3"],
    defects: frozenset[str],
    hook: Hook | None = None,
) -> Orientations:
    """Cell vectors at every spindle angle, then in every mosaic domain (4.13).

    With the defect `phi_carryover` on, a step at exactly phi = 0 keeps the orientation of the step before it; the last
    step counts as the one before the first. Rotation by exactly zero leaves the vectors bit for bit.
    """
    device = None if hook is None else HOST
    phi_rad = watched(hook, "phi_rad", spindle_angles_rad(phi, device))
    rotated = at_spindle_angles(cell.real_m, spindle_axis, phi_rad, defects)
    return Orientations(watched(hook, "real_m", in_domains(rotated, mosaic_matrices)), phi_rad)


def in_domains(
    real_m: Float[Array, "steps 3 3"], mosaic_matrices: Float[Array, "domains 3 3"]
) -> Float[Array, "steps domains 3 3"]:
    """Cell vectors (rows) of every spindle step in every mosaic domain."""
    return turned(mosaic_matrices, real_m)


def at_spindle_angles(
    real_m: Float[Array, "*frames 3 3"],
    spindle_axis: Float[Array, "3"],
    phi_rad: Float[Array, " steps"],
    defects: frozenset[str],
) -> Float[Array, "*frames steps 3 3"]:
    """Cell vectors (rows), of a cell or of each of several cells, at every spindle angle."""
    effective = phi_rad
    if "phi_carryover" in defects:
        angles = list(map(number, phi_rad))
        carried = _carried_steps(angles)
        effective = phi_rad if carried == list(range(len(angles))) else phi_rad[carried]
    vectors = real_m if real_m.ndim == 2 else real_m[:, None]
    return rotations.exactly_about_axis(vectors, spindle_axis, effective[:, None])


def spindle_angles_rad(phi: PhiSteps, device: torch.device | None = None) -> Float[Array, " steps"]:
    """Angle (phi,) of every spindle step, at the start of its slice or in the middle (4.12)."""
    device = home(device, phi.start_rad, phi.step_rad)
    start, step, index = alike(
        scalar(phi.start_rad, device), scalar(phi.step_rad, device), np.arange(phi.count) + phi.into_slice
    )
    return start + step * index


def _carried_steps(phi_rad: list[float]) -> list[int]:
    """For each step, the step whose orientation it uses: with phi = 0 that is the previous one."""
    count = len(phi_rad)
    carried = []
    for j in range(count):
        source = j
        for back in range(count):
            candidate = (j - back) % count
            if phi_rad[candidate] != 0:
                source = candidate
                break
        carried.append(source)
    return carried
