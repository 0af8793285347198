"""The tilts of the mosaic domains. Section 5 of docs/physics.md.

(5.8)  U = turn by t about n:  t - sin t = u3 (spread - sin spread),  spread at most pi
       n = (sqrt(1 - z^2) cos(2 pi u2), sqrt(1 - z^2) sin(2 pi u2), z),  z = 2 u1 - 1
(5.9)  quadrature of M domains: U_j of (5.8) and its inverse, j = 0 .. floor(M/2) - 1;  for an odd M also U = 1
       u1 = frac(1/2 + j/g),  u2 = frac(1/2 + j/g^2),  u3 = (2 j + 1 + M mod 2)/M,  g^3 = g + 1
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.parameters import Crystal
from nanobrag_torch.physics import random_numbers, rotations
from nanobrag_torch.physics.sampling import MosaicDomains
from nanobrag_torch.physics.tensors import GEOMETRY_DTYPE, scalar

if TYPE_CHECKING:
    from jaxtyping import Float

PLASTIC_RATIO = 1.32471795724474602596  # its powers spread points in the plane: x^3 = x + 1
_MOST_ITERATIONS = 100
_DEVIATES = 3  # of a domain


def domain_matrices(
    domains: MosaicDomains,
    crystal: Crystal,
    table: random_numbers.SharedTable,
    defects: frozenset[str],
    device: torch.device,
    hook: Hook | None = None,
) -> Float[torch.Tensor, "domains 3 3"]:
    """Rotation matrices (domain, 3, 3) of the mosaic domains.

    With the defect `mosaic_uneven` on, the first domain is the unrotated crystal and tilts gather at the rim; off, all
    rotations by at most the spread are equally likely, or evenly spread with `mosaic_quadrature`. Three deviates are
    drawn for every domain, needed or not.
    """
    stream = random_numbers.stream(table, crystal.mosaic_seed, random_numbers.MOSAIC, defects)
    identity = torch.eye(3, dtype=GEOMETRY_DTYPE, device=device)
    spread = scalar(domains.spread_rad, device)
    if "mosaic_uneven" in defects:
        if domains.count == 1:
            for _ in range(_DEVIATES):
                stream.draw()
            return identity.unsqueeze(0)
        draws = random_numbers.draw_caps(stream, domains.count, device)
        angle = watched(hook, "tilt_rad", random_numbers.cap_angles_rad(spread, draws))
        return torch.cat([identity.unsqueeze(0), rotations.axis_matrix(draws.axis[1:], angle[1:])])
    drawn = [[stream.draw() for _ in range(_DEVIATES)] for _ in range(domains.count)]
    if not spread > 0:
        return identity.unsqueeze(0)
    if not crystal.mosaic_quadrature:
        return even_rotations(torch.tensor(drawn, dtype=GEOMETRY_DTYPE, device=device), spread)
    tilted = even_rotations(_points(domains.count, device), spread)
    pairs = torch.stack([tilted, tilted.transpose(-1, -2)], 1).flatten(0, 1)
    return torch.cat([identity.unsqueeze(0), pairs]) if domains.count % 2 else pairs


def _points(count: int, device: torch.device) -> torch.Tensor:
    """Shares (count // 2, 3) of tilts there and back, evenly spread; the odd one out is the crystal itself (5.9)."""
    odd = count % 2
    rows = [
        ((0.5 + j / PLASTIC_RATIO) % 1.0, (0.5 + j / (PLASTIC_RATIO * PLASTIC_RATIO)) % 1.0, (2 * j + 1 + odd) / count)
        for j in range(count // 2)
    ]
    return torch.tensor(rows, dtype=GEOMETRY_DTYPE, device=device).view(-1, 3)


def even_rotations(
    shares: Float[torch.Tensor, "n 3"], spread_rad: Float[torch.Tensor, ""]
) -> Float[torch.Tensor, "n 3 3"]:
    """Rotations (n, 3, 3) by at most the spread, for shares (n, 3) in (0, 1): even shares give even rotations.

    Equation (5.8).

    The three shares are the cosine of the axis' polar angle, its azimuth, and the share of rotations that tilt less.
    """
    z, azimuth = 2.0 * shares[:, 0] - 1.0, 2.0 * math.pi * shares[:, 1]
    w = (1.0 - z * z).sqrt()
    axis = torch.stack([w * torch.cos(azimuth), w * torch.sin(azimuth), z], -1)
    return rotations.axis_matrix(axis, tilts_rad(shares[:, 2], spread_rad.clamp(max=math.pi)))


def tilts_rad(shares: Float[torch.Tensor, " n"], spread_rad: Float[torch.Tensor, ""]) -> Float[torch.Tensor, " n"]:
    """Tilts within which these shares of the rotations by at most the spread lie: t - sin t = share (s - sin s).

    Newton's method from above, whose last two steps carry the first and second derivative by the spread.
    """
    with torch.no_grad():
        wanted = shares * _rotations_within(spread_rad)
        tilt = spread_rad * shares ** (1.0 / 3.0)
        for _ in range(_MOST_ITERATIONS):
            step = (_rotations_within(tilt) - wanted) / (2.0 * torch.sin(tilt / 2.0) ** 2)
            tilt = tilt - step
            if not bool((step.abs() > 4e-16 * tilt).any()):
                break
    if spread_rad.requires_grad:
        wanted = shares * _rotations_within(spread_rad)
        for _ in range(2):
            tilt = tilt - (_rotations_within(tilt) - wanted) / (2.0 * torch.sin(tilt / 2.0) ** 2)
    return tilt


def _rotations_within(tilt_rad: torch.Tensor) -> torch.Tensor:
    """t - sin t: the share of all rotations that tilt less than t, but for a constant. By its series for small t."""
    square = tilt_rad * tilt_rad
    series = torch.ones_like(tilt_rad)
    for k in range(8, 0, -1):
        series = 1.0 - series * square / ((2 * k + 2) * (2 * k + 3))
    return torch.where(tilt_rad > 1.0, tilt_rad - torch.sin(tilt_rad), series * square * tilt_rad / 6.0)
