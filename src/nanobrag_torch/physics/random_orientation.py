"""The angles of a random orientation of the crystal. Section 4 of docs/physics.md.

(4.8)  misset of a random rotation U = (atan2(Uzy, Uzz), atan2(-Uzx, sqrt(Uzy^2 + Uzz^2)), atan2(Uyx, Uxx))  [rad]
"""

from __future__ import annotations

import math

import torch

from nanobrag_torch.physics import random_numbers
from nanobrag_torch.physics.tensors import HOST


def random_misset_rad(stream: random_numbers.Uniform, defects: frozenset[str]) -> tuple[float, float, float]:
    """Angles about x, y, z of a random orientation (4.8).

    With the defect `random_misset_radians` on, the cap of 90 is taken as radians; off, the rotation is uniform.
    """
    if "random_misset_radians" in defects:
        cap = torch.tensor(random_numbers.DEGREES_TAKEN_FOR_RADIANS, dtype=torch.float64)
        draws = random_numbers.draw_caps(stream, 1, HOST)
        m = _unit_rows_of_rotation(draws.axis[0].tolist(), float(random_numbers.cap_angles_rad(cap, draws)[0]))
    else:
        m = _unit_rows(random_numbers.uniform_rotation(stream, HOST).tolist())
    if m[2][0] * m[2][0] < 1.0:
        cos_y = math.sqrt(m[2][1] ** 2 + m[2][2] ** 2)
        return math.atan2(m[2][1], m[2][2]), math.atan2(-m[2][0], cos_y), math.atan2(m[1][0], m[0][0])
    return math.pi, math.pi / 2, math.atan2(m[0][1], -m[1][1])


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
