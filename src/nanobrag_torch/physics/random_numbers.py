"""Uniform numbers, and the rotations drawn from them. Section 5 of docs/physics.md.

The historic generator: a "minimal standard" linear congruential one behind a 32-entry shuffle table. All streams of a
run share one table and one last output, so the order of use matters: misset, mosaic, noise. Its first numbers follow
the seed in a straight line; without the defect `draws_linear_in_seed` misset and mosaic have a generator each.

(5.1)  x <- 16807 x mod (2^31 - 1)
(5.2)  u = y/(2^31 - 1), at most 0.99999988, with j = floor(y/67108864), y <- T[j], T[j] <- x
(5.3)  n = (w sin(pi r1), w cos(pi r1), r2),  w = sqrt(1 - r2^2),  r = 2 u - 1
(5.4)  t = spread (1 - r3^2)^(1/3)                                        [rad]
(5.6)  U evenly over all rotations: unit quaternion (sqrt(1 - u1) sin(2 pi u2), sqrt(1 - u1) cos(2 pi u2),
           sqrt(u1) sin(2 pi u3), sqrt(u1) cos(2 pi u3))
(5.7)  s <- s + 0x9E3779B97F4A7C15 mod 2^64,  u = (floor(mix(s)/2^11) + 1/2)/2^53
       mix: z <- (z ^ z/2^30) 0xBF58476D1CE4E5B9, z <- (z ^ z/2^27) 0x94D049BB133111EB, z ^ z/2^31
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from jaxtyping import Float

_MODULUS = 2147483647
_MULTIPLIER = 16807
_TABLE_SIZE = 32
_WARM_UP_STEPS = 40
_TABLE_DIVISOR = 1 + (_MODULUS - 1) // _TABLE_SIZE
_LARGEST_DRAW = np.float32(1.0 - 1.2e-7)
_CUBE_ROOT_EXPONENT = 0.3333333432674408
_64_BITS = 2**64 - 1
DEGREES_TAKEN_FOR_RADIANS = 90.0
MISSET, MOSAIC = 1, 2  # what a generator is used for


@dataclass
class SharedTable:
    """Shuffle table and last output, common to every stream of one run."""

    entries: list[int] = field(default_factory=lambda: [0] * _TABLE_SIZE)
    last_output: int = 0


@dataclass
class UniformStream:
    """Uniform deviates in (0, 1), single precision, from one seed variable.

    A zero or negative seed variable starts a fresh table; a positive one continues with the table of the previous
    stream (unless no stream has run yet).
    """

    table: SharedTable
    seed_variable: int

    def _step(self) -> int:
        """The next seed variable (5.1)."""
        self.seed_variable = _MULTIPLIER * self.seed_variable % _MODULUS
        return self.seed_variable

    def _initialise(self) -> None:
        self.seed_variable = max(1, -self.seed_variable)
        for count in range(_WARM_UP_STEPS):
            value = self._step()
            slot = _WARM_UP_STEPS - 1 - count
            if slot < _TABLE_SIZE:
                self.table.entries[slot] = value
        self.table.last_output = self.table.entries[0]

    @property
    def _starts_anew(self) -> bool:
        """Whether the next draw begins a fresh table; a seed that is a multiple of 2^31 - 1 leads there too."""
        return self.seed_variable <= 0 or self.table.last_output == 0

    def draw(self) -> float:
        """The next deviate; a Python float that holds a single-precision value (5.2)."""
        if self._starts_anew:
            self._initialise()
        value = self._step()
        slot = self.table.last_output // _TABLE_DIVISOR
        self.table.last_output = self.table.entries[slot]
        self.table.entries[slot] = value
        uniform = np.float32(self.table.last_output * (1.0 / _MODULUS))
        return float(min(uniform, _LARGEST_DRAW))

    def block(self, count: int) -> list[float]:
        """The next `count` deviates, the same as from as many calls of `draw`, several times faster."""
        drawn: list[float] = []
        while len(drawn) < count and (not drawn or self._starts_anew):
            drawn.append(self.draw())
        return drawn + self._following(count - len(drawn))

    def _following(self, count: int) -> list[float]:
        """The next `count` deviates of a stream that does not start afresh: its state is never 0 again."""
        if not count:
            return []
        steps = (_powers(count) * np.uint64(self.seed_variable)) % np.uint64(_MODULUS)
        values = np.concatenate([np.array(self.table.entries, dtype=np.uint64), steps])
        order, table = self._shuffle((values // np.uint64(_TABLE_DIVISOR)).tolist())
        outputs, self.table.entries[:] = values[order], values[table].tolist()
        self.seed_variable, self.table.last_output = int(steps[-1]), int(outputs[-1])
        uniform = (outputs * (1.0 / _MODULUS)).astype(np.float32)
        deviates: list[float] = np.minimum(uniform, _LARGEST_DRAW).tolist()
        return deviates

    def _shuffle(self, slots: list[int]) -> tuple[list[int], list[int]]:
        """Positions of the values that come out, step by step, and of the values in the final table.

        The first values are the table; `slots` gives the slot that each value selects. Each step takes the value in the
        slot selected by the output before it, and puts the next value there.
        """
        table = list(range(_TABLE_SIZE))
        order: list[int] = []
        take, slot = order.append, self.table.last_output // _TABLE_DIVISOR
        for following in range(_TABLE_SIZE, len(slots)):
            taken = table[slot]
            table[slot] = following
            take(taken)
            slot = slots[taken]
        return order, table


class Uniform(Protocol):
    """Uniform deviates in (0, 1)."""

    def draw(self) -> float: ...


class SplitMix:
    """The SplitMix64 generator of Steele, Lea & Flood (2014): 53 bits, in the middle of their interval."""

    def __init__(self, seed: int, use: int):
        self._state = (seed ^ (use * 0xD1B54A32D192ED03)) & _64_BITS

    def draw(self) -> float:
        """The next deviate (5.7)."""
        self._state = z = (self._state + 0x9E3779B97F4A7C15) & _64_BITS
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _64_BITS
        return (((z ^ (z >> 31)) >> 11) + 0.5) * 2.0**-53


def stream(table: SharedTable, seed_variable: int, use: int, defects: frozenset[str]) -> Uniform:
    """The generator for one use, MISSET or MOSAIC; `seed_variable` is minus the seed.

    With the defect `draws_linear_in_seed` on, that of (5.1) and (5.2), which shares `table`; off, that of (5.7).
    """
    if "draws_linear_in_seed" in defects:
        return UniformStream(table, seed_variable)
    return SplitMix(-seed_variable, use)


@cache
def _powers(count: int) -> np.ndarray:
    """16807^1 .. 16807^count modulo 2^31 - 1."""
    powers, power = np.empty(count, dtype=np.uint64), 1
    for index in range(count):
        power = power * _MULTIPLIER % _MODULUS
        powers[index] = power
    return powers


@dataclass(frozen=True)
class CapDraws:
    """Axes and angles of rotations within a cap, as drawn: `angle_rad = cap_rad * unit_angle`, rounded to single."""

    axis: Float[torch.Tensor, "n 3"]
    unit_angle: Float[torch.Tensor, " n"]  # in [0, 1)


def draw_caps(stream: Uniform, count: int, device: torch.device) -> CapDraws:
    """Draw `count` axes n, unit vectors, and relative angles t/spread, three deviates each (5.3) (5.4).

    r1, r2, r3 = 2 u - 1; w = sqrt(1 - r2^2); axis (w sin(pi r1), w cos(pi r1), r2); relative angle (1 - r3^2)^(1/3),
    evaluated in single precision.
    """
    axes, angles = [], []
    for _ in range(count):
        r1, r2, r3 = (2.0 * stream.draw() - 1.0 for _ in range(3))
        w = math.sqrt(1.0 - r2 * r2)
        axes.append((w * math.sin(math.pi * r1), w * math.cos(math.pi * r1), r2))
        angles.append(float(np.float32(float(np.float32(1.0 - r3 * r3)) ** _CUBE_ROOT_EXPONENT)))
    return CapDraws(
        torch.tensor(axes, dtype=torch.float64, device=device),
        torch.tensor(angles, dtype=torch.float64, device=device),
    )


def cap_angles_rad(cap_rad: Float[torch.Tensor, ""], draws: CapDraws) -> Float[torch.Tensor, " n"]:
    """Angles t (rad) of the drawn rotations, for a largest tilt of `cap_rad`: spread (1 - r3^2)^(1/3) (5.4).

    They are rounded to single precision, as by the historic program. The rounding passes gradients straight through: d
    angle / d cap is the drawn relative angle.
    """
    exact = cap_rad * draws.unit_angle
    rounded = (cap_rad.detach().float() * draws.unit_angle.float()).double()
    return exact + (rounded - exact.detach())


def uniform_rotation(stream: Uniform, device: torch.device) -> Float[torch.Tensor, "3 3"]:
    """A rotation matrix U, evenly over all rotations: a unit quaternion of three deviates (Shoemake 1992) (5.6)."""
    u1, u2, u3 = (stream.draw() for _ in range(3))
    inner, outer = math.sqrt(1.0 - u1), math.sqrt(u1)
    x, y = inner * math.sin(2 * math.pi * u2), inner * math.cos(2 * math.pi * u2)
    z, w = outer * math.sin(2 * math.pi * u3), outer * math.cos(2 * math.pi * u3)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.tensor(rows, dtype=torch.float64, device=device)
