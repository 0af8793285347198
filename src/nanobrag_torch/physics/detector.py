"""The detector: pivot, origin, pixel positions, solid angle and absorption. Sections 6 and 7 of docs/physics.md.

(6.10) close = pix0.O,  distance = close/ratio,  Fclose = -pix0.F,  Sclose = -pix0.S              [m]
(6.11) Fbeam = F.(distance b - pix0),  Sbeam = S.(distance b - pix0)      [m]
(7.2)  r = Fdet F + Sdet S + Odet O + pix0                                [m]
(7.3)  curved, with curved_axes: r = Raxis(Raxis(distance b; S, r_y/distance); F, r_z/distance)   [m]
       without: r = Raxis(Raxis(close O; S, g (Fdet - Fclose)/close); F, -g (Sdet - Sclose)/close)
       g = sign((F x S).O)
(7.4)  R = |r|,  d = r/R                                                  [m]
(7.5)  omega = p^2/R^2 close/R;  (close + Odet)/R flat without layer_front_face;  1/R^2 with -point_pixel        [sr]
(7.6)  cap = exp(-t dT mu/(d.O)) - exp(-(t + 1) dT mu/(d.O));  1 without a thickness;  0 where d.O <= 0
       curved without curved_axes: 1 for d.O
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.parameters import Detector
from nanobrag_torch.parameters.conventions import effective_pivot, pixel_counts
from nanobrag_torch.physics import placement, rotations
from nanobrag_torch.physics.beam_centre import BeamCentre, beam_centre
from nanobrag_torch.physics.detector_basis import basis
from nanobrag_torch.physics.tensors import along, cross, dot, length, scalar

if TYPE_CHECKING:
    from jaxtyping import Float


class Construction(NamedTuple):
    """The steps that placed the detector, for the trace and for file headers. Vectors (3,), laboratory frame."""

    convention: str
    pivot: str
    centre: BeamCentre
    twotheta_axis: torch.Tensor
    angles_rad: torch.Tensor  # (4,) rotx, roty, rotz, twotheta
    initial: placement.Axes
    turn: placement.Turn  # rotations about lab x, y and z, each (3, 3)
    rotation: torch.Tensor  # (3, 3) all three
    ratio: torch.Tensor
    close_distance_m: torch.Tensor  # before the origin is known
    distance_m: torch.Tensor
    origin_terms_m: torch.Tensor  # (3, 3): fast, slow and normal (SAMPLE) or beam (BEAM) part of the origin
    pix0_before_rotation_m: torch.Tensor | None  # SAMPLE only
    pix0_after_rotz_m: torch.Tensor | None
    pix0_after_twotheta_m: torch.Tensor | None
    after_rotz: placement.Axes
    after_twotheta: placement.Axes
    pix0_m: torch.Tensor  # where the pivot puts the origin
    ORGX_pixels: torch.Tensor
    ORGY_pixels: torch.Tensor
    dials_origin_mm: torch.Tensor


class DetectorGeometry(NamedTuple):
    """Where every pixel is. Lengths in m, vectors (3,), laboratory frame."""

    n_fast: int
    n_slow: int
    pixel_size_m: torch.Tensor
    size_fast_m: torch.Tensor
    size_slow_m: torch.Tensor
    beam_vector: torch.Tensor
    polar_vector: torch.Tensor
    spindle_axis: torch.Tensor
    fdet: torch.Tensor
    sdet: torch.Tensor
    odet: torch.Tensor
    pix0_m: torch.Tensor  # the origin: as placed, or the vector that was stated
    close_distance_m: torch.Tensor
    distance_m: torch.Tensor
    Fclose_m: torch.Tensor
    Sclose_m: torch.Tensor
    Fbeam_m: torch.Tensor
    Sbeam_m: torch.Tensor
    curved: bool
    curved_axes: bool
    point_pixel: bool
    front_face: bool
    negative_back: bool
    construction: Construction


def build(
    detector: Detector, defects: frozenset[str], device: torch.device, hook: Hook | None = None
) -> DetectorGeometry:
    """Place the detector: rotate the basis, find the origin from the pivot, re-derive distances and centres."""

    def seen(name: str, value: torch.Tensor) -> torch.Tensor:
        return watched(hook, name, value)

    def axes_seen(step: str, axes: placement.Axes) -> placement.Axes:
        return placement.Axes(*(seen(f"{x}det_after_{step}", v) for x, v in zip("fso", axes, strict=True)))

    n_fast, n_slow, size_fast_m, size_slow_m = pixel_counts(detector)
    b = basis(detector, defects, device, hook)
    centre = beam_centre(detector, size_fast_m, size_slow_m, defects, device)
    centre = centre._replace(Fclose_m=seen("Fclose_m", centre.Fclose_m), Sclose_m=seen("Sclose_m", centre.Sclose_m))
    pivot = effective_pivot(detector, defects)
    angles = seen("angles_rad", placement.angles_rad(detector, device))
    matrices = zip(("Rx", "Ry", "Rz"), placement.rotation_matrices(angles), strict=True)
    turn = placement.Turn(*(seen(name, matrix) for name, matrix in matrices))
    rotation = seen("R_total", placement.combined_rotation(turn))
    initial = placement.Axes(b.fast, b.slow, b.normal)
    rotz = axes_seen("rotz", placement.rotated_axes(initial, turn))
    axes = axes_seen("twotheta", placement.swung_axes(rotz, b.twotheta, angles))
    keeps_close = placement.keeps_close_distance(detector, pivot, defects)
    ratio = seen("ratio", placement.ratio(b.beam, axes.normal if keeps_close else rotz.normal))
    close = seen("close_distance_m", placement.close_distance_m(detector, ratio))
    distance = seen("distance_m", placement.distance_m(close, ratio))
    before = after_rotz = after_twotheta = None
    if pivot == "SAMPLE":
        terms = _terms_seen(seen, _CLOSE_TERMS, placement.terms_from_close_point_m(centre, initial, close))
        before = seen("pix0_before_rotation", placement.sum_of_terms_m(terms))
        after_rotz = seen("pix0_after_rotz", placement.rotated_origin_m(before, turn))
        swung = placement.swung_origin_m(after_rotz, b.twotheta, angles)
        placed = after_twotheta = seen("pix0_after_twotheta", swung)
    else:
        fbeam, sbeam = placement.beam_spot_m(centre, axes, distance, b.beam)
        centre = centre._replace(Fbeam_m=seen("Fbeam_m", fbeam), Sbeam_m=seen("Sbeam_m", sbeam))
        terms = _terms_seen(seen, _BEAM_TERMS, placement.terms_from_beam_m(centre, axes, distance, b.beam))
        placed = seen("pix0_vector", placement.sum_of_terms_m(terms))
    pix0 = seen("pix0_m", placement.final_origin_m(detector, placed, defects))
    pixel_m = scalar(detector.pixel_size_m, device)
    final = _rederive(pix0, axes, b.beam, ratio, defects, hook)
    handed = axes._replace(fast=seen("fdet", axes.fast), slow=seen("sdet", axes.slow))
    construction = Construction(
        convention=detector.convention,
        pivot=pivot,
        centre=centre,
        twotheta_axis=b.twotheta,
        angles_rad=angles,
        initial=initial,
        turn=turn,
        rotation=rotation,
        ratio=ratio,
        close_distance_m=close,
        distance_m=distance,
        origin_terms_m=terms,
        pix0_before_rotation_m=before,
        pix0_after_rotz_m=after_rotz,
        pix0_after_twotheta_m=after_twotheta,
        after_rotz=rotz,
        after_twotheta=axes,
        pix0_m=placed,
        ORGX_pixels=final.Fclose_m / pixel_m + 0.5,
        ORGY_pixels=final.Sclose_m / pixel_m + 0.5,
        dials_origin_mm=1000.0 * torch.stack([pix0[2], pix0[1], -pix0[0]]),
    )
    return DetectorGeometry(
        n_fast=n_fast,
        n_slow=n_slow,
        pixel_size_m=pixel_m,
        size_fast_m=scalar(size_fast_m, device),
        size_slow_m=scalar(size_slow_m, device),
        beam_vector=b.beam,
        polar_vector=b.polar,
        spindle_axis=b.spindle,
        fdet=handed.fast,
        sdet=handed.slow,
        odet=handed.normal,
        pix0_m=pix0,
        **final._asdict(),
        curved=detector.curved,
        curved_axes="curved_axes" in defects,
        point_pixel=detector.point_pixel,
        front_face="layer_front_face" in defects,
        negative_back="back_face_negative" in defects,
        construction=construction,
    )


_CLOSE_TERMS = ("term_fast_before_rot", "term_slow_before_rot", "term_close_before_rot")
_BEAM_TERMS = ("term_fast", "term_slow", "term_beam")


def _terms_seen(seen: Hook, names: tuple[str, ...], terms: torch.Tensor) -> torch.Tensor:
    return torch.stack([seen(name, term) for name, term in zip(names, terms, strict=True)])


class _Distances(NamedTuple):
    """Distances (m), near point and beam spot (m, fast and slow) of the detector in its final place."""

    close_distance_m: torch.Tensor
    distance_m: torch.Tensor
    Fclose_m: torch.Tensor
    Sclose_m: torch.Tensor
    Fbeam_m: torch.Tensor
    Sbeam_m: torch.Tensor


def _rederive(
    pix0: torch.Tensor,
    axes: placement.Axes,
    beam: torch.Tensor,
    ratio: torch.Tensor,
    defects: frozenset[str],
    hook: Hook | None,
) -> _Distances:
    """Close point, distances and beam centre that the final origin implies (6.10) (6.11).

    With the defect `distance_without_twotheta` on, the distance uses the obliquity of the placement.
    """
    fast, slow, normal = axes
    close = watched(hook, "plane_distance_m", placement.plane_distance_m(pix0, normal))
    if "distance_without_twotheta" not in defects:
        ratio = placement.ratio(beam, normal)
    distance = placement.distance_m(close, ratio)
    to_beam = distance * beam - pix0
    return _Distances(
        close_distance_m=close,
        distance_m=distance,
        Fclose_m=-dot(pix0, fast),
        Sclose_m=-dot(pix0, slow),
        Fbeam_m=dot(fast, to_beam),
        Sbeam_m=dot(slow, to_beam),
    )


class PixelGeometry(NamedTuple):
    """Geometry of rays from the sample to points of the sensor; component first, one column a ray."""

    position_m: torch.Tensor  # (3, rays)
    distance_m: torch.Tensor  # (rays,) R
    direction: torch.Tensor  # (3, rays) d
    obliquity: torch.Tensor  # (rays,) cosine to the normal


def pixel_geometry(
    g: DetectorGeometry,
    fast_m: Float[torch.Tensor, " rays"],
    slow_m: Float[torch.Tensor, " rays"],
    depth_m: Float[torch.Tensor, " rays"],
    hook: Hook | None = None,
) -> PixelGeometry:
    """Position, distance and direction of points at (fast, slow, depth) of the sensor, all (rays,), in m.

    r = fast F + slow S + depth O + pix0; R = |r|; d = r / R. A curved detector wraps the plane around the sample.
    """
    position = watched(hook, "position_m", position_m(g, fast_m, slow_m, depth_m))
    distance = watched(hook, "pixel_distance_m", distance_m(position))
    towards = watched(hook, "direction", direction(position, distance))
    plane_m = g.close_distance_m if g.front_face or g.curved else g.close_distance_m + depth_m
    cosine = watched(hook, "obliquity", obliquity(plane_m, distance))
    return PixelGeometry(position, distance, towards, cosine)


def position_m(
    g: DetectorGeometry,
    fast_m: Float[torch.Tensor, " rays"],
    slow_m: Float[torch.Tensor, " rays"],
    depth_m: Float[torch.Tensor, " rays"],
) -> Float[torch.Tensor, "3 rays"]:
    """Positions (3, rays) of points at (fast, slow, depth) of the sensor (7.2)."""
    if g.curved and not g.curved_axes:
        return _on_sphere(g, fast_m, slow_m)
    fdet, sdet, odet, pix0 = (v.unsqueeze(1) for v in (g.fdet, g.sdet, g.odet, g.pix0_m))
    flat = fast_m * fdet + slow_m * sdet + depth_m * odet + pix0
    return _wrap(g, flat) if g.curved else flat


def distance_m(position_m: Float[torch.Tensor, "3 rays"]) -> Float[torch.Tensor, " rays"]:
    """Distance (rays,) of positions (3, rays) from the sample (7.4)."""
    return length(position_m)


def direction(
    position_m: Float[torch.Tensor, "3 rays"], distance_m: Float[torch.Tensor, " rays"]
) -> Float[torch.Tensor, "3 rays"]:
    """Unit vectors (3, rays) towards the positions (7.4)."""
    return position_m / distance_m


def obliquity(plane_m: torch.Tensor, distance_m: Float[torch.Tensor, " rays"]) -> Float[torch.Tensor, " rays"]:
    """Cosine (rays,) between each ray and the normal of the plane that is `plane_m` away."""
    return plane_m / distance_m


def _wrap(g: DetectorGeometry, flat: torch.Tensor) -> torch.Tensor:
    """The historic bent detector: lab y and z of the flat position, over the distance, are angles about S and F.

    Equation (7.3).
    """
    spot = (g.distance_m * g.beam_vector).expand(flat.shape[1], 3)
    return _bent(g, spot, flat[1] / g.distance_m, flat[2] / g.distance_m)


def _on_sphere(g: DetectorGeometry, fast_m: torch.Tensor, slow_m: torch.Tensor) -> torch.Tensor:
    """A sphere around the sample that touches the flat panel at its near point, with arcs along F and S from there.

    Equation (7.3).

    Rays run along its normal, so all layers see the same ones and the depth does not enter.
    """
    near = (g.close_distance_m * g.odet).expand(fast_m.shape[0], 3)
    left_handed = dot(cross(g.fdet, g.sdet), g.odet) < 0
    hand = torch.where(left_handed, -1.0, 1.0).to(fast_m.dtype)
    about_slow = hand * (fast_m - g.Fclose_m) / g.close_distance_m
    about_fast = -hand * (slow_m - g.Sclose_m) / g.close_distance_m
    return _bent(g, near, about_slow, about_fast)


def _bent(g: DetectorGeometry, start: torch.Tensor, about_slow: torch.Tensor, about_fast: torch.Tensor) -> torch.Tensor:
    """Positions (3, rays) of a point turned about S, then about F."""
    return rotations.about_axis(rotations.about_axis(start, g.sdet, about_slow), g.fdet, about_fast).T


def solid_angle_sr(g: DetectorGeometry, rays: PixelGeometry) -> Float[torch.Tensor, " rays"]:
    """Solid angle of a whole pixel seen along each ray: p^2/R^2 close/R, or 1/R^2 for point pixels (sr) (7.5)."""
    if g.point_pixel:
        return 1.0 / (rays.distance_m * rays.distance_m)
    return g.pixel_size_m * g.pixel_size_m / (rays.distance_m * rays.distance_m) * rays.obliquity


def capture_fraction(
    g: DetectorGeometry,
    rays: PixelGeometry,
    pitch_m: Float[torch.Tensor, ""],
    attenuation_per_m: Float[torch.Tensor, ""],
    layer: Float[torch.Tensor, "#rays"],
) -> Float[torch.Tensor, " rays"]:
    """Fraction of the photons absorbed in a layer: exp(-t dT mu/par) - exp(-(t+1) dT mu/par), par = d.O (7.6).

    A ray that comes from behind is absorbed in nothing; with the defect `back_face_negative` it counts negative.
    """
    par = incidence(g, rays.direction)
    front = par > 0
    per_layer = pitch_m * attenuation_per_m / (par if g.negative_back else torch.where(front, par, 1.0))
    absorbed = torch.exp(-layer * per_layer) - torch.exp(-(layer + 1) * per_layer)
    return absorbed if g.negative_back else torch.where(front, absorbed, 0.0)


def incidence(g: DetectorGeometry, direction: Float[torch.Tensor, "3 rays"]) -> Float[torch.Tensor, " rays"]:
    """Cosine (rays,) between rays and the sensor's normal, which a bent detector has along the ray."""
    if g.curved and not g.curved_axes:
        return torch.ones_like(direction[0])
    return along(g.odet, direction)
