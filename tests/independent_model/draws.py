"""Random numbers and the rotations made of them."""

import numpy as np

from tests.independent_model import quaternions as qt
from tests.reference import random_model

_MASK = 2**64 - 1
MISSET, MOSAIC = 1, 2
_PLASTIC = 1.32471795724474602596  # the real root of x^3 = x + 1


class SplitMix:
    """Steele, Lea and Flood's generator, 53 bits of each number used, in the middle of their interval."""

    def __init__(self, seed: int, stream: int) -> None:
        self.state = (seed ^ (stream * 0xD1B54A32D192ED03)) & _MASK

    def draw(self) -> float:
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (((z ^ (z >> 31)) >> 11) + 0.5) / 2**53


def generator(seed: int, stream: int, historic: bool):
    """The generator of a seed as it is given on the command line."""
    return random_model.Uniform(-seed) if historic else SplitMix(seed, stream)


def historic_cap(uniform, spread_rad: float) -> np.ndarray:
    """Quaternion of the historic rotation within a cap."""
    return _quaternion(random_model.rotation_in_cap(uniform, spread_rad))


def _quaternion(m) -> np.ndarray:
    """Of a rotation matrix: the eigenvector of the largest eigenvalue of Bar-Itzhack's matrix."""
    (a, b, c), (d, e, f), (g, h, i) = m
    k = [[a + e + i, h - f, c - g, d - b], [h - f, a - e - i, b + d, c + g]]
    k += [[c - g, b + d, e - a - i, f + h], [d - b, c + g, f + h, i - a - e]]
    return np.linalg.eigh(np.array(k))[1][:, -1]


def uniform_rotation(uniform) -> np.ndarray:
    """Shoemake's quaternion of three numbers."""
    u = [float(uniform.draw()) for _ in range(3)]
    inner, outer = np.sqrt(1 - u[0]), np.sqrt(u[0])
    a, b = 2 * np.pi * u[1], 2 * np.pi * u[2]
    return np.array([outer * np.cos(b), inner * np.sin(a), inner * np.cos(a), outer * np.sin(b)])


def cap_angle(share: float, spread_rad: float) -> float:
    """The tilt below which that share of all rotations by at most the spread lies, by bisection."""
    spread_rad = min(spread_rad, np.pi)
    wanted, low, high = share * _volume(spread_rad), 0.0, spread_rad
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if _volume(middle) < wanted else (low, middle)
    return (low + high) / 2


def _volume(t: float) -> float:
    """t - sin t, by its series where the difference would lose digits."""
    if t > 1:
        return t - np.sin(t)
    total, term, n = 0.0, t**3 / 6, 3
    while abs(term) > 1e-20 * abs(total):
        total, n = total + term, n + 2
        term *= -t * t / (n * (n - 1))
    return total


def even_rotation(shares, spread_rad: float) -> np.ndarray:
    """Uniform in the cap: cosine of the axis' polar angle, its azimuth and the volume within the tilt are even."""
    z, azimuth = 2 * shares[0] - 1, 2 * np.pi * shares[1]
    r = np.sqrt(1 - z * z)
    return qt.about([r * np.cos(azimuth), r * np.sin(azimuth), z], cap_angle(shares[2], spread_rad))


def quadrature(count: int, spread_rad: float) -> list[np.ndarray]:
    """Pairs of opposite tilts about axes that follow the two-dimensional golden sequence; an odd one is untilted."""
    made = [qt.about([0, 0, 1], 0.0)] * (count % 2)
    for j in range(count // 2):
        shares = (0.5 + j / _PLASTIC) % 1, (0.5 + j / _PLASTIC**2) % 1, (2 * j + 1 + count % 2) / count
        there = even_rotation(shares, spread_rad)
        made += [there, there * [1, -1, -1, -1]]
    return made
