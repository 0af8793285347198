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

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from nanobrag_torch.parameters import Detector
from nanobrag_torch.physics import rotations
from nanobrag_torch.physics.beam_centre import BeamCentre
from nanobrag_torch.physics.constants import SMALLEST_NORMAL
from nanobrag_torch.physics.tensors import Array, alike, dot, product, scalar, stack, vector, where

if TYPE_CHECKING:
    from jaxtyping import Float


class Axes(NamedTuple):
    """Fast, slow and normal direction of the detector, unit vectors."""

    fast: Float[Array, "3"]
    slow: Float[Array, "3"]
    normal: Float[Array, "3"]


def angles_rad(detector: Detector, device: torch.device | None) -> Float[Array, "4"]:
    """The four angles (4,): about lab x, y, z, then two-theta."""
    return vector([detector.rotx_rad, detector.roty_rad, detector.rotz_rad, detector.twotheta_rad], device)


class Turn(NamedTuple):
    """Rotations about lab x, y and z, which turn axes and origin in this order."""

    x: Float[Array, "3 3"]
    y: Float[Array, "3 3"]
    z: Float[Array, "3 3"]


def rotation_matrices(angles: Float[Array, "4"]) -> Turn:
    """Rotations about lab x, y and z, each (3, 3)."""
    return Turn(rotations.about_x(angles[0]), rotations.about_y(angles[1]), rotations.about_z(angles[2]))


def combined_rotation(turn: Turn) -> Float[Array, "3 3"]:
    """The product of the three rotations, for the trace only: applying the product would round differently."""
    return product(turn.z, product(turn.y, turn.x))


def rotated_axes(axes: Axes, turn: Turn) -> Axes:
    """The axes turned about lab x, y, z (6.7)."""
    return Axes(*_turned(stack(axes), turn))


def _turned(v: Array, turn: Turn) -> Array:
    return rotations.apply(turn.z, rotations.apply(turn.y, rotations.apply(turn.x, v)))


def swung_axes(axes: Axes, twotheta_axis: Float[Array, "3"], angles: Float[Array, "4"]) -> Axes:
    """The axes turned by two-theta (6.7)."""
    return Axes(*rotations.exactly_about_axis(stack(axes), twotheta_axis, angles[3]))


def ratio(beam: Float[Array, "3"], normal: Float[Array, "3"]) -> Float[Array, ""]:
    """Cosine between beam and detector normal; the smallest normal number where it is 0 (6.5)."""
    cosine = dot(beam, normal)
    return where(cosine == 0, SMALLEST_NORMAL, cosine)


def close_distance_m(detector: Detector, ratio: Float[Array, ""], device: torch.device | None) -> Float[Array, ""]:
    """Distance of the plane: as stated, else |ratio distance| (6.6)."""
    if detector.close_distance_m is None:
        ratio, distance = alike(ratio, scalar(detector.distance_m, device))
        return abs(ratio * distance)
    return scalar(detector.close_distance_m, device)


def distance_m(close_m: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
    """Distance along the beam (6.6)."""
    close_m, ratio = alike(close_m, ratio)
    return close_m / ratio


def keeps_close_distance(detector: Detector, pivot: str, defects: frozenset[str]) -> bool:
    """Whether a stated close distance holds after two-theta although the panel pivots about the beam spot."""
    stated = detector.close_distance_m is not None
    return stated and pivot == "BEAM" and "distance_without_twotheta" not in defects


def beam_spot_m(
    centre: BeamCentre, axes: Axes, distance_m: Float[Array, ""], beam: Float[Array, "3"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Fast and slow of the beam spot: as stated, or the spot that belongs to the stated near point (6.12)."""
    stated, near = (centre.Fbeam_m, centre.Sbeam_m), (centre.Fclose_m, centre.Sclose_m)
    rows = zip(centre.near_point_leads, stated, near, axes[:2], strict=True)
    fast, slow = (_beyond(close, distance_m, dot(beam, axis)) if leads else spot for leads, spot, close, axis in rows)
    return fast, slow


def _beyond(close: Array, distance_m: Array, cosine: Array) -> Array:
    close, distance_m, cosine = alike(close, distance_m, cosine)
    return close + distance_m * cosine


def terms_from_close_point_m(centre: BeamCentre, axes: Axes, close_m: Float[Array, ""]) -> Float[Array, "3 3"]:
    """Fast, slow and normal part (3, 3) of the origin as seen from the point of the plane nearest to the sample.

    Equation (6.8).
    """
    return _parts((-centre.Fclose_m, -centre.Sclose_m, close_m), axes)


def terms_from_beam_m(
    centre: BeamCentre, axes: Axes, distance_m: Float[Array, ""], beam: Float[Array, "3"]
) -> Float[Array, "3 3"]:
    """Fast, slow and beam part (3, 3) of the origin as seen from where the beam hits the detector (6.9)."""
    return _parts((-centre.Fbeam_m, -centre.Sbeam_m, distance_m), (axes.fast, axes.slow, beam))


def _parts(lengths_m: Sequence[Array], directions: Sequence[Array]) -> Array:
    lengths, vectors = alike(stack(lengths_m), stack(directions))
    return lengths[:, None] * vectors


def sum_of_terms_m(terms: Float[Array, "3 3"]) -> Float[Array, "3"]:
    """The origin (3,)."""
    return terms[0] + terms[1] + terms[2]


def rotated_origin_m(origin_m: Float[Array, "3"], turn: Turn) -> Float[Array, "3"]:
    """The origin turned about lab x, y, z."""
    return _turned(origin_m, turn)


def swung_origin_m(
    origin_m: Float[Array, "3"], twotheta_axis: Float[Array, "3"], angles: Float[Array, "4"]
) -> Float[Array, "3"]:
    """The origin turned by two-theta."""
    return rotations.exactly_about_axis(origin_m, twotheta_axis, angles[3])


def final_origin_m(
    detector: Detector, placed_m: Float[Array, "3"], defects: frozenset[str], device: torch.device | None
) -> Float[Array, "3"]:
    """The origin given by the pivot, or the stated vector, which the defect `pix0_ignored` ignores."""
    if "pix0_ignored" in defects or detector.pix0_vector_m is None:
        return placed_m
    return vector(detector.pix0_vector_m, device)


def plane_distance_m(origin_m: Float[Array, "3"], normal: Float[Array, "3"]) -> Float[Array, ""]:
    """Distance of the detector plane from the sample."""
    return dot(origin_m, normal)
