"""The lattice factor: interference between the unit cells of one crystal. Section 9 of docs/physics.md.

(9.1)  SQUARE: F_latt = G(h, Na) G(k, Nb) G(l, Nc)
(9.3)  ROUND: F_latt = Na Nb Nc 0.723601254558268 B(x)
       x = pi sqrt(fudge (((h - h0) Na)^2 + ((k - k0) Nb)^2 + ((l - l0) Nc)^2))
(9.4)  B(x) = 3 (sin(x)/x - cos(x))/x^2,  B(0) = 1
(9.5)  rho^2 = ((h - h0) Na)^2 + ((k - k0) Nb)^2 + ((l - l0) Nc)^2 without spot_radius_all_cells
       |(h - h0) a* + (k - k0) b* + (l - l0) c*|^2 (Na Nb Nc)^2 with it   [1/A^2]
(9.6)  GAUSS: F_latt = Na Nb Nc exp(-rho^2 fudge/0.63)
(9.7)  TOPHAT: F_latt = Na Nb Nc where rho^2 fudge < 0.3969, else 0
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from nanobrag_torch.hooks import Hook
from nanobrag_torch.physics.interference import Interference
from nanobrag_torch.physics.tensors import along

if TYPE_CHECKING:
    from jaxtyping import Float

SPHERE_SCALE = 0.723601254558268  # (9.3): amplitude of the ellipsoid at its centre, relative to Na Nb Nc
GAUSS_WIDTH = 0.63  # (9.6)
TOPHAT_RADIUS_SQR = 0.3969  # (9.7): 0.63 squared
_SERIES_LIMIT = 0.3


def square(
    rounded: Float[torch.Tensor, "3 orientations rays"],
    fraction: Float[torch.Tensor, "3 orientations rays"],
    n_cells: Float[torch.Tensor, "3"],
    dtype: torch.dtype,
    hook: Hook | None = None,
) -> Float[torch.Tensor, "orientations rays"]:
    """Parallelepiped of cells: product over the axes of sin(pi N h)/sin(pi h), N where h is whole (9.1).

    N f is reduced to the nearest integer in float64; sine and quotient are then accurate to a few units in the last
    place of any dtype, also next to the zeros. Intensities do not depend on the sign, so the factors and their product
    get their historic signs only for a hook; no other bit changes.
    """
    n = n_cells.view(3, 1, 1)
    along_axes: torch.Tensor
    turns: torch.Tensor
    along_axes, turns = Interference.apply(n, fraction, dtype)
    if hook is None:
        return along_axes[0] * along_axes[1] * along_axes[2]
    along_axes = hook("interference", along_axes)
    halves = 0.5 * (turns + (torch.round(n.detach()) - 1.0) * rounded)  # a count that is not whole: the nearest
    sign = (1.0 - 4.0 * (halves - torch.floor(halves))).to(dtype)  # 1, or -1 where their sum is odd
    signed_axes = along_axes * sign
    shown_axes: torch.Tensor = hook("F_latt_axes", signed_axes)
    along_axes = along_axes if shown_axes is signed_axes else shown_axes * sign
    F_latt = along_axes[0] * along_axes[1] * along_axes[2]
    signed = F_latt * (sign[0] * sign[1] * sign[2])
    shown: torch.Tensor = hook("F_latt", signed)
    return F_latt if shown is signed else shown


def sphere(
    fraction: Float[torch.Tensor, "3 orientations rays"],
    n_cells: Float[torch.Tensor, "3"],
    fudge: Float[torch.Tensor, ""],
    dtype: torch.dtype,
    closed_form: bool,
) -> Float[torch.Tensor, "orientations rays"]:
    """Sphere of cells: Na Nb Nc 0.7236 B(pi sqrt(fudge sum (N f)^2)), B(x) = 3 (sin x/x - cos x)/x^2. In float64.

    Equation (9.3).
    """
    scaled = fraction * n_cells.view(3, 1, 1)
    x_sqr = math.pi**2 * fudge * along(scaled, scaled)
    return (_total(n_cells) * SPHERE_SCALE * _sphere_transform(x_sqr, closed_form)).to(dtype)


def _sphere_transform(x_sqr: torch.Tensor, closed_form: bool) -> torch.Tensor:
    """B as a function of x^2: power series near 0, where the closed form cancels (defect `sphere_cancellation`).

    Equation (9.4).
    """
    small = x_sqr == 0 if closed_form else x_sqr < _SERIES_LIMIT**2
    series = 1 - x_sqr / 10 * (1 - x_sqr / 28 * (1 - x_sqr / 54 * (1 - x_sqr / 88)))
    safe = torch.where(small, torch.ones_like(x_sqr), x_sqr)
    x = safe.sqrt()
    closed = 3.0 * (torch.sin(x) / x - torch.cos(x)) / safe
    return torch.where(small, series, closed)


def gauss(
    offset_sqr: Float[torch.Tensor, "orientations rays"],
    n_cells: Float[torch.Tensor, "3"],
    fudge: Float[torch.Tensor, ""],
) -> Float[torch.Tensor, "orientations rays"]:
    """Gaussian spots: Na Nb Nc exp(-rho^2 fudge/0.63), rho^2 of `offset_sqr` (9.6).

    In float64 always: the square of its tail is beyond the range of float32.
    """
    return _total(n_cells) * torch.exp(-(offset_sqr / GAUSS_WIDTH * fudge))


def tophat(
    offset_sqr: Float[torch.Tensor, "orientations rays"],
    n_cells: Float[torch.Tensor, "3"],
    fudge: Float[torch.Tensor, ""],
    dtype: torch.dtype,
) -> Float[torch.Tensor, "orientations rays"]:
    """Uniform spots: Na Nb Nc where rho^2 fudge < 0.3969, else 0; rho^2 of `offset_sqr` (9.7)."""
    inside = offset_sqr * fudge < TOPHAT_RADIUS_SQR
    return (_total(n_cells) * inside).to(dtype)


def offset_sqr(
    fraction: Float[torch.Tensor, "3 orientations rays"],
    reciprocal_per_A: Float[torch.Tensor, "3 3"],
    n_cells: Float[torch.Tensor, "3"],
    radius_all_cells: bool,
) -> Float[torch.Tensor, "orientations rays"]:
    """rho^2: squared distance from the spot, each fraction times the cells along its axis (9.5).

    With the defect `spot_radius_all_cells` on: |f.(a*, b*, c*)|^2 (Na Nb Nc)^2 in 1/A^2.
    """
    if radius_all_cells:
        total = _total(n_cells)
        return _offset_sqr(fraction, reciprocal_per_A) * (total * total)
    scaled = fraction * n_cells.view(3, 1, 1)
    return along(scaled, scaled)


def _total(n_cells: torch.Tensor) -> torch.Tensor:
    """Na Nb Nc."""
    return n_cells[0] * n_cells[1] * n_cells[2]


def _offset_sqr(fraction: torch.Tensor, reciprocal_per_A: torch.Tensor) -> torch.Tensor:
    """|f_h a* + f_k b* + f_l c*|^2 (1/A^2) of fractions (3, orientations, rays)."""
    x, y, z = (along(reciprocal_per_A[:, component], fraction) for component in range(3))
    return x * x + y * y + z * z
