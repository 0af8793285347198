"""The one place where the stages of the physics are chained.

A tile is a set of pixels, each sampled at layers and sub-pixels. `rays_of` takes pixels to rays, `illuminate` takes
rays and one source to scattering vectors, `diffract` takes those and a range of crystal orientations to intensities.
Each returns every quantity it computed by name; the image sums them and the trace prints them.

Shapes: `rays` = samples x pixels, the pixels running fastest; `orientations` = phi steps x mosaic domains.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from nanobrag_torch.model import Model
from nanobrag_torch.physics import detector, lattice, polarization, scattering, structure_factor
from nanobrag_torch.physics.detector import PixelGeometry
from nanobrag_torch.physics.tensors import GEOMETRY_DTYPE, are_in_registers, pairwise_sum


class Samples(NamedTuple):
    """Where in a pixel the rays end, in loop order: layer, slow sub-pixel, fast sub-pixel; each (samples,)."""

    layer: torch.Tensor
    sub_slow: torch.Tensor
    sub_fast: torch.Tensor


def samples_of(model: Model, first: int, last: int) -> Samples:
    """Samples number first .. last - 1."""
    index = torch.arange(first, last, device=model.real_m.device)
    n = model.oversample
    layer, within = index // (n * n), index % (n * n)
    return Samples(layer, within // n, within % n)


def rays_of(model: Model, fast: torch.Tensor, slow: torch.Tensor, samples: Samples) -> PixelGeometry:
    """Geometry of every (sample, pixel), flattened; `fast` and `slow` are pixel numbers (pixels,)."""
    g, n = model.geometry, model.oversample
    sub_pixel_m = g.pixel_size_m / n
    shape = (samples.layer.shape[0], fast.shape[0])

    def along(pixel: torch.Tensor, sub: torch.Tensor) -> torch.Tensor:
        place = pixel.to(GEOMETRY_DTYPE) * n + sub.unsqueeze(1)  # exact, as all whole numbers below 2^53 are
        return (sub_pixel_m * place + sub_pixel_m / 2.0).reshape(-1)

    into_layer = 0.0 if g.front_face else 0.5
    depth = (samples.layer.to(GEOMETRY_DTYPE) + into_layer) * model.layer_pitch_m
    depth = depth.unsqueeze(1).expand(shape).reshape(-1)
    return detector.pixel_geometry(g, along(fast, samples.sub_fast), along(slow, samples.sub_slow), depth)


def capture_of(model: Model, rays: PixelGeometry, samples: Samples) -> torch.Tensor:
    """Fraction captured in the layer of each ray (rays,); 1 for a sensor without thickness."""
    if not model.absorbing:
        blank = "blank_without_thickness" in model.defects and model.factors.capture_per_term
        return torch.full_like(rays.distance_m, 0.0 if blank else 1.0)
    pixels = rays.distance_m.shape[0] // samples.layer.shape[0]
    layer = samples.layer.repeat_interleave(pixels).to(rays.distance_m.dtype)
    return detector.capture_fraction(model.geometry, rays, model.layer_pitch_m, model.attenuation_per_m, layer)


class Illumination(NamedTuple):
    """What one source does to every ray."""

    q_per_m: torch.Tensor  # (3, rays)
    accepted: torch.Tensor | None  # (rays,) bool; None: no resolution limit


def illuminate(model: Model, rays: PixelGeometry, source: int) -> Illumination:
    """Scattering vectors of one source, and which rays its resolution limit lets through."""
    q_per_m = scattering_vectors(model, rays, source)
    accepted = scattering.accepted_by_resolution(q_per_m, model.d_min_m) if model.resolution_limited else None
    return Illumination(q_per_m, accepted)


def scattering_vectors(model: Model, rays: PixelGeometry, source: int) -> torch.Tensor:
    """q (3, rays) in 1/m for one source."""
    incident, wavelength_m = model.sources.incident[source], model.sources.wavelength_m[source]
    return scattering.scattering_vector_per_m(rays.direction, incident, wavelength_m)


class Polarization(NamedTuple):
    """Polarization factor and cosine of the scattering angle of each ray."""

    polar: torch.Tensor
    cos_2theta: torch.Tensor


def polarize(model: Model, direction: torch.Tensor, source: int) -> Polarization:
    """Kahn factor of directions (3, rays) for one source; 1 for an experiment without polarization."""
    incident = model.sources.incident[source]
    cosine = polarization.cos_2theta(incident, direction)
    if not model.factors.evaluate_polar:
        return Polarization(torch.ones_like(cosine), cosine)
    return Polarization(
        polarization.factor(model.kahn, model.geometry.polar_vector, incident, direction, cosine), cosine
    )


class Diffraction(NamedTuple):
    """Every quantity between a scattering vector and its intensity, for a range of orientations.

    `hkl`, `hkl_rounded`, `F_latt_axes`: (3, orientations, rays); the others (orientations, rays). All but `intensity`
    are None unless the intermediates were asked for.
    """

    intensity: torch.Tensor  # F_cell^2 F_latt^2
    F_cell: torch.Tensor | None
    F_latt: torch.Tensor | None
    F_latt_axes: torch.Tensor | None
    hkl: torch.Tensor | None
    hkl_rounded: torch.Tensor | None


def diffract(model: Model, q_per_m: torch.Tensor, first: int, last: int, keep: bool) -> Diffraction:
    """Intensity of orientations first .. last - 1 for scattering vectors (3, rays).

    `keep`: return the intermediates with the signs of the lattice factor too. Without it they are let go as soon as
    they have been used, and the signs, which no intensity depends on, are not worked out.
    """
    miller = scattering.miller_indices(q_per_m, model.real_m[first:last])
    F_cell = _amplitude(model, miller)
    factor = _lattice(model, miller, keep)
    amplitude = F_cell * factor.F_latt
    intensity = amplitude * amplitude
    if not keep:
        return Diffraction(intensity, None, None, None, None, None)
    F_cell = F_cell.expand(intensity.shape)
    return Diffraction(intensity, F_cell, factor.F_latt, factor.along_axes, miller.hkl, miller.rounded)


def scattered(model: Model, q_per_m: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """Sum (rays,) float64 of the intensities of orientations first .. last - 1.

    Compiled code adds in registers and can afford float64 for it; eager code adds by halves.
    """
    intensity = diffract(model, q_per_m, first, last, False).intensity
    return intensity.double().sum(0) if are_in_registers() else pairwise_sum(intensity).double()


def _amplitude(model: Model, miller: scattering.MillerIndices) -> torch.Tensor:
    if model.amplitudes.interpolate:
        return structure_factor.interpolated(model.amplitudes, miller.hkl, miller.rounded).to(model.dtype)
    return structure_factor.nearest(model.amplitudes, miller.rounded)


def _lattice(model: Model, miller: scattering.MillerIndices, signed: bool) -> lattice.LatticeFactor:
    n, dtype = model.n_cells, model.dtype
    if model.shape == "SQUARE":
        return lattice.square(miller.rounded, miller.fraction, n, dtype, signed)
    if model.shape == "ROUND":
        return lattice.sphere(miller.fraction, n, model.fudge, dtype, model.sphere_closed_form)
    offset_sqr = lattice.offset_sqr(miller.fraction, model.cell.reciprocal_per_A, n, model.radius_all_cells)
    if model.shape == "GAUSS":
        return lattice.gauss(offset_sqr, n, model.fudge)
    return lattice.tophat(offset_sqr, n, model.fudge, dtype)
