"""The lattice factor: interference between the unit cells of one crystal."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from nanobrag_torch.physics.half_turns import sine_and_cosine_of_half_turns, sine_of_half_turns_
from nanobrag_torch.physics.tensors import along, are_in_registers

SPHERE_SCALE = 0.723601254558268  # amplitude of a sphere inscribed as nanoBragg does, relative to Na Nb Nc
GAUSS_WIDTH = 0.63
TOPHAT_RADIUS_SQR = 0.3969
_NUDGE = 1e-12
_SERIES_LIMIT = 0.3
_SLOPE_SERIES_LIMIT = 3e-3


class LatticeFactor(NamedTuple):
    """F_latt of each (orientation, ray); the sign and the three factors are there only where they were asked for."""

    F_latt: torch.Tensor
    along_axes: torch.Tensor | None  # (3, orientations, rays)


def square(
    rounded: torch.Tensor, fraction: torch.Tensor, n_cells: torch.Tensor, dtype: torch.dtype, signed: bool
) -> LatticeFactor:
    """Parallelepiped of cells: product over the axes of sin(pi N h)/sin(pi h), N where h is whole.

    N f is reduced to the nearest integer in float64; sine and quotient are then accurate to a few units in the last
    place of any dtype, also next to the zeros. The historic sign, which no intensity depends on, is worked out only
    when `signed`.
    """
    if signed or (torch.is_grad_enabled() and (fraction.requires_grad or n_cells.requires_grad)):
        along_axes = interference(rounded, fraction, n_cells, dtype, signed)
        return LatticeFactor(along_axes[0] * along_axes[1] * along_axes[2], along_axes if signed else None)
    above, below, _ = _sines(n_cells.view(3, 1, 1), fraction, dtype)
    return LatticeFactor((above[0] * above[1] * above[2]) / (below[0] * below[1] * below[2]), None)


def interference(
    rounded: torch.Tensor, fraction: torch.Tensor, n_cells: torch.Tensor, dtype: torch.dtype, signed: bool
) -> torch.Tensor:
    """The three factors (3, orientations, rays) of `square`, with their historic signs where `signed`."""
    n = n_cells.view(3, 1, 1)
    along_axes, turns = _Interference.apply(n, fraction, dtype)
    if not signed:
        return along_axes
    odd = torch.remainder(turns + (n.detach() - 1.0) * rounded, 2.0).to(dtype)
    return along_axes * (1.0 - 2.0 * odd)


def _reduced(n: torch.Tensor, fraction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """f, r = N f - turns, and the turns; f = 0 counts as 1e-12."""
    f = torch.where(fraction == 0, _NUDGE, fraction)
    phase = n * f
    turns = torch.round(phase.detach())
    return f, phase - turns, turns


def _sines(
    n: torch.Tensor, fraction: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """sin(pi r) and sin(pi f) with r = N f - turns, and the turns."""
    f, r, turns = _reduced(n, fraction)
    return sine_of_half_turns_(r, dtype), sine_of_half_turns_(f, dtype), turns


def _reciprocals(below: torch.Tensor) -> torch.Tensor:
    """1/x of three numbers (3, orientations, rays); in registers, where division costs most, by a single one."""
    if not are_in_registers():
        return below.reciprocal()
    h, k, l = below
    of_all = 1.0 / (h * k * l)
    return torch.stack([k * l * of_all, h * l * of_all, h * k * of_all])


class _Interference(torch.autograd.Function):
    """sin(pi r)/sin(pi f) with r = N f - turns, and the turns; f = 0 counts as 1e-12.

    The quotient is smooth in N and f, but the derivatives of its two sines are not: they grow as 1/f and cancel. So
    the derivatives are those of the quotient itself.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(n: torch.Tensor, fraction: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        above, below, turns = _sines(n, fraction, dtype)
        return (above * _reciprocals(below) if are_in_registers() else above.div_(below)), turns

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        n, fraction, ctx.dtype = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(n, fraction)
        ctx.save_for_forward(n, fraction)

    @staticmethod
    def backward(ctx, by_quotient, _):
        n, fraction = ctx.saved_tensors
        by_n, by_fraction = interference_slopes(n, fraction)
        given = by_quotient.double()
        return (given * by_n).sum((1, 2), keepdim=True), given * by_fraction, None

    @staticmethod
    def jvp(ctx, n_tangent, fraction_tangent, _):
        by_n, by_fraction = interference_slopes(*ctx.saved_tensors)
        parts = ((by_n, n_tangent), (by_fraction, fraction_tangent))
        return sum(slope * tangent for slope, tangent in parts if tangent is not None).to(ctx.dtype), None


def interference_slopes(n: torch.Tensor, fraction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """d/dN and d/df of sin(pi r)/sin(pi f), in float64: their power series where N f is small, else as they stand.

    With y = pi f: sin(N y)/sin(y) = N (1 - y^2 (N^2 - 1)/6 + y^4 (3 N^4 - 10 N^2 + 7)/360 - ...).
    """
    f, r, _ = _reduced(n, fraction)
    (sin_n, cos_n), (sin, cos) = sine_and_cosine_of_half_turns(r), sine_and_cosine_of_half_turns(f)
    reciprocal, n_sqr = _reciprocals(sin), n * n
    by_n = math.pi * f * cos_n * reciprocal
    by_fraction = (n * cos_n - sin_n * cos * reciprocal) * (math.pi * reciprocal)
    y = math.pi * fraction
    y_sqr = y * y
    near_n = 1 - y_sqr * ((3 * n_sqr - 1) / 6) + y_sqr * y_sqr * ((n_sqr * (15 * n_sqr - 30) + 7) / 360)
    first, second = math.pi * n * (1 - n_sqr) / 3, math.pi * n * (n_sqr * (3 * n_sqr - 10) + 7) / 90
    near = y * (first + y_sqr * second)
    small = (n * fraction).abs() < _SLOPE_SERIES_LIMIT
    return torch.where(small, near_n, by_n), torch.where(small, near, by_fraction)


def sphere(fraction: torch.Tensor, n_cells: torch.Tensor, fudge: torch.Tensor, dtype) -> LatticeFactor:
    """Sphere of cells: Na Nb Nc 0.7236 B(pi sqrt(fudge sum (N f)^2)), B(x) = 3 (sin x/x - cos x)/x^2. In float64."""
    scaled = fraction * n_cells.view(3, 1, 1)
    x_sqr = math.pi**2 * fudge * along(scaled, scaled)
    return LatticeFactor((_total(n_cells) * SPHERE_SCALE * _sphere_transform(x_sqr)).to(dtype), None)


def _sphere_transform(x_sqr: torch.Tensor) -> torch.Tensor:
    """B as a function of x^2: power series near 0, where the closed form cancels."""
    small = x_sqr < _SERIES_LIMIT**2
    series = 1 - x_sqr / 10 * (1 - x_sqr / 28 * (1 - x_sqr / 54 * (1 - x_sqr / 88)))
    safe = torch.where(small, torch.ones_like(x_sqr), x_sqr)
    x = safe.sqrt()
    closed = 3.0 * (torch.sin(x) / x - torch.cos(x)) / safe
    return torch.where(small, series, closed)


def gauss(fraction, reciprocal_per_A, n_cells, fudge) -> LatticeFactor:
    """Gaussian spots: Na Nb Nc exp(-|g|^2 (Na Nb Nc)^2 / 0.63 fudge), g = f.(a*, b*, c*) in 1/A.

    In float64 always: the square of its tail is beyond the range of float32.
    """
    total = _total(n_cells)
    exponent = _offset_sqr(fraction, reciprocal_per_A) * (total * total) / GAUSS_WIDTH * fudge
    return LatticeFactor(total * torch.exp(-exponent), None)


def tophat(fraction, reciprocal_per_A, n_cells, fudge, dtype) -> LatticeFactor:
    """Uniform spots: Na Nb Nc where |g|^2 (Na Nb Nc)^2 fudge < 0.3969, else 0."""
    total = _total(n_cells)
    inside = _offset_sqr(fraction, reciprocal_per_A) * (total * total) * fudge < TOPHAT_RADIUS_SQR
    return LatticeFactor((total * inside).to(dtype), None)


def _total(n_cells: torch.Tensor) -> torch.Tensor:
    """Na Nb Nc."""
    return n_cells[0] * n_cells[1] * n_cells[2]


def _offset_sqr(fraction: torch.Tensor, reciprocal_per_A: torch.Tensor) -> torch.Tensor:
    """|f_h a* + f_k b* + f_l c*|^2 (1/A^2) of fractions (3, orientations, rays)."""
    x, y, z = (along(reciprocal_per_A[:, component], fraction) for component in range(3))
    return x * x + y * y + z * z
