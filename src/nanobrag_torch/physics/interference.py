"""sin(pi N f)/sin(pi f), the interference between N unit cells in a row, and its derivatives.

There is one way to it for every image, trace, derivative, type of number and backend. Section 9 of docs/physics.md.

(9.2)  G(h, N) = sin(pi N h)/sin(pi h);  N (-1)^((N - 1) h) at a whole h
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.physics.sinpi import cospi, sinpi

if TYPE_CHECKING:
    from jaxtyping import Float

FORWARD_OVER_FORWARD = (
    "the lattice factor has no second derivative by forward over forward; use torch.func.hessian (forward over reverse)"
)
# |f| counts as at least this. The quotient is N (1 - (pi N f)^2 (1 - 1/N^2)/6 + ...): in float64, for any N below 1e11,
# what is left out is under (3.2e-9)^2/6 = 2e-18 of it, a hundredth of the rounding; in float32, for any N below 1e8, it
# is under (3.2e-4)^2/6 = 2e-8, a third of the rounding. The product of three of the smallest sines, 3e-35, is still
# far from the smallest numbers of float32, where digits are lost: compiled code divides by it.
SMALLEST_FRACTION = {torch.float64: 1e-20, torch.float32: 1e-12}
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

# Fractions of three axes that are worked out together; of more, one axis after the other, which takes a third of
# the memory and fits into caches.
_TOGETHER = 1 << 12


def _reduced(
    n: torch.Tensor, fraction: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """f, r = N f - turns, and the turns, which are whole; r is exact to a rounding of N f in float64.

    `dtype`: of the sines.
    """
    f = torch.where(fraction.abs() < SMALLEST_FRACTION[dtype], SMALLEST_FRACTION[dtype], fraction)
    phase = n * f
    turns = torch.round(phase.detach())
    return f, phase - turns, turns


class Interference(torch.autograd.Function):
    """sin(pi r)/sin(pi f) in `dtype`, and the turns, for N (3, 1, 1) and f (3, orientations, rays) in float64.

    The quotient is smooth in N and f, but the derivatives of its two sines grow as 1/f and cancel. So the derivatives
    are computed from the quotient itself.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(n: torch.Tensor, fraction: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        if fraction.numel() <= _TOGETHER:
            return _quotient(n, fraction, dtype)
        quotients, turns = zip(*(_quotient(n[i], fraction[i], dtype) for i in range(3)), strict=True)
        return torch.stack(quotients), torch.stack(turns)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, torch.Tensor]) -> None:
        n, fraction, ctx.dtype = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(n, fraction)
        ctx.save_for_forward(n, fraction)

    @staticmethod
    def backward(ctx: Any, by_quotient: torch.Tensor, _: object) -> tuple[torch.Tensor, torch.Tensor, None]:
        n, fraction = ctx.saved_tensors
        by_n, by_fraction = slopes(n, fraction, ctx.dtype)
        return (by_quotient * by_n).double().sum((1, 2), keepdim=True), (by_quotient * by_fraction).double(), None

    @staticmethod
    def jvp(
        ctx: Any, n_tangent: torch.Tensor | None, fraction_tangent: torch.Tensor | None, _: object
    ) -> tuple[torch.Tensor, None]:
        n, fraction = map(_OnceForward.apply, ctx.saved_tensors)
        by_n, by_fraction = slopes(n, fraction, ctx.dtype)
        parts = ((by_n, n_tangent), (by_fraction, fraction_tangent))
        changes = [slope * tangent for slope, tangent in parts if tangent is not None]
        return reduce(torch.add, changes).to(ctx.dtype), None


class _OnceForward(torch.autograd.Function):
    """The same tensor, which refuses a second forward derivative: torch would silently return 0 for that of a `jvp`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, by_tensor: torch.Tensor) -> torch.Tensor:
        return by_tensor

    @staticmethod
    def jvp(ctx: Any, _: object) -> torch.Tensor:
        raise ExperimentError(FORWARD_OVER_FORWARD)


def _quotient(n: torch.Tensor, fraction: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """The quotient and the turns (9.2), of all axes or of one."""
    f, r, turns = _reduced(n, fraction, dtype)
    return sinpi(r.to(dtype)) / sinpi(f.to(dtype)), turns


def slopes(
    n: Float[torch.Tensor, "3 1 1"],
    fraction: Float[torch.Tensor, "3 orientations rays"],
    dtype: torch.dtype = torch.float64,
) -> tuple[torch.Tensor, torch.Tensor]:
    """d/dN and d/df of sin(pi r)/sin(pi f) in `dtype`: power series where N f is small, closed form elsewhere."""
    turned = (math.pi * n).to(dtype) * fraction.to(dtype)
    small = turned.abs() < math.pi * _SERIES_LIMIT[dtype]
    near_n, near = _near(n, turned)
    # a half in the place of small fractions keeps the closed form, and all its derivatives, finite where it is not used
    f, r, _ = _reduced(n, torch.where(small, 0.5, fraction), dtype)
    f, r, many = f.to(dtype), r.to(dtype), n.to(dtype)
    sin_n, cos_n, reciprocal = sinpi(r), cospi(r), 1.0 / sinpi(f)
    by_n = math.pi * f * cos_n * reciprocal
    by_fraction = (many * cos_n - sin_n * cospi(f) * reciprocal) * (math.pi * reciprocal)
    return torch.where(small, near_n, by_n), torch.where(small, near, by_fraction)


def _near(n: torch.Tensor, turned: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The derivatives by N and f as power series in pi N f, in the type of that."""
    fewer = 1.0 / (n * n)
    square = turned * turned
    near_n: Any = 0.0
    near: Any = 0.0
    for k in range(len(_SERIES), 0, -1):
        denominator, numerators = _SERIES[k - 1]
        by_f: Any = 0.0
        by_n: Any = 0.0
        for j in range(k, -1, -1):
            by_f = by_f * fewer + numerators[j] / denominator
            by_n = by_n * fewer + numerators[j] * (2 * k + 1 - 2 * j) / denominator
        near_n = (near_n + by_n.to(turned.dtype)) * square
        near = near * square + (2 * k * math.pi * n * n * by_f).to(turned.dtype)
    return near_n + 1.0, near * turned
