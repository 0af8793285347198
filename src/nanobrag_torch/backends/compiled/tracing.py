"""Traced compiled code: the programs of an image, built to return also every value that hooks see.

A traced program is recorded from the same function, has every statement of the image's program, and is built by the
same compiler with the same options; it adds only stores. A compiler may still order and fuse the same operations
differently, so the last bit of its double arithmetic can differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from nanobrag_torch import kernel
from nanobrag_torch.backends.compiled.cache import about
from nanobrag_torch.backends.compiled.compiler import Build, build
from nanobrag_torch.backends.compiled.launch import Aimed, CompiledBackend, Light
from nanobrag_torch.backends.compiled.programs import OF_ORIENTATIONS, PHOTONS, PROGRAMS, needed
from nanobrag_torch.hooks import Hook, Hooks
from nanobrag_torch.model import Model

_OF_RAYS = ("position_m", "pixel_distance_m", "direction", "obliquity")
_OF_LIGHT = ("q_per_m", "accepted")
_OF_POLARIZATION = ("cos_2theta", "kahn_factor")


class TracedRays(Aimed):
    """One sample of each pixel, and its watched values, by source."""

    def __init__(self, backend: TracingBackend, fast: torch.Tensor, slow: torch.Tensor, samples: kernel.Samples):
        super().__init__(backend, fast, slow, samples)
        self._seen: dict[int, dict[str, torch.Tensor]] = {}
        self._tracing = backend

    def seen(self, source: int) -> dict[str, torch.Tensor]:
        """Every value that the program of the factors watched, for one source."""
        if source not in self._seen:
            _, self._seen[source] = self._tracing.watched("factors", source, *self.where)
        return self._seen[source]

    def factors(self, source: int) -> list[torch.Tensor]:
        """Solid angle, captured fraction, polarization, and acceptance where there is a resolution limit."""
        results, self._seen[source] = self._tracing.watched("factors", source, *self.where)
        return results


def with_hooks(model: Model, image_dtype: torch.dtype, hooks: Hooks, folder: Path) -> TracingBackend:
    """Traced programs with the effects of hooks built in, in a separate folder; for errors that an audit must find.

    The hooks get one ray and one orientation, for which they return operations on the value; no other program gets
    these. Raises OSError or Unrecordable.
    """
    suffix = ".so" if model.real_m.device.type == "cpu" else ".cu"
    files = {name: folder / f"{name}{suffix}" for name in needed(model, image_dtype)}
    built = {name: build(PROGRAMS[name].tracing(), model, file, hooks) for name, file in files.items()}
    return TracingBackend(model, files, built)


class TracingBackend(CompiledBackend):
    """Traced programs; hooks are shown the computed values, and their return values are not used."""

    def __init__(self, model: Model, files: dict[str, Path], built: dict[str, Build] | None = None):
        """`built`: information about the programs, if they are not the cached ones."""
        built = {name: about(file) for name, file in files.items()} if built is None else built
        super().__init__(model, files, built=built)
        self._watched = {name: one.watched for name, one in built.items()}

    def watched(
        self, name: str, source: int, *arguments: torch.Tensor, into: torch.Tensor | None = None
    ) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
        """The results of a program for one source, and the values it watched by their names."""
        rays, device = arguments[0].shape[0], arguments[0].device
        stores = []
        for one in self._watched[name]:
            shape = (self.orientations, one.elements, rays) if one.of_orientations else (one.elements, rays)
            stores.append(torch.empty(shape, dtype=getattr(torch, one.dtype), device=device))
        results = self._launched(name, source, arguments, into, stores)
        values = {}
        for one, store in zip(self._watched[name], stores, strict=True):
            ordered = store.transpose(0, 1) if one.of_orientations else store
            values[one.name] = ordered.reshape(*one.shape, *ordered.shape[1:])
        return results, values

    def photons(
        self,
        fast: torch.Tensor,
        slow: torch.Tensor,
        image_dtype: torch.dtype,
        into: torch.Tensor | None = None,
        hook: Hook | None = None,
    ) -> torch.Tensor | None:
        """Photons of each pixel if one program computes them; None for more than one sample or source."""
        name = PHOTONS.get(image_dtype)
        if name not in self._names:
            return None
        results, values = self.watched(name, 0, fast.to(torch.int32), slow.to(torch.int32), into=into)
        _show(hook, values, values)
        return results[0]

    def rays(
        self, fast: torch.Tensor, slow: torch.Tensor, samples: kernel.Samples, hook: Hook | None = None
    ) -> TracedRays:
        """Rays to one sample of each pixel."""
        rays = TracedRays(self, fast, slow, samples)
        _show(hook, rays.seen(0), _OF_RAYS)
        return rays

    def solid_angle_sr(self, rays: Any, hook: Hook | None = None) -> torch.Tensor:
        """Solid angle of each ray's pixel (rays,)."""
        _show(hook, rays.seen(0), ("omega_sr",))
        return super().solid_angle_sr(rays)

    def capture(self, rays: Any, samples: kernel.Samples, hook: Hook | None = None) -> torch.Tensor:
        """Fraction captured in each ray's layer (rays,)."""
        _show(hook, rays.seen(0), ("captured",))
        return super().capture(rays, samples)

    def illuminate(self, rays: Any, source: int, hook: Hook | None = None) -> Light:
        """The scattering of one source by the rays."""
        _show(hook, rays.seen(source), _OF_LIGHT)
        return super().illuminate(rays, source)

    def polar(self, rays: Any, light: Light, source: int, hook: Hook | None = None) -> torch.Tensor:
        """Polarization factor of each ray (rays,)."""
        _show(hook, rays.seen(source), _OF_POLARIZATION)
        return super().polar(rays, light, source)

    def cos_2theta(self, rays: Any, source: int) -> torch.Tensor:
        """Cosine of each ray's scattering angle (rays,)."""
        cosine: torch.Tensor = rays.seen(source)["cos_2theta"]
        return cosine

    def scattered(self, light: Light, first: int, last: int, hook: Hook | None = None) -> torch.Tensor:
        """Sum over all orientations of F_cell^2 F_latt^2 (rays,) float64."""
        results, values = self.watched("scattered", light.source, *light.aimed.where)
        _show(hook, values, (name for name in values if name in OF_ORIENTATIONS or name in _OF_LIGHT))
        return results[0]


def _show(hook: Hook | None, values: dict[str, torch.Tensor], names: Iterable[str]) -> None:
    if hook is not None:
        for name in names:
            if name in values:
                hook(name, values[name])
