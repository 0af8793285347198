"""The detector seen from the sample: its nearest point, its front or back. Sections 6 and 7 of docs/physics.md.

(6.13) close > 0 but with back_face_negative
(7.7)  nearest = sqrt(close^2 + x^2 + y^2),  x, y how far the near point lies beside the panel    [m]
"""

from __future__ import annotations

import math

import torch

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.physics import rays
from nanobrag_torch.physics.detector_geometry import DetectorGeometry
from nanobrag_torch.physics.tensors import dot, number


def sampling_distance_m(g: DetectorGeometry, defects: frozenset[str]) -> float:
    """Distance (m) at which spots are smallest: that of the detector's nearest point (7.7).

    x and y are 0 where the near point lies on the panel, and for a curved detector. With the defect
    `distance_without_twotheta` on, it is the distance along the beam.
    """
    if "distance_without_twotheta" in defects:
        return number(g.distance_m)
    rows = ((g.Fclose_m, g.size_fast_m), (g.Sclose_m, g.size_slow_m))
    beyond = [max(0.0, -number(at), number(at) - number(size)) for at, size in rows]
    fast, slow = (0.0, 0.0) if g.curved else beyond
    close = number(g.close_distance_m)
    return math.sqrt(fast * fast + slow * slow + close * close)


def check_front(g: DetectorGeometry) -> None:
    """Raise ExperimentError if the panel shows its back to the sample: unless close > 0 (6.13).

    With the defect `back_face_negative` on, such a panel is accepted; its photons are negative.
    """
    close = number(g.close_distance_m)
    if not (close > 0 or g.negative_back):
        raise ExperimentError(
            f"the detector shows its back to the sample: its plane is at {1000 * close:g} mm along its normal, "
            "expected more than 0; turn it by 180 degrees or check -close_distance, -distance, -twotheta, the vectors "
            "and rotations"
        )


def pixels_behind(g: DetectorGeometry) -> int:
    """The number of pixels reached from behind, d.O <= 0 at their middle (7.6); 0 with `back_face_negative`.

    A panel in front of the sample has such pixels if the normal is not perpendicular to the panel, or if the panel is
    bent by more than a quarter turn while its normal is not bent.
    """
    perpendicular = max(abs(number(dot(axis, g.odet))) for axis in (g.fdet, g.sdet)) < 1e-12
    if g.negative_back or (not g.curved_axes if g.curved else perpendicular):
        return 0
    fast_m = g.pixel_size_m * (torch.arange(g.n_fast, device=g.fdet.device) + 0.5)
    behind = 0
    with torch.no_grad():
        for row in range(g.n_slow):
            slow_m = (g.pixel_size_m * (row + 0.5)).expand_as(fast_m)
            position = rays.position_m(g, fast_m.double(), slow_m.double(), torch.zeros_like(fast_m).double())
            behind += int((~(rays.incidence(g, position) > 0)).sum())
    return behind
