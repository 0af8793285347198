"""The steps that place the detector, one function each: axes, distances and the terms of the origin.

Section 6 of docs/physics.md.

(6.5)  ratio = b.Rxyz(O; rotation);  b.O of (6.7) for BEAM and a given close without distance_without_twotheta
(6.6)  close = |ratio distance| where not given,  distance = close/ratio  [m]
(6.7)  F, S, O <- Raxis(Rxyz(F; rotation); two-theta axis, two-theta),  S, O likewise
(6.8)  SAMPLE: pix0 = Raxis(Rxyz(-Fclose F - Sclose S + close O; rotation); two-theta axis, two-theta)        [m]
(6.9)  BEAM: pix0 = -Fbeam F - Sbeam S + distance b                       [m]
(6.12) BEAM: Fbeam = Fclose + distance b.F where the near point is stated and the spot is not;  Sbeam too
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from nanobrag_torch.parameters import Detector
from nanobrag_torch.physics import rotations
from nanobrag_torch.physics.beam_centre import BeamCentre
from nanobrag_torch.physics.constants import SMALLEST_NORMAL
from nanobrag_torch.physics.tensors import dot, scalar, vector

if TYPE_CHECKING:
    from jaxtyping import Float


class Axes(NamedTuple):
    """Fast, slow and normal direction of the detector, each (3,)."""

    fast: torch.Tensor
    slow: torch.Tensor
    normal: torch.Tensor


def angles_rad(detector: Detector, device: torch.device) -> Float[torch.Tensor, "4"]:
    """The four angles (4,): about lab x, y, z, then two-theta."""
    return vector([detector.rotx_rad, detector.roty_rad, detector.rotz_rad, detector.twotheta_rad], device)


class Turn(NamedTuple):
    """Rotations about lab x, y and z, each (3, 3), which turn axes and origin in this order."""

    x: torch.Tensor
    y: torch.Tensor
    z: torch.Tensor


def rotation_matrices(angles: Float[torch.Tensor, "4"]) -> Turn:
    """Rotations about lab x, y and z, each (3, 3)."""
    return Turn(rotations.about_x(angles[0]), rotations.about_y(angles[1]), rotations.about_z(angles[2]))


def combined_rotation(turn: Turn) -> Float[torch.Tensor, "3 3"]:
    """The product of the three rotations, for the trace only: applying the product would round differently."""
    return turn.z @ (turn.y @ turn.x)


def rotated_axes(axes: Axes, turn: Turn) -> Axes:
    """The axes turned about lab x, y, z (6.7)."""
    return Axes(*(_turned(v, turn) for v in axes))


def _turned(v: torch.Tensor, turn: Turn) -> torch.Tensor:
    return rotations.apply(turn.z, rotations.apply(turn.y, rotations.apply(turn.x, v)))


def swung_axes(axes: Axes, twotheta_axis: Float[torch.Tensor, "3"], angles: Float[torch.Tensor, "4"]) -> Axes:
    """The axes turned by two-theta (6.7)."""
    return Axes(*(rotations.about_axis(v, twotheta_axis, angles[3]) for v in axes))


def ratio(beam: Float[torch.Tensor, "3"], normal: Float[torch.Tensor, "3"]) -> Float[torch.Tensor, ""]:
    """Cosine between beam and detector normal; the smallest normal number where it is 0 (6.5)."""
    cosine = dot(beam, normal)
    return torch.where(cosine == 0, torch.full_like(cosine, SMALLEST_NORMAL), cosine)


def close_distance_m(detector: Detector, ratio: Float[torch.Tensor, ""]) -> Float[torch.Tensor, ""]:
    """Distance of the plane: as stated, else |ratio distance| (6.6)."""
    if detector.close_distance_m is None:
        return (ratio * scalar(detector.distance_m, ratio.device)).abs()
    return scalar(detector.close_distance_m, ratio.device)


def distance_m(close_m: Float[torch.Tensor, ""], ratio: Float[torch.Tensor, ""]) -> Float[torch.Tensor, ""]:
    """Distance along the beam (6.6)."""
    return close_m / ratio


def keeps_close_distance(detector: Detector, pivot: str, defects: frozenset[str]) -> bool:
    """Whether a stated close distance holds after two-theta although the panel pivots about the beam spot."""
    given = detector.close_distance_m is not None
    return given and pivot == "BEAM" and "distance_without_twotheta" not in defects


def beam_spot_m(
    centre: BeamCentre, axes: Axes, distance_m: Float[torch.Tensor, ""], beam: Float[torch.Tensor, "3"]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fast and slow of the beam spot: as stated, or the spot that belongs to the stated near point (6.12)."""
    stated, near = (centre.Fbeam_m, centre.Sbeam_m), (centre.Fclose_m, centre.Sclose_m)
    rows = zip(centre.near_point_leads, stated, near, axes[:2], strict=True)
    fast, slow = (close + distance_m * dot(beam, axis) if leads else spot for leads, spot, close, axis in rows)
    return fast, slow


def terms_from_close_point_m(
    centre: BeamCentre, axes: Axes, close_m: Float[torch.Tensor, ""]
) -> Float[torch.Tensor, "3 3"]:
    """Fast, slow and normal part (3, 3) of the origin as seen from the point of the plane nearest to the sample.

    Equation (6.8).
    """
    return torch.stack([-centre.Fclose_m * axes.fast, -centre.Sclose_m * axes.slow, close_m * axes.normal])


def terms_from_beam_m(
    centre: BeamCentre, axes: Axes, distance_m: Float[torch.Tensor, ""], beam: Float[torch.Tensor, "3"]
) -> Float[torch.Tensor, "3 3"]:
    """Fast, slow and beam part (3, 3) of the origin as seen from where the beam hits the detector (6.9)."""
    return torch.stack([-centre.Fbeam_m * axes.fast, -centre.Sbeam_m * axes.slow, distance_m * beam])


def sum_of_terms_m(terms: Float[torch.Tensor, "3 3"]) -> Float[torch.Tensor, "3"]:
    """The origin (3,)."""
    return terms[0] + terms[1] + terms[2]


def rotated_origin_m(origin_m: Float[torch.Tensor, "3"], turn: Turn) -> Float[torch.Tensor, "3"]:
    """The origin turned about lab x, y, z."""
    return _turned(origin_m, turn)


def swung_origin_m(
    origin_m: Float[torch.Tensor, "3"], twotheta_axis: Float[torch.Tensor, "3"], angles: Float[torch.Tensor, "4"]
) -> Float[torch.Tensor, "3"]:
    """The origin turned by two-theta."""
    return rotations.about_axis(origin_m, twotheta_axis, angles[3])


def final_origin_m(
    detector: Detector, placed_m: Float[torch.Tensor, "3"], defects: frozenset[str]
) -> Float[torch.Tensor, "3"]:
    """The origin given by the pivot, or the stated vector, which the defect `pix0_ignored` ignores."""
    if "pix0_ignored" in defects or detector.pix0_vector_m is None:
        return placed_m
    return vector(detector.pix0_vector_m, placed_m.device)


def plane_distance_m(origin_m: Float[torch.Tensor, "3"], normal: Float[torch.Tensor, "3"]) -> Float[torch.Tensor, ""]:
    """Distance of the detector plane from the sample."""
    return dot(origin_m, normal)
