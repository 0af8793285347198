"""Right-handed rotations, as matrices that act on column vectors. Sections 1 and 5 of docs/physics.md.

(1.2)  Rxyz(v; ax, ay, az) = Rz(az) Ry(ay) Rx(ax) v
(1.3)  Raxis(v; n, t) = n (n.v) (1 - cos t) + v cos t + (n x v) sin t
(5.5)  U = cos t I + sin t [n]x + (1 - cos t) n n^T
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from nanobrag_torch.physics.tensors import Array, alike, cosine, cross, dot, sine, stack, underived

if TYPE_CHECKING:
    from jaxtyping import Float


def about_x(angle_rad: Float[Array, "*angles"]) -> Float[Array, "*angles 3 3"]:
    """Rotation about lab x: y' = c y - s z, z' = s y + c z. Angle of shape (...), result (..., 3, 3)."""
    return _about(angle_rad, 0)


def about_y(angle_rad: Float[Array, "*angles"]) -> Float[Array, "*angles 3 3"]:
    """Rotation about lab y: x' = c x + s z, z' = -s x + c z."""
    return _about(angle_rad, 1)


def about_z(angle_rad: Float[Array, "*angles"]) -> Float[Array, "*angles 3 3"]:
    """Rotation about lab z: x' = c x - s y, y' = s x + c y."""
    return _about(angle_rad, 2)


def _about(angle_rad: Array, axis: int) -> Array:
    c, s = cosine(angle_rad), sine(angle_rad)
    zero = 0.0 * underived(c)
    one = zero + 1.0
    rows = {
        0: (one, zero, zero, zero, c, -s, zero, s, c),
        1: (c, zero, s, zero, one, zero, -s, zero, c),
        2: (c, -s, zero, s, c, zero, zero, zero, one),
    }[axis]
    if isinstance(c, torch.Tensor):
        return torch.stack(rows, dim=-1).reshape(*c.shape, 3, 3)
    stacked = stack(rows)
    return (stacked if c.ndim == 0 else np.moveaxis(stacked, 0, -1)).reshape(*c.shape, 3, 3)


def apply(matrix: Float[Array, "*frames 3 3"], v: Float[Array, "*vectors 3"]) -> Float[Array, "*turned 3"]:
    """The matrix (3, 3) times each vector (..., 3), in plain arithmetic.

    Each of several matrices (n, 3, 3) has vectors (n, k, 3) of its own, or all have the same vectors (k, 3).
    """
    matrix, v = alike(matrix, v)
    if matrix.ndim == 2:
        return matrix[:, 0] * v[..., 0:1] + matrix[:, 1] * v[..., 1:2] + matrix[:, 2] * v[..., 2:3]
    x, y, z = (matrix[:, None, :, column] for column in range(3))
    return x * v[..., 0:1] + y * v[..., 1:2] + z * v[..., 2:3]


def about_xyz(v: Float[Array, "*vectors 3"], angles_rad: Float[Array, "*frames 3"]) -> Float[Array, "*turned 3"]:
    """Vectors (..., 3) turned about lab x, then y, then z by angles (3,), or by several (n, 3) as by `apply` (1.2)."""
    x, y, z = (angles_rad[axis] if angles_rad.ndim == 1 else angles_rad[:, axis] for axis in range(3))
    return apply(about_z(z), apply(about_y(y), apply(about_x(x), v)))


def about_axis(
    v: Float[Array, "*vectors 3"], axis: Float[Array, "*#vectors 3"], angle_rad: Float[Array, "*#vectors"]
) -> Float[Array, "*vectors 3"]:
    """Rodrigues' rotation of vectors about an axis that is used as given, of whatever length (1.3).

    v' = n (n.v)(1 - cos t) + v cos t + (n x v) sin t, over the last dimension of `v` (..., 3) with `angle_rad` (...).
    """
    return _turned(v, axis.expand_as(v), torch.cos(angle_rad), torch.sin(angle_rad))


def exactly_about_axis(
    v: Float[Array, "*#vectors 3"], axis: Float[Array, "*#vectors 3"], angle_rad: Float[Array, "*#vectors"]
) -> Float[Array, "*vectors 3"]:
    """As `about_axis` (1.3), with sine and cosine of the C library, for more angles too.

    No part of a recorded kernel.
    """
    v, axis, angle_rad = alike(v, axis, angle_rad)
    return _turned(v, axis, cosine(angle_rad), sine(angle_rad))


def _turned(v: Array, axis: Array, cosine: Array, sine: Array) -> Array:
    c, s, along = cosine[..., None], sine[..., None], dot(axis, v)[..., None]
    return axis * along * (1 - c) + v * c + cross(axis, v) * s


def axis_matrix(axis: Float[Array, "*angles 3"], angle_rad: Float[Array, "*angles"]) -> Float[Array, "*angles 3 3"]:
    """cos t I + sin t [n]x + (1 - cos t) n n^T for axes (..., 3) and angles (...): shape (..., 3, 3) (5.5)."""
    columns = torch.eye(3, dtype=axis.dtype, device=axis.device).expand(*angle_rad.shape, 3, 3)
    rotated = about_axis(
        columns, axis.unsqueeze(-2).expand_as(columns), angle_rad.unsqueeze(-1).expand(columns.shape[:-1])
    )
    return rotated.transpose(-1, -2)
