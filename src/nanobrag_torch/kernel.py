"""The one place where the stages of the physics are chained. Section 7 of docs/physics.md.

A tile is a set of pixels, each sampled at layers and sub-pixels. `rays_of` takes pixels to rays, `illuminate` takes
rays and one source to scattering vectors, `diffract` takes those and a range of crystal orientations to intensities.
A `hook` sees every quantity by name where it is computed; without one nothing but results is kept.

Shapes: `rays` = samples x pixels, the pixels running fastest; `orientations` = phi steps x mosaic domains.

(7.1)  Fdet = p' (f n + v) + p'/2,  Sdet = p' (s n + u) + p'/2,  p' = p/n [m]
       Odet = t dT with layer_front_face;  (t + 1/2) dT without
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.model import Model
from nanobrag_torch.physics import lattice, polarization, scattering, structure_factor
from nanobrag_torch.physics import rays as sensor
from nanobrag_torch.physics.rays import PixelGeometry
from nanobrag_torch.physics.tensors import GEOMETRY_DTYPE, pairwise_sum


class Samples(NamedTuple):
    """Where in a pixel the rays end, in loop order: layer, slow sub-pixel, fast sub-pixel; each (samples,)."""

    layer: torch.Tensor
    sub_slow: torch.Tensor
    sub_fast: torch.Tensor


def samples_of(model: Model, first: int, last: int) -> Samples:
    """Samples number first .. last - 1."""
    return samples_at(model, torch.arange(first, last, device=model.real_m.device))


def samples_at(model: Model, index: torch.Tensor) -> Samples:
    """The samples of these numbers (samples,)."""
    n = model.oversample
    layer, within = index // (n * n), index % (n * n)
    return Samples(layer, within // n, within % n)


def rays_of(
    model: Model, fast: torch.Tensor, slow: torch.Tensor, samples: Samples, hook: Hook | None = None
) -> PixelGeometry:
    """Geometry of every (sample, pixel), flattened; `fast` and `slow` are pixel numbers (pixels,)."""
    g, n = model.geometry, model.oversample
    sub_pixel_m = g.pixel_size_m / n
    shape = (samples.layer.shape[0], fast.shape[0])

    def along(pixel: torch.Tensor, sub: torch.Tensor) -> torch.Tensor:
        position = pixel.to(GEOMETRY_DTYPE) * n + sub.unsqueeze(1)  # exact, as all whole numbers below 2^53 are
        return (sub_pixel_m * position + sub_pixel_m / 2.0).reshape(-1)

    into_layer = 0.0 if g.front_face else 0.5
    depth = (samples.layer.to(GEOMETRY_DTYPE) + into_layer) * model.layer_pitch_m
    depth = depth.unsqueeze(1).expand(shape).reshape(-1)
    return sensor.pixel_geometry(g, along(fast, samples.sub_fast), along(slow, samples.sub_slow), depth, hook)


def solid_angle_of(model: Model, rays: PixelGeometry, hook: Hook | None = None) -> torch.Tensor:
    """Solid angle of each ray's pixel (rays,)."""
    return watched(hook, "omega_sr", sensor.solid_angle_sr(model.geometry, rays))


def capture_of(model: Model, rays: PixelGeometry, samples: Samples, hook: Hook | None = None) -> torch.Tensor:
    """Fraction captured in the layer of each ray (rays,); 1 for a sensor without thickness."""
    if not model.absorbing:
        blank = "blank_without_thickness" in model.defects and model.factors.capture_per_term
        return torch.full_like(rays.distance_m, 0.0 if blank else 1.0)
    pixels = rays.distance_m.shape[0] // samples.layer.shape[0]
    layer = samples.layer.repeat_interleave(pixels).to(rays.distance_m.dtype)
    captured = sensor.capture_fraction(model.geometry, rays, model.layer_pitch_m, model.attenuation_per_m, layer)
    return watched(hook, "captured", captured)


class Illumination(NamedTuple):
    """What one source does to every ray."""

    q_per_m: torch.Tensor  # (3, rays)
    accepted: torch.Tensor | None  # (rays,) bool; None: no resolution limit


def illuminate(model: Model, rays: PixelGeometry, source: int, hook: Hook | None = None) -> Illumination:
    """Scattering vectors of one source, and which rays its resolution limit lets through."""
    q_per_m = scattering_vectors(model, rays, source, hook)
    if not model.resolution_limited:
        return Illumination(q_per_m, None)
    return Illumination(q_per_m, watched(hook, "accepted", scattering.accepted_by_resolution(q_per_m, model.d_min_m)))


def accepted_sample(
    values: torch.Tensor, accepted: torch.Tensor, pixels: int, last: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The first or last accepted sample of each pixel, whether there is one, and its value; of (samples * pixels,)."""
    values, accepted = values.view(-1, pixels), accepted.view(-1, pixels)
    samples = accepted.shape[0]
    if samples == 1:
        return torch.zeros_like(accepted[0], dtype=torch.int64), accepted[0], values[0]
    ordered = accepted.flip(0) if last else accepted
    sample = ordered.to(torch.int8).argmax(0)
    sample = samples - 1 - sample if last else sample
    return sample, accepted.any(0), values.gather(0, sample.unsqueeze(0))[0]


def scattering_vectors(model: Model, rays: PixelGeometry, source: int, hook: Hook | None = None) -> torch.Tensor:
    """q (3, rays) in 1/m for one source."""
    incident, wavelength_m = model.sources.incident[source], model.sources.wavelength_m[source]
    return watched(hook, "q_per_m", scattering.scattering_vector_per_m(rays.direction, incident, wavelength_m))


class Polarization(NamedTuple):
    """Polarization factor and cosine of the scattering angle of each ray."""

    polar: torch.Tensor
    cos_2theta: torch.Tensor


def polarize(model: Model, direction: torch.Tensor, source: int, hook: Hook | None = None) -> Polarization:
    """Kahn factor of directions (3, rays) for one source; 1 for an experiment without polarization."""
    incident = model.sources.incident[source]
    cosine = watched(hook, "cos_2theta", polarization.cos_2theta(incident, direction))
    if not model.factors.evaluate_polar:
        return Polarization(torch.ones_like(cosine), cosine)
    polar = polarization.factor(model.kahn, model.geometry.polar_vector, incident, direction, cosine)
    return Polarization(watched(hook, "kahn_factor", polar), cosine)


class Diffraction(NamedTuple):
    """What a range of orientations makes of scattering vectors, each (orientations, rays)."""

    intensity: torch.Tensor  # F_cell^2 F_latt^2, float64
    F_latt: torch.Tensor


def diffract(model: Model, q_per_m: torch.Tensor, first: int, last: int, hook: Hook | None = None) -> Diffraction:
    """Intensity of orientations first .. last - 1 for scattering vectors (3, rays).

    A hook sees every step between the two. It sees the lattice factor with its signs, which no intensity depends on and
    which are not worked out for anybody else.
    """
    miller = scattering.miller_indices(q_per_m, model.real_m[first:last], hook)
    F_cell = watched(hook, "F_cell", _amplitude(model, miller, hook))
    F_latt = _lattice(model, miller, hook)
    amplitude = (F_cell * F_latt).double()  # its square is beyond float32 where a peak is of 1e19 electrons
    return Diffraction(watched(hook, "intensity", amplitude * amplitude), F_latt)


def scattered(model: Model, q_per_m: torch.Tensor, first: int, last: int, hook: Hook | None = None) -> torch.Tensor:
    """Sum (rays,) of the intensities of orientations first .. last - 1."""
    return watched(hook, "sum_of_intensities", pairwise_sum(diffract(model, q_per_m, first, last, hook).intensity))


def _amplitude(model: Model, miller: scattering.MillerIndices, hook: Hook | None) -> torch.Tensor:
    if model.amplitudes.interpolate:
        return structure_factor.interpolated(model.amplitudes, miller.hkl, miller.rounded).to(model.dtype)
    amplitude = structure_factor.nearest(model.amplitudes, miller.rounded)
    return amplitude if hook is None else amplitude.expand(miller.rounded.shape[1:])  # one for all is shown for each


def _lattice(model: Model, miller: scattering.MillerIndices, hook: Hook | None) -> torch.Tensor:
    n, dtype = model.n_cells, model.dtype
    if model.shape == "SQUARE":
        return lattice.square(miller.rounded, miller.fraction, n, dtype, hook)
    if model.shape == "ROUND":
        return watched(hook, "F_latt", lattice.sphere(miller.fraction, n, model.fudge, dtype, model.sphere_closed_form))
    offset_sqr = lattice.offset_sqr(miller.fraction, model.cell.reciprocal_per_A, n, model.radius_all_cells)
    if model.shape == "GAUSS":
        return watched(hook, "F_latt", lattice.gauss(offset_sqr, n, model.fudge))
    return watched(hook, "F_latt", lattice.tophat(offset_sqr, n, model.fudge, dtype))
