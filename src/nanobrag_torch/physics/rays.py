"""A ray to the sensor: position, distance, direction, solid angle and absorption. Section 7 of docs/physics.md.

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
from nanobrag_torch.physics import rotations
from nanobrag_torch.physics.detector_geometry import DetectorGeometry
from nanobrag_torch.physics.tensors import along, cross, dot, length

if TYPE_CHECKING:
    from jaxtyping import Float


class PixelGeometry(NamedTuple):
    """Geometry of rays from the sample to points of the sensor; component first, one column a ray."""

    position_m: Float[torch.Tensor, "3 rays"]
    distance_m: Float[torch.Tensor, " rays"]  # R
    direction: Float[torch.Tensor, "3 rays"]  # d
    obliquity: Float[torch.Tensor, " rays"]  # cosine to the normal


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
    """close/R, the cosine between each ray and the normal of the plane that is `plane_m` away (7.5)."""
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

    Rays run along its normal, so all layers see the same rays and the depth has no effect.
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

    A ray from behind is not absorbed; with the defect `back_face_negative` it counts negative.
    """
    par = incidence(g, rays.direction)
    front = par > 0
    per_layer = pitch_m * attenuation_per_m / (par if g.negative_back else torch.where(front, par, 1.0))
    absorbed = torch.exp(-layer * per_layer) - torch.exp(-(layer + 1) * per_layer)
    return absorbed if g.negative_back else torch.where(front, absorbed, 0.0)


def incidence(g: DetectorGeometry, direction: Float[torch.Tensor, "3 rays"]) -> Float[torch.Tensor, " rays"]:
    """d.O, the cosine between rays and the sensor's normal; 1 for a curved detector, whose normal is the ray (7.6)."""
    if g.curved and not g.curved_axes:
        return torch.ones_like(direction[0])
    return along(g.odet, direction)
