"""The eager backend: the kernel's functions called one by one, on any device."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from nanobrag_torch import kernel
from nanobrag_torch.backends.backend import Description
from nanobrag_torch.hooks import Hook, Hooks
from nanobrag_torch.model import Model
from nanobrag_torch.physics.rays import PixelGeometry

PAIRS_PER_PASS = 1 << 18
FEWEST_RAYS_PER_PASS = 1 << 8


class EagerBackend:
    """The kernel's functions, called one by one: differentiable, observable, on any device."""

    name = "eager"
    description = Description("eager")

    def __init__(self, model: Model, why: str = "asked for"):
        self._model = model
        self.why = why
        self.orientations = orientations_per_pass(model)
        self.rays_at_once = max(1, PAIRS_PER_PASS // self.orientations)
        self.pixels = self.rays_at_once

    def photons(
        self,
        fast: torch.Tensor,
        slow: torch.Tensor,
        image_dtype: torch.dtype,
        into: torch.Tensor | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        """Nothing is done at once."""

    def for_model(self, model: Model, changed: Mapping[str, torch.Tensor] | None = None) -> EagerBackend:
        """The kernel's functions for another model."""
        return EagerBackend(model, self.why)

    def of_tile(self) -> EagerBackend:
        """The backend for one tile: nothing is kept of one."""
        return self

    def rays(
        self, fast: torch.Tensor, slow: torch.Tensor, samples: kernel.Samples, hook: Hook | None = None
    ) -> PixelGeometry:
        """Geometry of every (sample, pixel)."""
        return kernel.rays_of(self._model, fast, slow, samples, hook)

    def of_sample(self, rays: PixelGeometry, number: int, pixels: int) -> PixelGeometry:
        """The columns of one sample in those of several."""
        return PixelGeometry(*(field[..., number * pixels : (number + 1) * pixels] for field in rays))

    def solid_angle_sr(self, rays: PixelGeometry, hook: Hook | None = None) -> torch.Tensor:
        """Solid angle of each ray's pixel (rays,)."""
        return kernel.solid_angle_of(self._model, rays, hook)

    def capture(self, rays: PixelGeometry, samples: kernel.Samples, hook: Hook | None = None) -> torch.Tensor:
        """Fraction captured in each ray's layer (rays,)."""
        return kernel.capture_of(self._model, rays, samples, hook)

    def illuminate(self, rays: PixelGeometry, source: int, hook: Hook | None = None) -> kernel.Illumination:
        """Scattering vectors of one source."""
        return kernel.illuminate(self._model, rays, source, hook)

    def polar(
        self, rays: PixelGeometry, light: kernel.Illumination, source: int, hook: Hook | None = None
    ) -> torch.Tensor:
        """Polarization factor of each ray (rays,)."""
        return kernel.polarize(self._model, rays.direction, source, hook).polar

    def cos_2theta(self, rays: PixelGeometry, source: int) -> torch.Tensor:
        """Cosine of each ray's scattering angle (rays,)."""
        return kernel.polarize(self._model, rays.direction, source).cos_2theta

    def scattered(self, light: kernel.Illumination, first: int, last: int, hook: Hook | None = None) -> torch.Tensor:
        """Sum over a range of orientations of F_cell^2 F_latt^2 (rays,) float64."""
        return kernel.scattered(self._model, light.q_per_m, first, last, hook)


def orientations_per_pass(model: Model) -> int:
    """How many orientations one pass takes: all of them, up to a fixed share of the pass."""
    return min(model.real_m.shape[0], max(1, PAIRS_PER_PASS // FEWEST_RAYS_PER_PASS))
