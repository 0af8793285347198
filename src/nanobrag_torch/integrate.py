"""The sum over everything a pixel sees: layers, sub-pixels, sources, spindle steps and mosaic domains.

One pass holds a bounded number of (orientation, ray) pairs, so memory depends on the tile and never on the experiment.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch

from nanobrag_torch import kernel
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.model import Model
from nanobrag_torch.physics import scaling
from nanobrag_torch.physics.detector import PixelGeometry
from nanobrag_torch.physics.tensors import pairwise_sum


class PixelSums(NamedTuple):
    """Result of a tile, each (pixels,) float64: the sum before scaling, the stored factors, and photons."""

    background: torch.Tensor
    intensity: torch.Tensor
    capture_fraction: torch.Tensor
    polar: torch.Tensor
    omega_sr: torch.Tensor
    photons: torch.Tensor


class Observer(Protocol):
    """Receives what the kernel returned, in the order it was computed. Present only while tracing."""

    def rays(self, samples: kernel.Samples, rays: PixelGeometry, stored_omega_sr: torch.Tensor) -> None: ...

    def source(self, source: int, light: kernel.Illumination, weights: TermFactors) -> None: ...

    def orientations(self, source: int, first: int, result: kernel.Diffraction, terms: torch.Tensor) -> None: ...

    def last_polarization(self, polarization: kernel.Polarization) -> None: ...


class TermFactors(NamedTuple):
    """Factors applied to every term of one source, each (rays,) or a 0-d one."""

    capture: torch.Tensor
    polar: torch.Tensor
    omega: torch.Tensor

    @property
    def product(self) -> torch.Tensor:
        return self.capture * self.polar * self.omega


class _Tile:
    """The running state of one tile: the sum, and the factors that the final scaling will use."""

    def __init__(
        self,
        model: Model,
        fast: torch.Tensor,
        slow: torch.Tensor,
        observer: Observer | None = None,
        backend: Backend | None = None,
    ):
        self.model, self.fast, self.slow, self.observer = model, fast, slow, observer
        self.backend = EagerBackend(model) if backend is None else backend
        zero = torch.zeros(fast.shape[0], dtype=torch.float64, device=fast.device)
        self.one = torch.ones((), dtype=torch.float64, device=fast.device)
        water = model.factors.rescale_water
        self.background = zero + model.background if water else zero
        self.total = self.background
        self.omega = self.polar = self.capture = zero
        self.polar_rank: torch.Tensor | None = None

    def run(self) -> PixelSums:
        step = 1 if self.model.factors.running_product else max(1, self.backend.rays_at_once // self.fast.shape[0])
        for first in range(0, self.model.samples, step):
            self._add_samples(first, min(first + step, self.model.samples))
        return self._finish()

    def _add_samples(self, first: int, last: int) -> None:
        model = self.model
        samples = kernel.samples_of(model, first, last)
        rays = self.backend.rays(self.fast, self.slow, samples)
        omega, capture = self._store_omega(rays, first), self._store_capture(rays, samples, first, last)
        if self.observer:
            self.observer.rays(samples, rays, self.omega if omega is self.one else omega)
        of_rays: torch.Tensor | None = None
        for source in range(model.source_count):
            light = self.backend.illuminate(rays, source)
            polar = self._store_polar(rays, light, source, first)
            weights = TermFactors(capture, polar, omega)
            if self.observer:
                self.observer.source(source, light, weights)
            of_rays = self._add_source(of_rays, light, source, weights)
        if of_rays is not None:
            # one sample after the other, so that the sum does not depend on how many a pass holds
            for of_sample in of_rays.view(-1, self.fast.shape[0]):
                self.total = self.total + of_sample
        if self.observer and last == model.samples:
            self.observer.last_polarization(kernel.polarize(model, rays.direction, model.source_count - 1))

    def _add_source(
        self, of_rays: torch.Tensor | None, light: kernel.Illumination, source: int, weights: TermFactors
    ) -> torch.Tensor | None:
        """The sum of every ray with this source's part; None while nothing but the running product is kept."""
        model, factors = self.model, weights.product
        share = self.one if model.sources.weight is None else model.sources.weight[source]
        weight = factors * share
        weighted = self._weighted()
        count = model.real_m.shape[0]
        step = self.backend.orientations
        for first in range(0, count, step):
            last = min(first + step, count)
            if self.observer is None and not model.factors.running_product:
                intensity = self.backend.scattered(light, first, last)
                intensity = intensity * weight if weighted else intensity
            else:
                result = kernel.diffract(model, light.q_per_m, first, last, True)
                if self.observer:
                    self.observer.orientations(source, first, result, result.intensity.double() * weight)
                if model.factors.running_product:
                    terms = result.intensity.double() * share
                    counted = torch.ones_like(terms) if model.has_water else (result.F_latt != 0).double()
                    self._multiply_running(terms, counted, light.accepted, factors.expand(terms.shape[1:]))
                    continue
                intensity = pairwise_sum(result.intensity).double() * weight
            intensity = intensity if light.accepted is None else intensity * light.accepted
            of_rays = intensity if of_rays is None else of_rays + intensity
        return of_rays

    def _weighted(self) -> bool:
        """Whether any term is multiplied with anything."""
        used = self.model.factors
        per_term = used.capture_per_term or used.polar_per_term or used.omega_per_term
        return per_term or self.model.sources.weight is not None

    def _multiply_running(self, intensity, counted, accepted, weight) -> None:
        """I <- (I + term) weight after every term that is counted (1, not 0): the historic compounding of factors."""
        if accepted is not None:
            counted = counted * accepted
        remaining = counted.flip(0).cumsum(0).flip(0)
        self.total = self.total * weight ** remaining[0] + (intensity * counted * weight**remaining).sum(0)

    def _store_omega(self, rays: PixelGeometry, first: int) -> torch.Tensor:
        """Solid angle of the first sample for the whole pixel, or of every ray where it is applied term by term."""
        if self.model.factors.omega_per_term:
            omega = self.backend.solid_angle_sr(rays)
            self.omega = omega[-self.fast.shape[0] :]
            return omega
        if first == 0:
            self.omega = self.backend.solid_angle_sr(self.backend.of_sample(rays, 0, self.fast.shape[0]))
        return self.one

    def _store_capture(self, rays: PixelGeometry, samples: kernel.Samples, first: int, last: int) -> torch.Tensor:
        """Capture fraction of the last layer's first sub-pixel, or of every ray where it is applied term by term."""
        model, pixels = self.model, self.fast.shape[0]
        if model.factors.capture_per_term:
            capture = self.backend.capture(rays, samples)
            self.capture = capture[-pixels:]
            return capture
        chosen = (model.layers - 1) * model.oversample**2 - first
        if 0 <= chosen < last - first:
            one_sample = kernel.Samples(*(field[chosen : chosen + 1] for field in samples))
            self.capture = self.backend.capture(self.backend.of_sample(rays, chosen, pixels), one_sample)
        return self.one

    def _store_polar(self, rays: PixelGeometry, light: kernel.Illumination, source: int, first: int) -> torch.Tensor:
        """Polarization of the first sample and source that the resolution limit accepts, or of every ray."""
        model, pixels = self.model, self.fast.shape[0]
        if model.factors.polar_per_term:
            polar = self.backend.polar(rays, light, source)
            self._store_last_accepted(polar, light.accepted, source, first)
            return polar
        if not model.factors.evaluate_polar:
            self.polar = self.one.expand(pixels)
        elif light.accepted is not None:
            self._store_first_accepted(self.backend.polar(rays, light, source), light.accepted, source, first)
        elif first == 0 and source == 0:
            self.polar = self.backend.polar(self.backend.of_sample(rays, 0, pixels), light, source)
        return self.one

    def _store_last_accepted(self, polar: torch.Tensor, accepted: torch.Tensor | None, source: int, first: int) -> None:
        """Polarization of the last sample and source that the resolution limit accepts; unchanged if there is none."""
        if accepted is None:
            self.polar = polar[-self.fast.shape[0] :]
            return
        if self.polar_rank is None:
            self.polar_rank = torch.full_like(self.fast, -1, dtype=torch.int64)
        sample, any_accepted, of_sample = _pick(polar, accepted, self.fast.shape[0], last=True)
        rank = (first + sample) * self.model.source_count + source
        later = any_accepted & (rank > self.polar_rank)
        self.polar = torch.where(later, of_sample, self.polar)
        self.polar_rank = torch.where(later, rank, self.polar_rank)

    def _store_first_accepted(self, polar: torch.Tensor, accepted: torch.Tensor, source: int, first: int) -> None:
        """Polarization of the first sample and source that the resolution limit accepts; unchanged if there is none."""
        if self.polar_rank is None:
            self.polar_rank = torch.full_like(self.fast, torch.iinfo(torch.int64).max, dtype=torch.int64)
        sample, any_accepted, of_sample = _pick(polar, accepted, self.fast.shape[0], last=False)
        rank = (first + sample) * self.model.source_count + source
        better = any_accepted & (rank < self.polar_rank)
        self.polar = torch.where(better, of_sample, self.polar)
        self.polar_rank = torch.where(better, rank, self.polar_rank)

    def _finish(self) -> PixelSums:
        model, used = self.model, self.model.factors
        remaining = [
            stored
            for stored, per_term in (
                (self.capture, used.capture_per_term),
                (self.polar, used.polar_per_term),
                (self.omega, used.omega_per_term),
            )
            if not per_term
        ]
        fluence = model.fluence_photons_per_m2
        if not used.rescale_water and model.has_water:
            self._add_unscaled_water()
        photons = scaling.photons(self.total, fluence, model.steps, tuple(remaining))
        return PixelSums(self.background, self.total, self.capture, self.polar, self.omega, photons)

    def _add_unscaled_water(self) -> None:
        """The background so that the scaling below leaves exactly background x omega x polar x capture photons."""
        model, used = self.model, self.model.factors
        polar = self.polar
        if model.resolution_limited and used.evaluate_polar:
            last = kernel.samples_of(model, model.samples - 1, model.samples)
            rays = kernel.rays_of(model, self.fast, self.slow, last)
            cut = kernel.polarize(model, rays.direction, model.source_count - 1).polar
            polar = torch.where(polar == 0, cut, polar)
            self.polar = polar
        self.background = scaling.unscaled(model.background, model.fluence_photons_per_m2, model.steps) * (
            (self.capture if used.capture_per_term else self.one)
            * (polar if used.polar_per_term else self.one)
            * (self.omega if used.omega_per_term else self.one)
        )
        self.total = self.total + self.background


def _pick(values: torch.Tensor, accepted: torch.Tensor, pixels: int, last: bool):
    """The first or last accepted sample of each pixel, whether there is one, and its value; of (samples * pixels,)."""
    values, accepted = values.view(-1, pixels), accepted.view(-1, pixels)
    samples = accepted.shape[0]
    if samples == 1:
        return torch.zeros_like(accepted[0], dtype=torch.int64), accepted[0], values[0]
    ordered = accepted.flip(0) if last else accepted
    sample = ordered.to(torch.int8).argmax(0)
    sample = samples - 1 - sample if last else sample
    return sample, accepted.any(0), values.gather(0, sample.unsqueeze(0))[0]


def integrate(
    model: Model,
    fast: torch.Tensor,
    slow: torch.Tensor,
    observer: Observer | None = None,
    backend: Backend | None = None,
) -> PixelSums:
    """Photons of the pixels (fast, slow), each (pixels,) int64, with the factors of the final scaling.

    An observer is told every intermediate as it is computed; without one nothing but the sums is kept. `backend` is
    the kernel's stages; None means eager ones. Compiled ones know nothing of gradients and observers.
    """
    return _Tile(model, fast, slow, observer, backend).run()


def photons(
    model: Model,
    fast: torch.Tensor,
    slow: torch.Tensor,
    backend: Backend,
    image_dtype: torch.dtype,
    into: torch.Tensor | None = None,
) -> torch.Tensor:
    """Photons of the pixels (pixels,), rounded once to `image_dtype`: `into` where they could be written there."""
    at_once = backend.photons(fast, slow, image_dtype, into)
    return integrate(model, fast, slow, backend=backend).photons.to(image_dtype) if at_once is None else at_once
