"""Turning the numbers of an experiment into float64 tensors, without cutting a gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from nanobrag_torch.parameters import number as number

GEOMETRY_DTYPE = torch.float64


def scalar(value: float | torch.Tensor, device: torch.device) -> torch.Tensor:
    """A 0-d float64 tensor on `device`; a tensor argument keeps its graph."""
    return torch.as_tensor(value, dtype=GEOMETRY_DTYPE, device=device)


def vector(values: Sequence[float | torch.Tensor] | torch.Tensor, device: torch.device) -> torch.Tensor:
    """A 1-d float64 tensor on `device`; tensor elements keep their graph."""
    if isinstance(values, torch.Tensor):
        return values.to(dtype=GEOMETRY_DTYPE, device=device)
    if not any(isinstance(v, torch.Tensor) for v in values):
        return torch.tensor([float(v) for v in values], dtype=GEOMETRY_DTYPE, device=device)
    return torch.stack([scalar(v, device) for v in values])


def sine(angle_rad: torch.Tensor) -> torch.Tensor:
    """Sine with the value of the C library, from which torch's may differ in the last bit; the gradient is torch's."""
    return _valued(torch.sin(angle_rad), angle_rad, math.sin)


def cosine(angle_rad: torch.Tensor) -> torch.Tensor:
    """Cosine with the value of the C library; the gradient is torch's."""
    return _valued(torch.cos(angle_rad), angle_rad, math.cos)


def _valued(result: torch.Tensor, argument: torch.Tensor, function: Callable[[float], float]) -> torch.Tensor:
    plain = [function(x) for x in argument.detach().reshape(-1).tolist()]
    exact = torch.tensor(plain, dtype=result.dtype, device=result.device).view(result.shape)
    return result + (exact - result.detach())


def square_root(x: torch.Tensor) -> torch.Tensor:
    """Square root correct to the last bit; torch's may not be, where a vector library computes it.

    Cell counts are rounded up from lengths, so the last bit counts. The gradient is torch's.
    """
    result = x.sqrt()
    if x.device.type == "meta":  # shapes alone, without values
        return result
    plain = [math.sqrt(value) if value >= 0 else math.nan for value in x.detach().reshape(-1).tolist()]
    exact = torch.tensor(plain, dtype=result.dtype, device=result.device).view(result.shape)
    return result + torch.where(exact == result.detach(), torch.zeros_like(exact), exact - result.detach())


def norm(v: torch.Tensor) -> torch.Tensor:
    """Length over the last dimension."""
    return dot(v, v).sqrt()


def exact_norm(v: torch.Tensor) -> torch.Tensor:
    """Length over the last dimension, correct to the last bit, for counts derived from it. Not used in the kernel."""
    return square_root(dot(v, v))


def unit(v: torch.Tensor) -> torch.Tensor:
    """Direction of each vector of the last dimension; a zero vector stays zero."""
    square = dot(v, v).unsqueeze(-1)
    return v / torch.where(square == 0, torch.ones_like(square), square).sqrt()


def dot(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Scalar product over the last dimension, summed from x to z without fused operations.

    Step counts are rounded up from such numbers, so their last bit must be that of plain arithmetic.
    """
    x, y, z = (u * v).unbind(-1)
    return x + y + z


def along(v: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
    """v.r for one vector (3,) and component-first rays (3, n): each ray's result depends on that ray alone.

    (A matrix product or a reduction may add in another order for another number of rays, which would make an image
    depend on its tiles.)
    """
    return v[0] * rays[0] + v[1] * rays[1] + v[2] * rays[2]


def length(rays: torch.Tensor) -> torch.Tensor:
    """Length of component-first vectors (3, ...), whatever their number."""
    return (rays[0] * rays[0] + rays[1] * rays[1] + rays[2] * rays[2]).sqrt()


def pairwise_sum(values: torch.Tensor) -> torch.Tensor:
    """Sum over the first dimension by halves: accurate, and the same for each column whatever their number.

    The last step is a sum of one row, which adds nothing. For a single row it is the only step, and compiled code turns
    it into a loop over that dimension.
    """
    while values.shape[0] > 1:
        half = values.shape[0] // 2
        folded = values[:half] + values[half : 2 * half]
        values = folded if values.shape[0] % 2 == 0 else torch.cat([folded, values[2 * half :]])
    return values.sum(0)


def cross(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Vector product over the last dimension."""
    u, v = torch.broadcast_tensors(u, v)
    return u.roll(-1, -1) * v.roll(1, -1) - u.roll(1, -1) * v.roll(-1, -1)
