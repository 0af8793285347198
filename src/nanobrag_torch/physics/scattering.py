"""From a diffracted ray to fractional Miller indices. Section 8 of docs/physics.md.

(8.1)  q = (d - i)/lambda                                                 [1/m]
(8.2)  a source is left out where dmin |q| > 1
(8.3)  h = a.q,  k = b.q,  l = c.q
(8.4)  h0 = ceil(h - 1/2),  k0, l0 likewise
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.physics.tensors import length

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


class MillerIndices(NamedTuple):
    """Fractional indices, the nearest reflection, and the fraction between them."""

    hkl: Float[torch.Tensor, "3 orientations rays"]
    rounded: Float[torch.Tensor, "3 orientations rays"]
    fraction: Float[torch.Tensor, "3 orientations rays"]  # hkl - rounded, in [-1/2, 1/2)


def scattering_vector_per_m(
    direction: Float[torch.Tensor, "3 rays"], incident: Float[torch.Tensor, "3"], wavelength_m: Float[torch.Tensor, ""]
) -> Float[torch.Tensor, "3 rays"]:
    """q = (d - i)/lambda (1/m) for directions (3, rays) and one incident direction (3,) (8.1)."""
    return (direction - incident.unsqueeze(1)) / wavelength_m


def accepted_by_resolution(
    q_per_m: Float[torch.Tensor, "3 rays"], d_min_m: Float[torch.Tensor, ""]
) -> Bool[torch.Tensor, " rays"]:
    """Rays (rays,) bool at lower resolution than d_min: not d_min > 1/|q|; the direct beam is always accepted (8.2)."""
    q = length(q_per_m)
    return ~((q > 0) & (d_min_m * q > 1.0))


def miller_indices(
    q_per_m: Float[torch.Tensor, "3 rays"], real_m: Float[torch.Tensor, "orientations 3 3"], hook: Hook | None = None
) -> MillerIndices:
    """h = a.q, k = b.q, l = c.q for cells (orientations, 3, 3); halves round down. All float64."""
    hkl = watched(hook, "hkl", fractional_indices(q_per_m, real_m))
    rounded = watched(hook, "hkl_rounded", nearest_indices(hkl))
    return MillerIndices(hkl, rounded, watched(hook, "hkl_fraction", hkl - rounded))


def fractional_indices(
    q_per_m: Float[torch.Tensor, "3 rays"], real_m: Float[torch.Tensor, "orientations 3 3"]
) -> Float[torch.Tensor, "3 orientations rays"]:
    """h, k, l (3, orientations, rays) (8.3)."""
    along_x, along_y, along_z = (real_m[:, :, component].T.unsqueeze(2) for component in range(3))
    return torch.addcmul(torch.addcmul(along_x * q_per_m[0], along_y, q_per_m[1]), along_z, q_per_m[2])


def nearest_indices(hkl: Float[torch.Tensor, "3 orientations rays"]) -> Float[torch.Tensor, "3 orientations rays"]:
    """The nearest reflection; halves round down (8.4)."""
    return torch.ceil(hkl.detach() - 0.5)
