"""The crystal: unit cell, orientation and size. Section 4 of docs/physics.md.

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
(4.9)  a = (b* x c*)/V*;  b, c cyclic;  V* = a*.(b* x c*)               [A]
       with -cell: V* = 1/Vc, and a, b, c get the lengths of the cell
(4.10) a* = (b x c) V*;  b*, c* cyclic;  V* = 1/(a.(b x c)) without nominal_cell_volume           [1/A]
(4.11) Na = ceil(X/|a|), Nb = ceil(Y/|b|), Nc = ceil(Z/|c|) where an extent is given;  at least 1
       ceil((1 - 1e-9) X/|a|) and so on without sample_size_rounded_up
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.parameters import Crystal, Scalar
from nanobrag_torch.physics import random_numbers, rotations
from nanobrag_torch.physics.constants import DEG_PER_RAD, M_PER_A, SMALLEST_NORMAL
from nanobrag_torch.physics.random_orientation import random_misset_rad
from nanobrag_torch.physics.sampling import COUNT_TOLERANCE
from nanobrag_torch.physics.tensors import (
    Array,
    alike,
    cosine,
    cross,
    dot,
    exact_norm,
    following,
    matrix,
    number,
    previous,
    scalar,
    sine,
    square_root,
    stack,
    vector,
    where,
)

if TYPE_CHECKING:
    from jaxtyping import Float


class Cell(NamedTuple):
    """One crystal orientation. Rows of the matrices are the three vectors."""

    real_m: Float[Array, "3 3"]  # a, b, c
    real_A: Float[Array, "3 3"]
    reciprocal_per_A: Float[Array, "3 3"]  # a*, b*, c*
    volume_A3: Float[Array, ""]


def reciprocal_from_cell(
    lengths_A: Float[Array, "3"],
    angles_rad: Float[Array, "3"],
    volume: Float[Array, ""],
    defects: frozenset[str],
) -> Float[Array, "3 3"]:
    """a*, b*, c* (rows, 1/A) of a cell, a* along x and b* in the xy plane (4.2) (4.3) (4.4) (4.5).

    With the defect `triclinic_cstar` on, the z component of c* is |c*| Vc/(a b c sin gamma*), which is 1/c only where
    at least two angles are right.
    """
    lengths_A, angles_rad, volume = alike(lengths_A, angles_rad, volume)
    sin, cos = sine(angles_rad), cosine(angles_rad)
    a_star, b_star, c_star = following(lengths_A) * previous(lengths_A) * sin / volume
    a, b, c = lengths_A
    cosines = (following(cos) * previous(cos) - cos) / (following(sin) * previous(sin))
    cos_alpha_star, cos_beta_star, cos_gamma_star = where(abs(cosines) > 1.0, 1.0, cosines)  # must be cosines
    sin_gamma_star = c / (volume * a_star * b_star)
    if not -1.0 <= number(sin_gamma_star) <= 1.0:
        sin_gamma_star = sin_gamma_star + (math.copysign(1.0, number(sin_gamma_star)) - number(sin_gamma_star))
    if "triclinic_cstar" in defects:
        c_star_z = c_star * volume / (a * b * c * sin_gamma_star)
    else:
        c_star_z = 1.0 / c
    c_star_y = c_star * (cos_alpha_star - cos_beta_star * cos_gamma_star) / sin_gamma_star
    zero = 0.0 * a
    rows = (
        *(a_star, zero, zero),
        *(b_star * cos_gamma_star, b_star * sin_gamma_star, zero),
        *(c_star * cos_beta_star, c_star_y, c_star_z),
    )
    return stack(rows).reshape(3, 3)


def cell_volume_A3(lengths_A: Float[Array, "3"], angles_rad: Float[Array, "3"]) -> Float[Array, ""]:
    """2 a b c sqrt(|sin s sin(s - alpha) sin(s - beta) sin(s - gamma)|), s the half sum of the angles (4.1)."""
    lengths_A, angles_rad = alike(lengths_A, angles_rad)
    alpha, beta, gamma = angles_rad
    half_sum = (alpha + beta + gamma) / 2.0
    skew_alpha, skew_beta, skew_gamma = sine(half_sum - angles_rad)
    skew = sine(half_sum) * skew_alpha * skew_beta * skew_gamma
    a, b, c = lengths_A
    volume = 2.0 * a * b * c * square_root(abs(skew))
    return where(volume == 0, SMALLEST_NORMAL, volume)


def misset_angles_rad(
    crystal: Crystal,
    table: random_numbers.SharedTable,
    seed: int,
    defects: frozenset[str],
    device: torch.device | None = None,
) -> Float[Array, "3"]:
    """Missetting angles (3,) about lab x, y, z: given, drawn, or none."""
    if crystal.misset_random:
        stream = random_numbers.stream(table, seed, random_numbers.MISSET, defects)
        return vector(random_misset_rad(stream, defects), device)
    return vector((0.0, 0.0, 0.0) if crystal.misset_deg is None else crystal.misset_deg, device) / DEG_PER_RAD


def build_cell(
    crystal: Crystal,
    wavelength_m: Float[Array, ""],
    misset_rad: Float[Array, "3"],
    defects: frozenset[str],
    device: torch.device | None = None,
    hook: Hook | None = None,
) -> Cell:
    """Cell vectors before the spindle rotation (4.6) (4.7) (4.9) (4.10).

    The orientation matrix (columns a*, b*, c* times the wavelength) wins over the standard orientation of the cell;
    where both are given the directions come from the matrix and the lengths from the cell. With the defect
    `nominal_cell_volume` on, the reciprocal vectors are then derived with the volume of the cell as stated.
    """
    rest = cell_at_rest(crystal, wavelength_m, defects, device)
    cell = turned_cell(rest, misset_rad, defects)
    star = watched(hook, "reciprocal_per_A", cell.reciprocal_per_A)
    if star is cell.reciprocal_per_A:
        return cell
    return _spanned_by(star, rest, "nominal_cell_volume" in defects)._replace(reciprocal_per_A=star)


class AtRest(NamedTuple):
    """A cell before it is turned: a*, b*, c* (rows, 1/A), and lengths (A) and volume (A^3) where they are stated."""

    reciprocal_per_A: Float[Array, "*frames 3 3"]
    lengths_A: Float[Array, "3"] | None
    volume_A3: Float[Array, ""] | None


def cell_at_rest(
    crystal: Crystal, wavelength_m: Float[Array, ""], defects: frozenset[str], device: torch.device | None = None
) -> AtRest:
    """The cell as stated (4.5) (4.6); the wavelength matters where there is an orientation matrix."""
    lengths = volume = None
    if crystal.cell_lengths_A is not None:
        lengths = vector(crystal.cell_lengths_A, device)
        angles = vector(crystal.cell_angles_deg, device) / DEG_PER_RAD
        volume = cell_volume_A3(lengths, angles)
        star = reciprocal_from_cell(lengths, angles, volume, defects)
    if crystal.orientation_matrix is not None:
        per_A, wavelength_m = alike(scalar(M_PER_A, device), wavelength_m)  # a number over a tensor is rounded twice
        stated, scale = alike(matrix(crystal.orientation_matrix, device), per_A / wavelength_m)
        star = stated.T * scale
    elif lengths is None:
        raise ExperimentError("no unit cell: give -cell a b c alpha beta gamma or -mat FILE")
    return AtRest(star, lengths, volume)


def turned_cell(rest: AtRest, misset_rad: Float[Array, "*frames 3"], defects: frozenset[str]) -> Cell:
    """The cell turned by missetting angles (4.7) (4.9) (4.10); by several (n, 3), as many cells in one."""
    return _spanned_by(rotations.about_xyz(rest.reciprocal_per_A, misset_rad), rest, "nominal_cell_volume" in defects)


def _spanned_by(star: Array, rest: AtRest, nominal_volume: bool) -> Cell:
    """The cell of reciprocal vectors (rows); a stated cell supplies the lengths, and possibly the volume."""
    area, (_, lengths, volume) = _areas(star), rest
    if lengths is not None and volume is not None:
        area, lengths, volume = alike(area, lengths, volume)
        area = area * (lengths / volume / exact_norm(area))[..., None]
        volume_star = 1.0 / volume
    else:
        volume_star = dot(_row(star, 0), _row(area, 0))
    if not _is_a_volume(volume_star):
        raise ExperimentError("the three reciprocal cell vectors do not span space; check -cell and -mat")
    volume_A3 = 1.0 / volume_star
    real = area * _of_a_cell(volume_A3)
    if lengths is not None and not nominal_volume:
        volume_A3 = dot(_row(real, 0), cross(_row(real, 1), _row(real, 2)))
        volume_star = 1.0 / volume_A3
    star = _areas(real) * _of_a_cell(volume_star)
    return Cell(real * M_PER_A, real, star, volume_A3)


def _row(vectors: Array, number: int) -> Array:
    """One of the three vectors of a cell, or of each of several cells."""
    return vectors[number] if vectors.ndim == 2 else vectors[:, number]


def _of_a_cell(value: Array) -> Array:
    """A number of a cell, or of each of several cells, beside its vectors (3, 3)."""
    return value if value.ndim == 0 else value[:, None, None]


def _is_a_volume(volume: Array) -> bool:
    """Whether it, or each of several, is neither 0 nor infinite."""
    if volume.ndim == 0:
        return 0 < abs(number(volume)) < math.inf
    return bool((np.isfinite(volume) & (abs(volume) > 0)).all())


def _areas(rows: Array) -> Array:
    """b x c, c x a, a x b of the rows a, b, c."""
    return cross(following(rows, rows.ndim - 2), previous(rows, rows.ndim - 2))


def n_cells(
    crystal: Crystal, cell: Cell, beamsize_m: Scalar, defects: frozenset[str], device: torch.device | None = None
) -> Float[Array, "3"]:
    """Cells along a, b, c (3,): from the sample size where one is given, else as stated; at least 1 each (4.11).

    The sample's width and height are clipped to the beam. With the defect `sample_size_rounded_up` on, an extent that
    exceeds a whole number of cells by the last bit gets one cell more.
    """
    slack = 0.0 if "sample_size_rounded_up" in defects else COUNT_TOLERANCE
    sizes_m = list(crystal.sample_size_m)
    if beamsize_m >= 0:
        sizes_m[1:] = [min(size, beamsize_m) for size in sizes_m[1:]]
    counts: list[Scalar] = list(crystal.n_cells)
    lengths_m = exact_norm(cell.real_m) if any(size_m > 0 for size_m in sizes_m) else ()
    for axis, size_m in enumerate(sizes_m):
        if size_m > 0:
            counts[axis] = math.ceil(number(size_m) / number(lengths_m[axis]) * (1.0 - slack))
        if counts[axis] < 1:
            counts[axis] = 1
    return vector(counts, device)
