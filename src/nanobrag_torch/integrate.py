"""The sum over everything a pixel sees: layers, sub-pixels, sources, spindle steps and mosaic domains.

Section 12 of docs/physics.md.

One pass holds a bounded number of (orientation, ray) pairs, so memory depends on the tile and never on the experiment.

(12.1) I = sum over layers, sub-pixels, sources, spindle steps and domains of F_cell^2 F_latt^2 w
(12.5) I += water steps/(r_e^2 fluence) sum(cap polar omega w)/(n_src n^2) without water_rescaled
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from nanobrag_torch import kernel
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.hooks import Hook, Hooks, at, watched
from nanobrag_torch.model import Model
from nanobrag_torch.physics import scaling
from nanobrag_torch.physics.rays import PixelGeometry

NO_RANK = torch.iinfo(torch.int64).max


class PixelSums(NamedTuple):
    """Result of a tile, each (pixels,) float64: the sum before scaling, the stored factors, and photons."""

    background: torch.Tensor
    intensity: torch.Tensor
    capture_fraction: torch.Tensor
    polar: torch.Tensor
    omega_sr: torch.Tensor
    photons: torch.Tensor


class TermFactors(NamedTuple):
    """Factors applied to every term of one source, each (rays,) or a 0-d one."""

    capture: torch.Tensor
    polar: torch.Tensor
    omega: torch.Tensor

    @property
    def product(self) -> torch.Tensor:
        return self.capture * self.polar * self.omega


class TileSum:
    """The running state of one tile: the sum, and the factors that the final scaling will use.

    `run` goes through all samples and sources; compiled code does so by loops of its own around one of each.
    """

    def __init__(
        self, model: Model, fast: torch.Tensor, slow: torch.Tensor, backend: Backend | None, hooks: Hooks | None
    ):
        self.model, self.fast, self.slow, self.hooks = model, fast, slow, hooks
        self.source_count, self.layers, self.steps = model.source_count, model.layers, model.steps
        self.backend = EagerBackend(model) if backend is None else backend
        zero = torch.zeros(fast.shape[0], dtype=torch.float64, device=fast.device)
        self.one = torch.ones((), dtype=torch.float64, device=fast.device)
        self.background = zero + model.background if model.factors.rescale_water else zero
        if model.factors.rescale_water or not model.has_water:  # elsewhere it is worked out after the sum
            self.background = watched(at(hooks), "I_background", self.background)
        self.total = self.background
        self.omega = self.capture = zero
        self.polar = self.one.expand_as(zero) if model.factors.unpolarized else zero
        self.water = zero  # sum over layers, sub-pixels and sources of the factors that multiply each term
        self.polar_rank: torch.Tensor | None = None

    def run(self) -> PixelSums:
        step = 1 if self.model.factors.running_product else max(1, self.backend.rays_at_once // self.fast.shape[0])
        for first in range(0, self.model.samples, step):
            self._add_samples(first, min(first + step, self.model.samples))
        return self.finish()

    def _add_samples(self, first: int, last: int) -> None:
        model, hook = self.model, at(self.hooks, first)
        samples = kernel.samples_of(model, first, last)
        rays = self.backend.rays(self.fast, self.slow, samples, hook)
        omega, capture = self._store_omega(rays, first, hook), self._store_capture(rays, samples, first, last, hook)
        of_rays: torch.Tensor | None = None
        for source in range(model.source_count):
            of_rays = self._add_source(of_rays, rays, source, (first, last - first), omega, capture)
        if of_rays is not None:
            # one sample after the other, so that the sum does not depend on how many a pass holds
            for of_sample in of_rays.view(-1, self.fast.shape[0]):
                self.total = self.total + of_sample
        if hook is not None and last == model.samples:
            hook("last_cos_2theta", self.backend.cos_2theta(rays, model.source_count - 1))

    def _add_source(
        self,
        of_rays: torch.Tensor | None,
        rays: PixelGeometry,
        source: int,
        held: tuple[int, int],
        omega: torch.Tensor,
        capture: torch.Tensor,
    ) -> torch.Tensor | None:
        """The sum of every ray with the part of one source; the pass holds samples from number held[0] on, held[1]."""
        (first, samples), model = held, self.model
        there = at(self.hooks, first, source)
        light = self.backend.illuminate(rays, source, there)
        polar = self._store_polar(rays, light, source, first)
        weights = TermFactors(
            watched(there, "term_capture", capture),
            watched(there, "term_polar", polar),
            watched(there, "term_omega_sr", omega),
        )
        if model.has_water and not model.factors.rescale_water:
            self._add_water(light, source, weights, rays_in_pass=samples * self.fast.shape[0])
        return self._add_terms(of_rays, light, source, weights, first)

    def _add_terms(
        self,
        of_rays: torch.Tensor | None,
        light: kernel.Illumination,
        source: int,
        weights: TermFactors,
        sample: int,
    ) -> torch.Tensor | None:
        """The sum of every ray with this source's part; None while nothing but the running product is kept."""
        model, factors = self.model, weights.product
        share = self.one if model.sources.weight is None else model.sources.weight[source]
        weight = watched(at(self.hooks, sample, source), "term_weight", factors * share)
        count = model.real_m.shape[0]
        step = self.backend.orientations
        for first in range(0, count, step):
            last, hook = min(first + step, count), at(self.hooks, sample, source, first)
            if model.factors.running_product:
                result = kernel.diffract(model, light.q_per_m, first, last, hook)
                terms = result.intensity * share
                counted = torch.ones_like(terms) if model.has_water else (result.F_latt != 0).double()
                self._multiply_running(terms, counted, light.accepted, factors.expand(terms.shape[1:]))
                continue
            intensity = self.backend.scattered(light, first, last, hook) * weight
            intensity = intensity if light.accepted is None else intensity * light.accepted
            of_rays = intensity if of_rays is None else of_rays + intensity
        return of_rays

    def _add_water(self, light: kernel.Illumination, source: int, weights: TermFactors, rays_in_pass: int) -> None:
        """Water scatters in all directions, so no resolution limit applies, and its polarization is that of the ray."""
        polar = weights.polar
        if light.accepted is not None and self.model.factors.unpolarized:
            polar = torch.where(light.accepted, polar, self.one)
        share = self.one if self.model.sources.weight is None else self.model.sources.weight[source]
        of_rays = (weights.capture * polar * weights.omega * share).expand(rays_in_pass)
        for of_sample in of_rays.view(-1, self.fast.shape[0]):
            self.water = self.water + of_sample

    def _multiply_running(
        self, intensity: torch.Tensor, counted: torch.Tensor, accepted: torch.Tensor | None, weight: torch.Tensor
    ) -> None:
        """I <- (I + term) weight after every term that is counted (1, not 0): the historic compounding of factors."""
        if accepted is not None:
            counted = counted * accepted
        remaining = counted.flip(0).cumsum(0).flip(0)
        self.total = self.total * weight ** remaining[0] + (intensity * counted * weight**remaining).sum(0)

    def _store_omega(self, rays: PixelGeometry, first: int, hook: Hook | None) -> torch.Tensor:
        """Solid angle of the first sample for the whole pixel, or of every ray where it is applied term by term."""
        if self.model.factors.omega_per_term:
            omega = self.backend.solid_angle_sr(rays, hook)
            self.omega = omega[-self.fast.shape[0] :]
            return omega
        if first == 0:
            self.omega = self.backend.solid_angle_sr(self.backend.of_sample(rays, 0, self.fast.shape[0]), hook)
        return self.one

    def _store_capture(
        self, rays: PixelGeometry, samples: kernel.Samples, first: int, last: int, hook: Hook | None
    ) -> torch.Tensor:
        """Capture fraction of the last layer's first sub-pixel, or of every ray where it is applied term by term."""
        model, pixels = self.model, self.fast.shape[0]
        if model.factors.capture_per_term:
            capture = self.backend.capture(rays, samples, hook)
            self.capture = capture[-pixels:]
            return capture
        chosen = (model.layers - 1) * model.oversample**2 - first
        if 0 <= chosen < last - first:
            one_sample = kernel.Samples(*(field[chosen : chosen + 1] for field in samples))
            self.capture = self.backend.capture(self.backend.of_sample(rays, chosen, pixels), one_sample, hook)
        return self.one

    def _store_polar(self, rays: PixelGeometry, light: kernel.Illumination, source: int, first: int) -> torch.Tensor:
        """Polarization of the first sample and source that the resolution limit accepts, or of every ray."""
        model, pixels, hook = self.model, self.fast.shape[0], at(self.hooks, first, source)
        if model.factors.polar_per_term:
            polar = self.backend.polar(rays, light, source, hook)
            if light.accepted is None:
                self.polar = polar[-pixels:]
            else:
                self._store_accepted(polar, light.accepted, source, first, last=True)
            return polar
        if not model.factors.evaluate_polar:
            self.polar = self.one.expand(pixels)
        elif light.accepted is not None:
            self._store_accepted(self.backend.polar(rays, light, source, hook), light.accepted, source, first)
        elif first == 0 and source == 0:
            self.polar = self.backend.polar(self.backend.of_sample(rays, 0, pixels), light, source, hook)
        return self.one

    def _store_accepted(
        self, polar: torch.Tensor, accepted: torch.Tensor, source: int, first: int, last: bool = False
    ) -> None:
        """Polarization of the first or last sample and source that the resolution limit accepts; else unchanged."""
        if self.polar_rank is None:
            self.polar_rank = torch.full_like(self.fast, -1 if last else NO_RANK, dtype=torch.int64)
        sample, any_accepted, of_sample = kernel.accepted_sample(polar, accepted, self.fast.shape[0], last)
        rank = self._rank(first, sample, source)
        better = any_accepted & (rank > self.polar_rank if last else rank < self.polar_rank)
        self.polar = torch.where(better, of_sample, self.polar)
        self.polar_rank = torch.where(better, rank, self.polar_rank)

    def _rank(self, first: int, sample: torch.Tensor, source: int) -> torch.Tensor:
        """The turn in which a source lights one of the samples of a pass that begins with number `first`."""
        return (first + sample) * self.source_count + source

    def finish(self) -> PixelSums:
        model, used, hook = self.model, self.model.factors, at(self.hooks)
        pixels, unscaled_water = self.total.shape, not self.model.factors.rescale_water and self.model.has_water
        polar = self._polar_of_water() if unscaled_water else self.polar
        capture = watched(hook, "capture_fraction", self.capture.expand(pixels))
        polar = watched(hook, "polar", polar.expand(pixels))
        omega_sr = watched(hook, "omega_of_pixel_sr", self.omega.expand(pixels))
        steps = watched(hook, "steps", self.steps)
        background = self.background
        per_term = (used.capture_per_term, used.polar_per_term, used.omega_per_term)
        remaining = [f for f, each in zip((capture, polar, omega_sr), per_term, strict=True) if not each]
        if unscaled_water:
            background = watched(hook, "I_background", self._water_once(steps))
            self.total = self.total + background
        total = watched(hook, "I_before_scaling", self.total)
        photons = scaling.photons(total, model.fluence_photons_per_m2, steps, model.r_e_sqr_m2, tuple(remaining))
        return PixelSums(background, total, capture, polar, omega_sr, watched(hook, "photons", photons))

    def _water_once(self, steps: int) -> torch.Tensor:
        """The background so that the final scaling leaves the photons that the water scatters.

        Its factors are their mean over sub-pixels, their weighted mean over sources and their sum over layers; the last
        layer's stands for all where the capture fraction does not multiply each term.
        """
        model = self.model
        sub_pixels = model.oversample * model.oversample
        rays = self.source_count * sub_pixels * (1 if model.factors.capture_per_term else self.layers)
        unscaled = scaling.unscaled(model.background, model.fluence_photons_per_m2, steps, model.r_e_sqr_m2)
        return unscaled * (self.water / rays)

    def _polar_of_water(self) -> torch.Tensor:
        """The stored polarization, or where the resolution limit let nothing through that of the last sample."""
        model = self.model
        if not (model.resolution_limited and model.factors.evaluate_polar):
            return self.polar
        rays = kernel.rays_of(model, self.fast, self.slow, self._last_sample())
        cut = kernel.polarize(model, rays.direction, model.source_count - 1).polar
        return torch.where(self.polar == 0, cut, self.polar)

    def _last_sample(self) -> kernel.Samples:
        return kernel.samples_of(self.model, self.model.samples - 1, self.model.samples)


def integrate(
    model: Model,
    fast: torch.Tensor,
    slow: torch.Tensor,
    backend: Backend | None = None,
    hooks: Hooks | None = None,
) -> PixelSums:
    """Photons of the pixels (fast, slow), each (pixels,) int64, with the factors of the final scaling.

    `backend`: the kernel's stages; None means eager ones. `hooks` see every step, see `nanobrag_torch.hooks`.
    """
    return TileSum(model, fast, slow, backend, hooks).run()


def photons(
    model: Model,
    fast: torch.Tensor,
    slow: torch.Tensor,
    backend: Backend,
    image_dtype: torch.dtype,
    into: torch.Tensor | None = None,
    hooks: Hooks | None = None,
) -> torch.Tensor:
    """Photons of the pixels (pixels,), rounded once to `image_dtype`: `into` where they could be written there."""
    backend = backend.of_tile()
    at_once = backend.photons(fast, slow, image_dtype, into, hooks)
    return integrate(model, fast, slow, backend, hooks).photons.to(image_dtype) if at_once is None else at_once
