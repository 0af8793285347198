"""The passes of a tile through compiled programs."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path

import torch

from nanobrag_torch import kernel
from nanobrag_torch.compiled.programs import PROGRAMS, Light, SeenRays, for_one_source
from nanobrag_torch.model import Model

PIXELS_PER_TILE = 1 << 16


class _Loaded:
    """A package in memory, for one call at a time."""

    def __init__(self, package: Path, device: torch.device):
        index = device.index if device.index is not None else -1
        # the loader itself: torch._inductor, which wraps it, takes longer to import than most images to compute
        self._loader = torch._C._aoti.AOTIModelPackageLoader(str(package), "model", False, 1, index)

    def __call__(self, tensors: list[torch.Tensor], *arguments: torch.Tensor) -> list[torch.Tensor]:
        return self._loader.run([*tensors, *arguments])


@lru_cache(maxsize=32)
def _loaded(package: Path, written_ns: int, device: torch.device) -> _Loaded:
    """Packages hold nothing of a model, so every simulation of a process shares them."""
    return _Loaded(package, device)


class CompiledPasses:
    """One sample of a tile at a time, all orientations at once: nothing but sums over them leaves the registers."""

    def __init__(self, model: Model, packages: dict[str, Path]):
        device = model.real_m.device
        self._programs = {
            name: _loaded(package, package.stat().st_mtime_ns, device) for name, package in packages.items()
        }
        torch.set_flush_denormal(False)  # loading code built with -ffast-math may have switched it on
        self._take(model)

    def for_model(self, model: Model) -> CompiledPasses:
        """The programs that are loaded, for a model that differs in the values of its tensors alone."""
        other = copy.copy(self)
        other._take(model)
        return other

    def _take(self, model: Model) -> None:
        self.pixels = PIXELS_PER_TILE
        self.rays_at_once = 1
        self.side_by_side = False  # Python's lock is held while compiled code runs; its own loops take all threads
        self.orientations = model.real_m.shape[0]
        self._limited = model.resolution_limited
        given = [for_one_source(model, source) for source in range(model.source_count)]
        self._rays_inputs = list(PROGRAMS["rays"].inputs(given[0]).values())
        self._light_inputs = [list(PROGRAMS["light"].inputs(of_source).values()) for of_source in given]
        self._scattered_inputs = list(PROGRAMS["scattered"].inputs(given[0]).values())

    def rays(self, fast: torch.Tensor, slow: torch.Tensor, samples: kernel.Samples) -> SeenRays:
        """Rays to one sample of each pixel."""
        return SeenRays(*self._programs["rays"](self._rays_inputs, fast, slow, *samples))

    def solid_angle_sr(self, rays: SeenRays) -> torch.Tensor:
        """Solid angle of each ray's pixel (rays,)."""
        return rays.omega_sr

    def capture(self, rays: SeenRays, samples: kernel.Samples) -> torch.Tensor:
        """Fraction captured in each ray's layer (rays,)."""
        return rays.captured

    def illuminate(self, rays: SeenRays, source: int) -> Light:
        """Scattering vectors, polarization and acceptance of one source."""
        result = self._programs["light"](self._light_inputs[source], rays.direction)
        return Light(*result) if self._limited else Light(*result, None)

    def polar(self, rays: SeenRays, light: Light, source: int) -> torch.Tensor:
        """Polarization factor of each ray (rays,)."""
        return light.polar

    def scattered(self, light: Light, first: int, last: int) -> torch.Tensor:
        """Sum over all orientations of F_cell^2 F_latt^2 (rays,) float64."""
        return self._programs["scattered"](self._scattered_inputs, light.q_per_m)[0]
