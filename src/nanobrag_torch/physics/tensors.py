"""Turning the numbers of an experiment into float64 tensors, without cutting a gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch

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


def number(value: float | torch.Tensor) -> float:
    """The plain number, for decisions that no gradient flows through."""
    return float(value.detach()) if isinstance(value, torch.Tensor) else float(value)


def norm(v: torch.Tensor) -> torch.Tensor:
    """Length over the last dimension."""
    return (v * v).sum(-1).sqrt()


def unit(v: torch.Tensor) -> torch.Tensor:
    """Direction of each vector of the last dimension; a zero vector stays zero."""
    length = norm(v)
    return v / torch.where(length == 0, torch.ones_like(length), length).unsqueeze(-1)


def dot(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Scalar product over the last dimension."""
    return (u * v).sum(-1)


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
    """Sum over the first dimension by halves: accurate, and the same for each column whatever their number."""
    while values.shape[0] > 1:
        half = values.shape[0] // 2
        folded = values[:half] + values[half : 2 * half]
        values = folded if values.shape[0] % 2 == 0 else torch.cat([folded, values[2 * half :]])
    return values[0]


def cross(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Vector product over the last dimension."""
    return torch.linalg.cross(u, v)
