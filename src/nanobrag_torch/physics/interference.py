"""sin(pi N f)/sin(pi f), the interference between N unit cells in a row, and its derivatives."""

from __future__ import annotations

import math

import torch

from nanobrag_torch.physics.sinpi import sinpi_, sinpi_and_cospi
from nanobrag_torch.physics.tensors import are_in_registers

_NUDGE = 1e-12
# sin(N y)/sin(y) = N (1 + sum over k of (N y)^2k sum over j of a_kj N^-2j): the a_k by their common denominators.
_SERIES = (
    (-6, (1, -1)),
    (360, (3, -10, 7)),
    (-15120, (3, -21, 49, -31)),
    (1814400, (5, -60, 294, -620, 381)),
    (-119750400, (3, -55, 462, -2046, 4191, -2555)),
)
# N f up to which the series stands for the derivatives: the closed form loses eps/(N f) of the steepest slope there.
_SERIES_LIMIT = {torch.float64: 0.05, torch.float32: 0.25}


def _reduced(n: torch.Tensor, fraction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """f, r = N f - turns, and the turns; f = 0 counts as 1e-12."""
    f = torch.where(fraction == 0, _NUDGE, fraction)
    phase = n * f
    turns = torch.round(phase.detach())
    return f, phase.sub_(turns), turns


def sines(
    n: torch.Tensor, fraction: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """sin(pi r) and sin(pi f) in `dtype`, and the turns."""
    f, r, turns = _reduced(n, fraction)
    return sinpi_(r, dtype), sinpi_(f, dtype), turns


def _reciprocals(below: torch.Tensor) -> torch.Tensor:
    """1/x of three numbers (3, orientations, rays); in registers, where division costs most, by a single one."""
    if not are_in_registers():
        return below.reciprocal()
    x, y, z = below
    of_all = 1.0 / (x * y * z)
    return torch.stack([y * z * of_all, x * z * of_all, x * y * of_all])


class Interference(torch.autograd.Function):
    """sin(pi r)/sin(pi f) in `dtype`, and the turns, for N (3, 1, 1) and f (3, orientations, rays).

    The quotient is smooth in N and f, but the derivatives of its two sines are not: they grow as 1/f and cancel. So
    the derivatives are those of the quotient itself.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(n: torch.Tensor, fraction: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        above, below, turns = sines(n, fraction, dtype)
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
        by_n, by_fraction = slopes(n, fraction, ctx.dtype)
        return (by_quotient * by_n).double().sum((1, 2), keepdim=True), (by_quotient * by_fraction).double(), None

    @staticmethod
    def jvp(ctx, n_tangent, fraction_tangent, _):
        by_n, by_fraction = slopes(*ctx.saved_tensors, ctx.dtype)
        parts = ((by_n, n_tangent), (by_fraction, fraction_tangent))
        return sum(slope * tangent for slope, tangent in parts if tangent is not None).to(ctx.dtype), None


def slopes(
    n: torch.Tensor, fraction: torch.Tensor, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    """d/dN and d/df of sin(pi r)/sin(pi f) in `dtype`: their power series where N f is small, else as they stand."""
    f, r, _ = _reduced(n, fraction)
    (sin_n, cos_n), (sin, cos) = sinpi_and_cospi(r, dtype), sinpi_and_cospi(f, dtype)
    reciprocal, f, many = _reciprocals(sin), f.to(dtype), n.to(dtype)
    by_n = math.pi * f * cos_n * reciprocal
    by_fraction = (many * cos_n - sin_n * cos * reciprocal) * (math.pi * reciprocal)
    turned = (math.pi * n).to(dtype) * fraction.to(dtype)
    near_n, near = _near(n, turned)
    small = turned.abs() < math.pi * _SERIES_LIMIT[dtype]
    return torch.where(small, near_n, by_n), torch.where(small, near, by_fraction)


def _near(n: torch.Tensor, turned: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The derivatives by N and f as power series in pi N f, in the type of that."""
    fewer = 1.0 / (n * n)
    square, near_n, near = turned * turned, 0.0, 0.0
    for k in range(len(_SERIES), 0, -1):
        denominator, numerators = _SERIES[k - 1]
        by_f = by_n = 0.0
        for j in range(k, -1, -1):
            by_f = by_f * fewer + numerators[j] / denominator
            by_n = by_n * fewer + numerators[j] * (2 * k + 1 - 2 * j) / denominator
        near_n = (near_n + by_n.to(turned.dtype)) * square
        near = near * square + (2 * k * math.pi * n * n * by_f).to(turned.dtype)
    return near_n + 1.0, near * turned
