"""Placing the detector: axes, pivot and origin, from one set of rotations. Section 6 of docs/physics.md.

(6.10) close = pix0.O,  distance = close/ratio,  Fclose = -pix0.F,  Sclose = -pix0.S              [m]
(6.11) Fbeam = F.(distance b - pix0),  Sbeam = S.(distance b - pix0)      [m]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.parameters import Detector
from nanobrag_torch.parameters.conventions import effective_pivot, pixel_counts
from nanobrag_torch.physics import placement
from nanobrag_torch.physics.beam_centre import BeamCentre, beam_centre
from nanobrag_torch.physics.detector_basis import Basis, basis
from nanobrag_torch.physics.detector_geometry import Construction, DetectorGeometry
from nanobrag_torch.physics.tensors import Array, alike, dot, scalar, stack

if TYPE_CHECKING:
    from jaxtyping import Float


class _Axes(NamedTuple):
    """The detector's axes on their way through the rotations."""

    angles_rad: Float[Array, "4"]  # rotx, roty, rotz, twotheta
    turn: placement.Turn
    rotation: Float[Array, "3 3"]
    initial: placement.Axes
    after_rotz: placement.Axes
    final: placement.Axes


class _Lengths(NamedTuple):
    """Obliquity of the beam and the distances that the user stated or implied, before the origin is known."""

    ratio: Float[Array, ""]
    close_m: Float[Array, ""]
    distance_m: Float[Array, ""]


class _Origin(NamedTuple):
    """The origin of the pixels (m) and its three terms."""

    centre: BeamCentre
    terms_m: Float[Array, "3 3"]
    before_rotation_m: Float[Array, "3"] | None  # pivot SAMPLE only, as the two that follow
    after_rotz_m: Float[Array, "3"] | None
    after_twotheta_m: Float[Array, "3"] | None
    placed_m: Float[Array, "3"]


class _Distances(NamedTuple):
    """Distances (m), near point and beam spot (m, fast and slow) of the detector in its final place."""

    close_distance_m: Float[Array, ""]
    distance_m: Float[Array, ""]
    Fclose_m: Float[Array, ""]
    Sclose_m: Float[Array, ""]
    Fbeam_m: Float[Array, ""]
    Sbeam_m: Float[Array, ""]


def build(
    detector: Detector, defects: frozenset[str], device: torch.device | None = None, hook: Hook | None = None
) -> DetectorGeometry:
    """Place the detector: rotate the basis, find the origin from the pivot, re-derive distances and centres.

    The axes F, S, O are those of (6.4) turned by (6.7); the origin pix0 (m) is that of (6.8) or (6.9), by the pivot;
    distances, near point and beam spot (m) follow from it by (6.10) and (6.11). On `device` everything is a tensor
    there; without one, what no derivative depends on is an array of numpy. Raises ExperimentError if the panel has no
    pixels.
    """
    _, _, size_fast_m, size_slow_m = pixel_counts(detector)
    b = basis(detector, defects, device, hook)
    centre = beam_centre(detector, size_fast_m, size_slow_m, defects, device)
    centre = centre._replace(
        Fclose_m=watched(hook, "Fclose_m", centre.Fclose_m), Sclose_m=watched(hook, "Sclose_m", centre.Sclose_m)
    )
    pivot = effective_pivot(detector, defects)
    axes = _turned(detector, b, device, hook)
    lengths = _lengths(detector, pivot, axes, b, defects, device, hook)
    placed = _about_sample if pivot == "SAMPLE" else _about_beam
    origin = placed(centre, axes, lengths, b, hook)
    pix0_m = watched(hook, "pix0_m", placement.final_origin_m(detector, origin.placed_m, defects, device))
    final = _rederive(pix0_m, axes.final, b.beam, lengths.ratio, defects, hook)
    construction = _construction(detector, pivot, b, axes, lengths, origin, final, pix0_m, device)
    return _geometry(detector, defects, b, axes.final, pix0_m, final, construction, device, hook)


def _turned(detector: Detector, b: Basis, device: torch.device | None, hook: Hook | None) -> _Axes:
    """The axes turned about the laboratory's axes, then swung about the two-theta axis."""

    def seen(step: str, axes: placement.Axes) -> placement.Axes:
        names = (f"{letter}det_after_{step}" for letter in "fso")
        return placement.Axes(*(watched(hook, name, axis) for name, axis in zip(names, axes, strict=True)))

    angles = watched(hook, "angles_rad", placement.angles_rad(detector, device))
    matrices = zip(("Rx", "Ry", "Rz"), placement.rotation_matrices(angles), strict=True)
    turn = placement.Turn(*(watched(hook, name, matrix) for name, matrix in matrices))
    rotation = watched(hook, "R_total", placement.combined_rotation(turn))
    initial = placement.Axes(b.fast, b.slow, b.normal)
    rotz = seen("rotz", placement.rotated_axes(initial, turn))
    return _Axes(
        angles, turn, rotation, initial, rotz, seen("twotheta", placement.swung_axes(rotz, b.twotheta, angles))
    )


def _lengths(
    detector: Detector,
    pivot: str,
    axes: _Axes,
    b: Basis,
    defects: frozenset[str],
    device: torch.device | None,
    hook: Hook | None,
) -> _Lengths:
    keeps_close = placement.keeps_close_distance(detector, pivot, defects)
    facing = axes.final.normal if keeps_close else axes.after_rotz.normal
    ratio = watched(hook, "ratio", placement.ratio(b.beam, facing))
    close = watched(hook, "close_distance_m", placement.close_distance_m(detector, ratio, device))
    return _Lengths(ratio, close, watched(hook, "distance_m", placement.distance_m(close, ratio)))


def _about_sample(centre: BeamCentre, axes: _Axes, lengths: _Lengths, b: Basis, hook: Hook | None) -> _Origin:
    """Pivot SAMPLE: the origin is measured from the near point of the unturned detector, and turns with it."""
    names = ("term_fast_before_rot", "term_slow_before_rot", "term_close_before_rot")
    terms = _seen(hook, names, placement.terms_from_close_point_m(centre, axes.initial, lengths.close_m))
    before = watched(hook, "pix0_before_rotation", placement.sum_of_terms_m(terms))
    rotz = watched(hook, "pix0_after_rotz", placement.rotated_origin_m(before, axes.turn))
    swung = watched(hook, "pix0_after_twotheta", placement.swung_origin_m(rotz, b.twotheta, axes.angles_rad))
    return _Origin(centre, terms, before, rotz, swung, swung)


def _about_beam(centre: BeamCentre, axes: _Axes, lengths: _Lengths, b: Basis, hook: Hook | None) -> _Origin:
    """Pivot BEAM: the origin is measured from the spot of the direct beam on the turned detector."""
    fbeam, sbeam = placement.beam_spot_m(centre, axes.final, lengths.distance_m, b.beam)
    centre = centre._replace(Fbeam_m=watched(hook, "Fbeam_m", fbeam), Sbeam_m=watched(hook, "Sbeam_m", sbeam))
    names = ("term_fast", "term_slow", "term_beam")
    terms = _seen(hook, names, placement.terms_from_beam_m(centre, axes.final, lengths.distance_m, b.beam))
    placed = watched(hook, "pix0_vector", placement.sum_of_terms_m(terms))
    return _Origin(centre, terms, None, None, None, placed)


def _seen(hook: Hook | None, names: tuple[str, ...], terms: Array) -> Array:
    if hook is None:
        return terms
    return torch.stack([watched(hook, name, term) for name, term in zip(names, terms, strict=True)])


def _rederive(
    pix0: Array,
    axes: placement.Axes,
    beam: Array,
    ratio: Array,
    defects: frozenset[str],
    hook: Hook | None,
) -> _Distances:
    """Close point, distances and beam centre that follow from the final origin (6.10) (6.11).

    With the defect `distance_without_twotheta` on, the distance uses the obliquity of the placement.
    """
    fast, slow, normal = axes
    close = watched(hook, "plane_distance_m", placement.plane_distance_m(pix0, normal))
    if "distance_without_twotheta" not in defects:
        ratio = placement.ratio(beam, normal)
    distance = placement.distance_m(close, ratio)
    distance_m, beam, pix0 = alike(distance, beam, pix0)
    near = -dot(pix0, stack([fast, slow]))
    spot = dot(stack([fast, slow]), distance_m * beam - pix0)
    return _Distances(close, distance, near[0], near[1], spot[0], spot[1])


def _construction(
    detector: Detector,
    pivot: str,
    b: Basis,
    axes: _Axes,
    lengths: _Lengths,
    origin: _Origin,
    final: _Distances,
    pix0_m: Array,
    device: torch.device | None,
) -> Construction:
    """The steps, with the names that traces and file headers use."""
    fclose_m, sclose_m, pixel_m = alike(final.Fclose_m, final.Sclose_m, scalar(detector.pixel_size_m, device))
    return Construction(
        convention=detector.convention,
        pivot=pivot,
        centre=origin.centre,
        twotheta_axis=b.twotheta,
        angles_rad=axes.angles_rad,
        initial=axes.initial,
        turn=axes.turn,
        rotation=axes.rotation,
        ratio=lengths.ratio,
        close_distance_m=lengths.close_m,
        distance_m=lengths.distance_m,
        origin_terms_m=origin.terms_m,
        pix0_before_rotation_m=origin.before_rotation_m,
        pix0_after_rotz_m=origin.after_rotz_m,
        pix0_after_twotheta_m=origin.after_twotheta_m,
        after_rotz=axes.after_rotz,
        after_twotheta=axes.final,
        pix0_m=origin.placed_m,
        ORGX_pixels=fclose_m / pixel_m + 0.5,
        ORGY_pixels=sclose_m / pixel_m + 0.5,
        dials_origin_mm=1000.0 * stack([pix0_m[2], pix0_m[1], -pix0_m[0]]),
    )


def _geometry(
    detector: Detector,
    defects: frozenset[str],
    b: Basis,
    axes: placement.Axes,
    pix0_m: Array,
    final: _Distances,
    construction: Construction,
    device: torch.device | None,
    hook: Hook | None,
) -> DetectorGeometry:
    """The quantities of the placed detector that the pixels need."""
    n_fast, n_slow, size_fast_m, size_slow_m = pixel_counts(detector)
    return DetectorGeometry(
        n_fast=n_fast,
        n_slow=n_slow,
        pixel_size_m=scalar(detector.pixel_size_m, device),
        size_fast_m=scalar(size_fast_m, device),
        size_slow_m=scalar(size_slow_m, device),
        beam_vector=b.beam,
        polar_vector=b.polar,
        spindle_axis=b.spindle,
        fdet=watched(hook, "fdet", axes.fast),
        sdet=watched(hook, "sdet", axes.slow),
        odet=axes.normal,
        pix0_m=pix0_m,
        **final._asdict(),
        curved=detector.curved,
        curved_axes="curved_axes" in defects,
        point_pixel=detector.point_pixel,
        front_face="layer_front_face" in defects,
        negative_back="back_face_negative" in defects,
        construction=construction,
    )
