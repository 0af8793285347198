"""The crystal: unit cell, orientation, size, spindle rotation and mosaic domains. Section 4 of docs/physics.md.

(4.1)  Vc = 2 a b c sqrt(sin S sin(S - alpha) sin(S - beta) sin(S - gamma)),  S = (alpha + beta + gamma)/2  [A^3]
(4.2)  |a*| = b c sin(alpha) / Vc;  |b*|, |c*| cyclic                   [1/A]
(4.3)  cos(alpha*) = (cos(beta) cos(gamma) - cos(alpha)) / (sin(beta) sin(gamma));  beta*, gamma* cyclic
(4.4)  sin(gamma*) = c / (Vc |a*| |b*|)
(4.5)  a* = (|a*|, 0, 0)
       b* = (|b*| cos(gamma*), |b*| sin(gamma*), 0)
       c* = (|c*| cos(beta*), |c*| (cos(alpha*) - cos(beta*) cos(gamma*))/sin(gamma*), z)
       z = |c*| Vc/(a b c sin(gamma*)) with triclinic_cstar;  1/c without  [1/A]
(4.6)  (a*, b*, c*) = M 1e-10/lambda_0 with -mat                          [1/A]
(4.7)  a* <- Rxyz(a*; misset),  b*, c* likewise
(4.8)  misset of a random rotation U = (atan2(Uzy, Uzz), atan2(-Uzx, sqrt(Uzy^2 + Uzz^2)), atan2(Uyx, Uxx))  [rad]
(4.9)  a = (b* x c*)/V*;  b, c cyclic;  V* = a*.(b* x c*)               [A]
       with -cell: V* = 1/Vc, and a, b, c get the lengths of the cell
(4.10) a* = (b x c) V*;  b*, c* cyclic;  V* = 1/(a.(b x c)) without nominal_cell_volume           [1/A]
(4.11) Na = ceil(X/|a|), Nb = ceil(Y/|b|), Nc = ceil(Z/|c|) where an extent is given;  at least 1
       ceil((1 - 1e-9) X/|a|) and so on without sample_size_rounded_up
(4.12) phi_j = phi_0 + dphi j with phi_slice_start;  phi_0 + dphi (j + 1/2) without               [rad]
(4.13) a_jm = U_m Raxis(a; spindle, phi_j);  b, c likewise                     [m]
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.parameters import Crystal, Scalar
from nanobrag_torch.physics import random_numbers, rotations
from nanobrag_torch.physics.constants import DEG_PER_RAD, M_PER_A, SMALLEST_NORMAL
from nanobrag_torch.physics.sampling import COUNT_TOLERANCE, PhiSteps
from nanobrag_torch.physics.tensors import (
    GEOMETRY_DTYPE,
    cosine,
    cross,
    dot,
    exact_norm,
    number,
    scalar,
    sine,
    square_root,
    vector,
)

if TYPE_CHECKING:
    from jaxtyping import Float


class Cell(NamedTuple):
    """One crystal orientation. Rows of the matrices are the three vectors."""

    real_m: torch.Tensor  # (3, 3) a, b, c
    real_A: torch.Tensor  # (3, 3)
    reciprocal_per_A: torch.Tensor  # (3, 3) a*, b*, c*
    volume_A3: torch.Tensor


class Orientations(NamedTuple):
    """Real-space cell vectors of every spindle step and mosaic domain."""

    real_m: torch.Tensor  # (phi, domain, 3, 3); rows a, b, c
    phi_rad: torch.Tensor  # (phi,) nominal spindle angles


def reciprocal_from_cell(
    lengths_A: Float[torch.Tensor, "3"], angles_rad: Float[torch.Tensor, "3"], defects: frozenset[str]
) -> Float[torch.Tensor, "3 3"]:
    """a*, b*, c* (rows, 1/A) of a cell, a* along x and b* in the xy plane (4.2) (4.3) (4.4) (4.5).

    With the defect `triclinic_cstar` on, the z component of c* is |c*| Vc/(a b c sin gamma*), which is 1/c only where
    at least two angles are right.
    """
    a, b, c = lengths_A
    volume = cell_volume_A3(lengths_A, angles_rad)
    sin, cos = sine(angles_rad), cosine(angles_rad)
    star = lengths_A[[1, 2, 0]] * lengths_A[[2, 0, 1]] * sin / volume
    cos_alpha_star = _cosine((cos[1] * cos[2] - cos[0]) / (sin[1] * sin[2]))
    cos_beta_star = _cosine((cos[2] * cos[0] - cos[1]) / (sin[2] * sin[0]))
    cos_gamma_star = _cosine((cos[0] * cos[1] - cos[2]) / (sin[0] * sin[1]))
    sin_gamma_star = c / (volume * star[0] * star[1])
    sin_gamma_star = sin_gamma_star + (sin_gamma_star.clamp(-1.0, 1.0) - sin_gamma_star).detach()
    zero = torch.zeros_like(a)
    if "triclinic_cstar" in defects:
        c_star_z = star[2] * volume / (a * b * c * sin_gamma_star)
    else:
        c_star_z = 1.0 / c
    c_star_y = star[2] * (cos_alpha_star - cos_beta_star * cos_gamma_star) / sin_gamma_star
    return torch.stack(
        [
            torch.stack([star[0], zero, zero]),
            torch.stack([star[1] * cos_gamma_star, star[1] * sin_gamma_star, zero]),
            torch.stack([star[2] * cos_beta_star, c_star_y, c_star_z]),
        ]
    )


def _cosine(value: torch.Tensor) -> torch.Tensor:
    """A value that must be a cosine; outside [-1, 1] it becomes 1."""
    return torch.where(value.abs() > 1.0, torch.ones_like(value), value)


def cell_volume_A3(
    lengths_A: Float[torch.Tensor, "3"], angles_rad: Float[torch.Tensor, "3"]
) -> Float[torch.Tensor, ""]:
    """2 a b c sqrt(|sin s sin(s - alpha) sin(s - beta) sin(s - gamma)|), s the half sum of the angles (4.1)."""
    alpha, beta, gamma = angles_rad
    half_sum = (alpha + beta + gamma) / 2.0
    skew = sine(half_sum) * sine(half_sum - alpha) * sine(half_sum - beta) * sine(half_sum - gamma)
    volume = 2.0 * lengths_A[0] * lengths_A[1] * lengths_A[2] * square_root(skew.abs())
    return torch.where(volume == 0, torch.full_like(volume, SMALLEST_NORMAL), volume)


def misset_angles_rad(
    crystal: Crystal, table: random_numbers.SharedTable, seed: int, defects: frozenset[str], device: torch.device
) -> Float[torch.Tensor, "3"]:
    """Missetting angles (3,) about lab x, y, z: given, drawn, or none."""
    if crystal.misset_random:
        stream = random_numbers.stream(table, seed, random_numbers.MISSET, defects)
        return _random_misset_rad(stream, defects, device)
    return vector((0.0, 0.0, 0.0) if crystal.misset_deg is None else crystal.misset_deg, device) / DEG_PER_RAD


def _random_misset_rad(stream: random_numbers.Uniform, defects: frozenset[str], device: torch.device) -> torch.Tensor:
    """Angles about x, y, z of a random orientation (4.8).

    With the defect `random_misset_radians` on, the cap of 90 is taken as radians; off, the rotation is uniform.
    """
    if "random_misset_radians" in defects:
        cap = scalar(random_numbers.DEGREES_TAKEN_FOR_RADIANS, device)
        draws = random_numbers.draw_caps(stream, 1, device)
        m = _unit_rows_of_rotation(draws.axis[0].tolist(), float(random_numbers.cap_angles_rad(cap, draws)[0]))
    else:
        m = _unit_rows(random_numbers.uniform_rotation(stream, device).tolist())
    if m[2][0] * m[2][0] < 1.0:
        cos_y = math.sqrt(m[2][1] ** 2 + m[2][2] ** 2)
        angles = (math.atan2(m[2][1], m[2][2]), math.atan2(-m[2][0], cos_y), math.atan2(m[1][0], m[0][0]))
    else:
        angles = (math.pi, math.pi / 2, math.atan2(m[0][1], -m[1][1]))
    return vector(angles, device)


def _unit_rows_of_rotation(axis: list[float], angle_rad: float) -> list[list[float]]:
    """cos t I + sin t [n]x + (1 - cos t) n n^T, its rows normalised, without fused operations.

    Cell counts are rounded up from lengths of the cell that this matrix turns, so the last bit counts.
    """
    x, y, z = axis
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    d = 1.0 - c
    rows = [
        [c + x * x * d, x * y * d - z * s, x * z * d + y * s],
        [y * x * d + z * s, c + y * y * d, y * z * d - x * s],
        [z * x * d - y * s, z * y * d + x * s, c + z * z * d],
    ]
    return _unit_rows(rows)


def _unit_rows(rows: list[list[float]]) -> list[list[float]]:
    """Rows divided by their lengths."""
    lengths = [math.sqrt(a * a + b * b + c * c) for a, b, c in rows]
    return [[value / length for value in row] for row, length in zip(rows, lengths, strict=True)]


def build_cell(
    crystal: Crystal,
    wavelength_m: Float[torch.Tensor, ""],
    misset_rad: Float[torch.Tensor, "3"],
    defects: frozenset[str],
    device: torch.device,
    hook: Hook | None = None,
) -> Cell:
    """Cell vectors before the spindle rotation (4.6) (4.7) (4.9) (4.10).

    The orientation matrix (columns a*, b*, c* times the wavelength) wins over the standard orientation of the cell;
    where both are given the directions come from the matrix and the lengths from the cell. With the defect
    `nominal_cell_volume` on, the reciprocal vectors are then derived with the volume of the cell as stated.
    """
    lengths = volume = None
    if crystal.cell_lengths_A is not None:
        lengths = vector(crystal.cell_lengths_A, device)
        angles = vector(crystal.cell_angles_deg, device) / DEG_PER_RAD
        volume = cell_volume_A3(lengths, angles)
        star = reciprocal_from_cell(lengths, angles, defects)
    if crystal.orientation_matrix is not None:
        matrix = crystal.orientation_matrix.to(dtype=GEOMETRY_DTYPE, device=device)
        star = matrix.T * (scalar(M_PER_A, device) / wavelength_m)  # a number over a tensor would be rounded twice
    elif lengths is None:
        raise ExperimentError("no unit cell: give -cell a b c alpha beta gamma or -mat FILE")
    nominal = "nominal_cell_volume" in defects
    cell = _spanned_by(rotations.about_xyz(star, misset_rad), lengths, volume, nominal)
    star = watched(hook, "reciprocal_per_A", cell.reciprocal_per_A)
    if star is cell.reciprocal_per_A:
        return cell
    return _spanned_by(star, lengths, volume, nominal)._replace(reciprocal_per_A=star)


def _spanned_by(
    star: torch.Tensor, lengths: torch.Tensor | None, volume: torch.Tensor | None, nominal_volume: bool
) -> Cell:
    """The cell of reciprocal vectors (rows); a stated cell supplies the lengths, and possibly the volume."""
    area = torch.stack([cross(star[1], star[2]), cross(star[2], star[0]), cross(star[0], star[1])])
    volume_star = dot(star[0], area[0])
    if lengths is not None and volume is not None:
        area = area * (lengths / volume / exact_norm(area)).unsqueeze(-1)
        volume_star = 1.0 / volume
    if not 0 < abs(number(volume_star)) < math.inf:
        raise ExperimentError("the three reciprocal cell vectors do not span space; check -cell and -mat")
    volume_A3 = 1.0 / volume_star
    real = area * volume_A3
    if lengths is not None and not nominal_volume:
        volume_A3 = dot(real[0], cross(real[1], real[2]))
        volume_star = 1.0 / volume_A3
    star = torch.stack([cross(real[1], real[2]), cross(real[2], real[0]), cross(real[0], real[1])]) * volume_star
    return Cell(real * M_PER_A, real, star, volume_A3)


def n_cells(
    crystal: Crystal, cell: Cell, beamsize_m: Scalar, defects: frozenset[str], device: torch.device
) -> Float[torch.Tensor, "3"]:
    """Cells along a, b, c (3,): from the sample size where one is given, else as stated; at least 1 each (4.11).

    The sample's width and height are clipped to the beam. With the defect `sample_size_rounded_up` on, an extent that
    exceeds a whole number of cells by the last bit gets one cell more.
    """
    slack = 0.0 if "sample_size_rounded_up" in defects else COUNT_TOLERANCE
    sizes_m = list(crystal.sample_size_m)
    if beamsize_m >= 0:
        sizes_m[1:] = [min(size, beamsize_m) for size in sizes_m[1:]]
    counts: list[Scalar] = list(crystal.n_cells)
    lengths_m = exact_norm(cell.real_m)
    for axis, size_m in enumerate(sizes_m):
        if size_m > 0:
            counts[axis] = math.ceil(number(size_m) / number(lengths_m[axis]) * (1.0 - slack))
        if counts[axis] < 1:
            counts[axis] = 1
    return vector(counts, device)


def orientations(
    cell: Cell,
    spindle_axis: Float[torch.Tensor, "3"],
    phi: PhiSteps,
    mosaic_matrices: Float[torch.Tensor, "domains 3 3"],
    defects: frozenset[str],
    hook: Hook | None = None,
) -> Orientations:
    """Cell vectors at every spindle angle, then in every mosaic domain (4.13).

    With the defect `phi_carryover` on, a step at exactly phi = 0 keeps the orientation of the step before it; the last
    step counts as the one before the first. Rotation by exactly zero leaves the vectors bit for bit.
    """
    phi_rad = watched(hook, "phi_rad", spindle_angles_rad(phi, cell.real_m.device))
    effective = phi_rad
    if "phi_carryover" in defects:
        effective = phi_rad[_carried_steps(phi_rad.detach().tolist())]
    rotated = rotations.about_axis(
        cell.real_m.expand(phi.count, 3, 3), spindle_axis, effective.unsqueeze(-1).expand(phi.count, 3)
    )
    real_m = torch.einsum("mxy,pvy->pmvx", mosaic_matrices, rotated)
    return Orientations(watched(hook, "real_m", real_m), phi_rad)


def spindle_angles_rad(phi: PhiSteps, device: torch.device) -> Float[torch.Tensor, " steps"]:
    """Angle (phi,) of every spindle step, at the start of its slice or in the middle (4.12)."""
    index = torch.arange(phi.count, dtype=GEOMETRY_DTYPE, device=device)
    return scalar(phi.start_rad, device) + scalar(phi.step_rad, device) * (index + phi.into_slice)


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
