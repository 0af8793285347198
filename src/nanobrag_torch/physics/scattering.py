"""From a diffracted ray to fractional Miller indices. Section 8 of docs/physics.md.

(8.1)  q = (d - i)/lambda                                                 [1/m]
(8.2)  a source is left out where dmin |q| > 1
(8.3)  h = a.q,  k = b.q,  l = c.q
(8.4)  h0 = ceil(h - 1/2),  k0, l0 likewise
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.physics.tensors import length


class MillerIndices(NamedTuple):
    """Fractional indices, the nearest reflection, and the fraction between them, each (3, orientations, rays)."""

    hkl: torch.Tensor
    rounded: torch.Tensor
    fraction: torch.Tensor  # hkl - rounded, in [-1/2, 1/2)


def scattering_vector_per_m(
    direction: torch.Tensor, incident: torch.Tensor, wavelength_m: torch.Tensor
) -> torch.Tensor:
    """q = (d - i)/lambda (1/m) for directions (3, rays) and one incident direction (3,)."""
    return (direction - incident.unsqueeze(1)) / wavelength_m


def accepted_by_resolution(q_per_m: torch.Tensor, d_min_m: torch.Tensor) -> torch.Tensor:
    """Rays (rays,) bool at lower resolution than d_min: not d_min > 1/|q|; the direct beam is always accepted."""
    q = length(q_per_m)
    return ~((q > 0) & (d_min_m * q > 1.0))


def miller_indices(q_per_m: torch.Tensor, real_m: torch.Tensor, hook: Hook | None = None) -> MillerIndices:
    """h = a.q, k = b.q, l = c.q for cells (orientations, 3, 3); halves round down. All float64."""
    hkl = watched(hook, "hkl", fractional_indices(q_per_m, real_m))
    rounded = watched(hook, "hkl_rounded", nearest_indices(hkl))
    return MillerIndices(hkl, rounded, watched(hook, "hkl_fraction", hkl - rounded))


def fractional_indices(q_per_m: torch.Tensor, real_m: torch.Tensor) -> torch.Tensor:
    """h, k, l (3, orientations, rays)."""
    along_x, along_y, along_z = (real_m[:, :, component].T.unsqueeze(2) for component in range(3))
    return torch.addcmul(torch.addcmul(along_x * q_per_m[0], along_y, q_per_m[1]), along_z, q_per_m[2])


def nearest_indices(hkl: torch.Tensor) -> torch.Tensor:
    """The nearest reflection; halves round down."""
    return torch.ceil(hkl.detach() - 0.5)
