"""The detector: basis, pivot, origin, pixel positions, solid angle and absorption."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from nanobrag_torch.parameters import Detector
from nanobrag_torch.physics import placement, rotations
from nanobrag_torch.physics.conventions import CONVENTIONS, BeamCentre, beam_centre, effective_pivot, pixel_counts
from nanobrag_torch.physics.tensors import along, cross, dot, length, scalar, unit, vector


class DetectorGeometry(NamedTuple):
    """Where every pixel is, with the steps that led there. Lengths in m, vectors (3,), laboratory frame."""

    convention: str
    pivot: str
    n_fast: int
    n_slow: int
    pixel_size_m: torch.Tensor
    size_fast_m: torch.Tensor
    size_slow_m: torch.Tensor
    centre: BeamCentre
    beam_vector: torch.Tensor
    polar_vector: torch.Tensor
    spindle_axis: torch.Tensor
    twotheta_axis: torch.Tensor
    angles_rad: torch.Tensor  # (4,) rotx, roty, rotz, twotheta
    initial_fdet: torch.Tensor
    initial_sdet: torch.Tensor
    initial_odet: torch.Tensor
    rotation_x: torch.Tensor  # (3, 3)
    rotation_y: torch.Tensor
    rotation_z: torch.Tensor
    rotation: torch.Tensor
    ratio: torch.Tensor
    placed_close_distance_m: torch.Tensor  # before the origin is known
    placed_distance_m: torch.Tensor
    origin_terms_m: torch.Tensor  # (3, 3): fast, slow and normal (SAMPLE) or beam (BEAM) part of the origin
    pix0_before_rotation_m: torch.Tensor | None  # SAMPLE only
    pix0_after_rotz_m: torch.Tensor | None
    pix0_after_twotheta_m: torch.Tensor | None
    fdet_after_rotz: torch.Tensor
    sdet_after_rotz: torch.Tensor
    odet_after_rotz: torch.Tensor
    fdet: torch.Tensor
    sdet: torch.Tensor
    odet: torch.Tensor
    placed_pix0_m: torch.Tensor  # where the pivot puts the origin
    pix0_m: torch.Tensor  # where it is: the same, or the vector given
    close_distance_m: torch.Tensor
    distance_m: torch.Tensor
    Fclose_m: torch.Tensor
    Sclose_m: torch.Tensor
    Fbeam_m: torch.Tensor
    Sbeam_m: torch.Tensor
    ORGX_pixels: torch.Tensor
    ORGY_pixels: torch.Tensor
    dials_origin_mm: torch.Tensor
    curved: bool
    curved_axes: bool
    point_pixel: bool
    front_face: bool
    negative_back: bool


class Basis(NamedTuple):
    """Unit vectors of beam, detector and axes before any rotation."""

    beam: torch.Tensor
    fast: torch.Tensor
    slow: torch.Tensor
    normal: torch.Tensor
    twotheta: torch.Tensor
    polar: torch.Tensor
    spindle: torch.Tensor


def basis(detector: Detector, defects: frozenset[str], device: torch.device) -> Basis:
    """Vectors of the convention, or in CUSTOM those given, normalised.

    A detector normal whose length is not exactly 1 gives way to unit(F x S); with the defect `normal_exact_length` off
    it does so only where no normal was given. Its sign points it downstream, unless by the defect
    `normal_by_handedness`.
    """
    table = CONVENTIONS[detector.convention]

    def choose(name: str) -> torch.Tensor:
        chosen = getattr(detector, name) if detector.convention == "CUSTOM" else None
        return vector(getattr(table, name) if chosen is None else chosen, device)

    fast, slow = unit(choose("fdet_vector")), unit(choose("sdet_vector"))
    beam = unit(choose("beam_vector"))
    normal = detector_normal(detector, fast, slow, choose("odet_vector"), beam, defects)
    twotheta = choose("twotheta_axis")
    if "axis_not_normalised" not in defects:
        twotheta = unit(twotheta)
    polar, spindle = unit(choose("polar_vector")), unit(choose("spindle_axis"))
    return Basis(beam, fast, slow, normal, twotheta, polar, spindle)


def detector_normal(
    detector: Detector,
    fast: torch.Tensor,
    slow: torch.Tensor,
    stated: torch.Tensor,
    beam: torch.Tensor,
    defects: frozenset[str],
) -> torch.Tensor:
    """The stated normal, or that of F and S: see `basis`."""
    product = unit(cross(fast, slow))
    if "normal_by_handedness" not in defects and dot(product, beam) < 0:
        product = -product
    if "normal_exact_length" in defects or detector.convention != "CUSTOM":
        return stated if _plain_length(stated) == 1.0 else product
    return product if detector.odet_vector is None else unit(stated)


def _plain_length(v: torch.Tensor) -> float:
    x, y, z = v.detach().tolist()
    return math.sqrt(x * x + y * y + z * z)


def build(detector: Detector, defects: frozenset[str], device: torch.device) -> DetectorGeometry:
    """Place the detector: rotate the basis, find the origin from the pivot, re-derive distances and centres."""
    n_fast, n_slow, size_fast_m, size_slow_m = pixel_counts(detector)
    b = basis(detector, defects, device)
    centre = beam_centre(detector, size_fast_m, size_slow_m, defects, device)
    pivot = effective_pivot(detector, defects)
    angles = placement.angles_rad(detector, device)
    rx, ry, rz = placement.rotation_matrices(angles)
    rotation = placement.combined_rotation(rx, ry, rz)
    initial = placement.Axes(b.fast, b.slow, b.normal)
    rotz = placement.rotated_axes(initial, angles)
    axes = placement.swung_axes(rotz, b.twotheta, angles)
    keeps_close = placement.keeps_close_distance(detector, pivot, defects)
    ratio = placement.ratio(b.beam, axes.normal if keeps_close else rotz.normal)
    close = placement.close_distance_m(detector, ratio)
    distance = placement.distance_m(close, ratio)
    before = after_rotz = after_twotheta = None
    if pivot == "SAMPLE":
        terms = placement.terms_from_close_point_m(centre, initial, close)
        before = placement.sum_of_terms_m(terms)
        after_rotz = placement.rotated_origin_m(before, angles)
        placed = after_twotheta = placement.swung_origin_m(after_rotz, b.twotheta, angles)
    else:
        spot = placement.beam_spot_m(centre, axes, distance, b.beam)
        centre = centre._replace(Fbeam_m=spot[0], Sbeam_m=spot[1])
        terms = placement.terms_from_beam_m(spot, axes, distance, b.beam)
        placed = placement.sum_of_terms_m(terms)
    pix0 = placement.final_origin_m(detector, placed, defects)
    pixel_m = scalar(detector.pixel_size_m, device)
    final = _rederive(pix0, axes, b.beam, ratio, pixel_m, defects)
    return DetectorGeometry(
        detector.convention, pivot, n_fast, n_slow, pixel_m, scalar(size_fast_m, device), scalar(size_slow_m, device),
        centre, b.beam, b.polar, b.spindle, b.twotheta, angles, b.fast, b.slow, b.normal, rx, ry, rz, rotation, ratio,
        close, distance, terms, before, after_rotz, after_twotheta, *rotz, *axes, placed, pix0,
        **final, curved=detector.curved, curved_axes="curved_axes" in defects, point_pixel=detector.point_pixel,
        front_face="layer_front_face" in defects, negative_back="back_face_negative" in defects,
    )  # fmt: skip


def _rederive(pix0, axes: placement.Axes, beam, ratio, pixel_m, defects) -> dict[str, torch.Tensor]:
    """Close point, distances and beam centre that the final origin implies.

    With the defect `distance_without_twotheta` on, the distance uses the obliquity of the placement.
    """
    fast, slow, normal = axes
    close = placement.plane_distance_m(pix0, normal)
    if "distance_without_twotheta" not in defects:
        ratio = placement.ratio(beam, normal)
    distance = placement.distance_m(close, ratio)
    to_beam = distance * beam - pix0
    fclose, sclose = -dot(pix0, fast), -dot(pix0, slow)
    return {
        "close_distance_m": close,
        "distance_m": distance,
        "Fclose_m": fclose,
        "Sclose_m": sclose,
        "Fbeam_m": dot(fast, to_beam),
        "Sbeam_m": dot(slow, to_beam),
        "ORGX_pixels": fclose / pixel_m + 0.5,
        "ORGY_pixels": sclose / pixel_m + 0.5,
        "dials_origin_mm": 1000.0 * torch.stack([pix0[2], pix0[1], -pix0[0]]),
    }


class PixelGeometry(NamedTuple):
    """Geometry of rays from the sample to points of the sensor; component first, one column a ray."""

    position_m: torch.Tensor  # (3, rays)
    distance_m: torch.Tensor  # (rays,) R
    direction: torch.Tensor  # (3, rays) d
    obliquity: torch.Tensor  # (rays,) cosine to the normal


def pixel_geometry(
    g: DetectorGeometry, fast_m: torch.Tensor, slow_m: torch.Tensor, depth_m: torch.Tensor
) -> PixelGeometry:
    """Position, distance and direction of points at (fast, slow, depth) of the sensor, all (rays,), in m.

    r = fast F + slow S + depth O + pix0; R = |r|; d = r / R. A curved detector wraps the plane around the sample.
    """
    position = position_m(g, fast_m, slow_m, depth_m)
    distance = distance_m(position)
    plane = g.close_distance_m if g.front_face or g.curved else g.close_distance_m + depth_m
    return PixelGeometry(position, distance, direction(position, distance), obliquity(plane, distance))


def position_m(g: DetectorGeometry, fast_m: torch.Tensor, slow_m: torch.Tensor, depth_m: torch.Tensor) -> torch.Tensor:
    """Positions (3, rays) of points at (fast, slow, depth) of the sensor."""
    if g.curved and not g.curved_axes:
        return _on_sphere(g, fast_m, slow_m)
    fdet, sdet, odet, pix0 = (v.unsqueeze(1) for v in (g.fdet, g.sdet, g.odet, g.pix0_m))
    flat = fast_m * fdet + slow_m * sdet + depth_m * odet + pix0
    return _wrap(g, flat) if g.curved else flat


def distance_m(position_m: torch.Tensor) -> torch.Tensor:
    """Distance (rays,) of positions (3, rays) from the sample."""
    return length(position_m)


def direction(position_m: torch.Tensor, distance_m: torch.Tensor) -> torch.Tensor:
    """Unit vectors (3, rays) towards the positions."""
    return position_m / distance_m


def obliquity(plane_m: torch.Tensor, distance_m: torch.Tensor) -> torch.Tensor:
    """Cosine (rays,) between each ray and the normal of the plane that is `plane_m` away."""
    return plane_m / distance_m


def _wrap(g: DetectorGeometry, flat: torch.Tensor) -> torch.Tensor:
    """The historic bent detector: lab y and z of the flat position, over the distance, are angles about S and F."""
    spot = (g.distance_m * g.beam_vector).expand(flat.shape[1], 3)
    return _bent(g, spot, flat[1] / g.distance_m, flat[2] / g.distance_m)


def _on_sphere(g: DetectorGeometry, fast_m: torch.Tensor, slow_m: torch.Tensor) -> torch.Tensor:
    """A sphere around the sample that touches the flat panel at its near point, with arcs along F and S from there.

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


def solid_angle_sr(g: DetectorGeometry, rays: PixelGeometry) -> torch.Tensor:
    """Solid angle of a whole pixel seen along each ray: p^2/R^2 close/R, or 1/R^2 for point pixels (sr)."""
    if g.point_pixel:
        return 1.0 / (rays.distance_m * rays.distance_m)
    return g.pixel_size_m * g.pixel_size_m / (rays.distance_m * rays.distance_m) * rays.obliquity


def capture_fraction(
    g: DetectorGeometry,
    rays: PixelGeometry,
    pitch_m: torch.Tensor,
    attenuation_per_m: torch.Tensor,
    layer: torch.Tensor,
) -> torch.Tensor:
    """Fraction of the photons absorbed in a layer: exp(-t dT mu/par) - exp(-(t+1) dT mu/par), par = d.O.

    A ray that comes from behind is absorbed in nothing; with the defect `back_face_negative` it counts negative.
    """
    par = incidence(g, rays.direction)
    front = par > 0
    per_layer = pitch_m * attenuation_per_m / (par if g.negative_back else torch.where(front, par, 1.0))
    absorbed = torch.exp(-layer * per_layer) - torch.exp(-(layer + 1) * per_layer)
    return absorbed if g.negative_back else torch.where(front, absorbed, 0.0)


def incidence(g: DetectorGeometry, direction: torch.Tensor) -> torch.Tensor:
    """Cosine (rays,) between rays and the sensor's normal, which a bent detector has along the ray."""
    if g.curved and not g.curved_axes:
        return torch.ones_like(direction[0])
    return along(g.odet, direction)
