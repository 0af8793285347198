"""Polarization of the scattered beam (Kahn, Fourme, Gadet, Janin, Dumas & Andre 1982). Section 11 of docs/physics.md.

(11.1) cos(2theta) = i.d
(11.2) psi = -atan2(d.B, d.E),  B = unit(P x i),  E = unit(i x B)         [rad]
(11.3) polar = (1 + cos^2(2theta) - K cos(2 psi) sin^2(2theta))/2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nanobrag_torch.physics.tensors import along, cross, unit

if TYPE_CHECKING:
    from jaxtyping import Float


def cos_2theta(
    incident: Float[torch.Tensor, "3"], direction: Float[torch.Tensor, "3 rays"]
) -> Float[torch.Tensor, " rays"]:
    """i.d for one incident direction (3,) and directions (3, rays) (11.1)."""
    return along(incident, direction)


def factor(
    kahn: Float[torch.Tensor, ""],
    polar_vector: Float[torch.Tensor, "3"],
    incident: Float[torch.Tensor, "3"],
    direction: Float[torch.Tensor, "3 rays"],
    cosine: Float[torch.Tensor, " rays"],
) -> Float[torch.Tensor, " rays"]:
    """(1 + cos^2 2theta - K cos(2 psi) sin^2 2theta)/2 for each ray (11.2) (11.3).

    psi is the angle of the scattering plane from E = unit(i x B), B = unit(P x i). Since d.E and d.B are the two
    components of d across the beam, cos(2 psi) sin^2 2theta is (d.E)^2 - (d.B)^2, which has no singular point. For a
    beam along P itself E and B do not exist and psi is 0.
    """
    b = unit(cross(polar_vector, incident))
    e = unit(cross(incident, b))
    across, within = along(b, direction), along(e, direction)
    cos_2psi_sin2_2theta = within * within - across * across
    cos_2psi_sin2_2theta = torch.where((b == 0).all(), 1.0 - cosine * cosine, cos_2psi_sin2_2theta)
    return 0.5 * (1.0 + cosine * cosine - kahn * cos_2psi_sin2_2theta)
