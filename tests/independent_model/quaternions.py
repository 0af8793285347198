"""Rotations as unit quaternions (w, x, y, z)."""

import numpy as np


def about(axis, angle_rad: float) -> np.ndarray:
    """Right-handed rotation about an axis of any length."""
    axis = np.asarray(axis, dtype=float)
    half = angle_rad / 2
    return np.concatenate([[np.cos(half)], np.sin(half) * axis / np.sqrt(axis @ axis)])


def times(p, q) -> np.ndarray:
    """First q, then p."""
    w, v = p[0] * q[0] - p[1:] @ q[1:], p[0] * q[1:] + q[0] * p[1:] + np.cross(p[1:], q[1:])
    return np.concatenate([[w], v])


def about_lab(angles_rad) -> np.ndarray:
    """About lab x, then y, then z."""
    x, y, z = (about(axis, angle) for axis, angle in zip(np.eye(3), angles_rad, strict=True))
    return times(z, times(y, x))


def turn(q, vectors) -> np.ndarray:
    """The vectors (..., 3) turned."""
    twice = 2 * np.cross(q[1:], vectors)
    return vectors + q[0] * twice + np.cross(q[1:], twice)


def shear(axis, angle_rad: float, v: np.ndarray) -> np.ndarray:
    """Rodrigues' formula about an axis that is not of unit length, as the historic two-theta swing has it."""
    axis = np.asarray(axis, dtype=float)
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return axis * (axis @ v) * (1 - c) + v * c + np.cross(axis, v) * s
