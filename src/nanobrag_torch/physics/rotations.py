"""Right-handed rotations, as matrices that act on column vectors."""

from __future__ import annotations

import torch

from nanobrag_torch.physics.tensors import cross


def about_x(angle_rad: torch.Tensor) -> torch.Tensor:
    """Rotation about lab x: y' = c y - s z, z' = s y + c z. Angle of shape (...), result (..., 3, 3)."""
    return _about(angle_rad, 0)


def about_y(angle_rad: torch.Tensor) -> torch.Tensor:
    """Rotation about lab y: x' = c x + s z, z' = -s x + c z."""
    return _about(angle_rad, 1)


def about_z(angle_rad: torch.Tensor) -> torch.Tensor:
    """Rotation about lab z: x' = c x - s y, y' = s x + c y."""
    return _about(angle_rad, 2)


def _about(angle_rad: torch.Tensor, axis: int) -> torch.Tensor:
    cosine, sine = torch.cos(angle_rad), torch.sin(angle_rad)
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    rows = {
        0: (one, zero, zero, zero, cosine, -sine, zero, sine, cosine),
        1: (cosine, zero, sine, zero, one, zero, -sine, zero, cosine),
        2: (cosine, -sine, zero, sine, cosine, zero, zero, zero, one),
    }[axis]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def about_axis(v: torch.Tensor, axis: torch.Tensor, angle_rad: torch.Tensor) -> torch.Tensor:
    """Rodrigues' rotation of vectors about an axis that is used as given, of whatever length.

    v' = n (n.v)(1 - cos t) + v cos t + (n x v) sin t, over the last dimension of `v` (..., 3) with `angle_rad` (...).
    """
    axis = axis.expand_as(v)
    cosine, sine = torch.cos(angle_rad).unsqueeze(-1), torch.sin(angle_rad).unsqueeze(-1)
    along = (axis * v).sum(-1, keepdim=True)
    return axis * along * (1 - cosine) + v * cosine + cross(axis, v) * sine


def axis_matrix(axis: torch.Tensor, angle_rad: torch.Tensor) -> torch.Tensor:
    """cos t I + sin t [n]x + (1 - cos t) n n^T for axes (..., 3) and angles (...): shape (..., 3, 3)."""
    columns = torch.eye(3, dtype=axis.dtype, device=axis.device).expand(*angle_rad.shape, 3, 3)
    rotated = about_axis(
        columns, axis.unsqueeze(-2).expand_as(columns), angle_rad.unsqueeze(-1).expand(columns.shape[:-1])
    )
    return rotated.transpose(-1, -2)
