"""Traced compiled code: the programs of an image, built to return also every value that hooks see.

A traced program is recorded from the same function, has every statement of the image's program, and is built by the
same compiler with the same options; it adds only stores. A compiler may still order and fuse the same operations
differently, so the last bit of its double arithmetic can differ.
"""

from __future__ import annotations

from pathlib import Path

import torch

from nanobrag_torch.backends.compiled.cache import about
from nanobrag_torch.backends.compiled.compiler import Build, build
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.programs import PROGRAMS, needed, of_image
from nanobrag_torch.backends.compiled.recording import Watched
from nanobrag_torch.hooks import Hooks, Place
from nanobrag_torch.model import Model

_OF_RAYS = ("position_m", "pixel_distance_m", "direction", "obliquity", "omega_sr", "captured")
_OF_PIXELS = (
    *("last_cos_2theta", "capture_fraction", "polar", "omega_of_pixel_sr", "steps"),
    *("I_background", "I_before_scaling", "photons"),
)


def store_shape(watched: Watched, terms: int, orientations: int, rays: int) -> tuple[int, ...]:
    """The shape of what a traced program writes for a value."""
    around = (terms,) * watched.of_terms + (orientations,) * watched.of_orientations
    return *around, watched.elements, rays


def in_shape(watched: Watched, store: torch.Tensor) -> torch.Tensor:
    """A value as hooks see it, after a dimension of samples and sources where it has one."""
    ordered = store.transpose(-3, -2) if watched.of_orientations else store
    first = ordered.shape[:1] if watched.of_terms else ()
    return ordered.reshape(*first, *watched.shape, *ordered.shape[len(first) + 1 :])


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
        self._watched = {name: package.watched for name, package in built.items()}

    def watched(
        self, name: str, source: int, *arguments: torch.Tensor, into: torch.Tensor | None = None
    ) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
        """The results of a program for one source, and the values it watched by their names."""
        rays, device = arguments[0].shape[0], arguments[0].device
        stores = []
        for watched in self._watched[name]:
            shape = store_shape(watched, self._model.samples * self._model.source_count, self.orientations, rays)
            stores.append(torch.empty(shape, dtype=getattr(torch, watched.dtype), device=device))
        results = self._launched(name, source, arguments, into, stores)
        values = {}
        for watched, store in zip(self._watched[name], stores, strict=True):
            values[watched.name] = in_shape(watched, store)
        return results, values

    def photons(
        self,
        fast: torch.Tensor,
        slow: torch.Tensor,
        image_dtype: torch.dtype,
        into: torch.Tensor | None = None,
        hooks: Hooks | None = None,
    ) -> torch.Tensor | None:
        """Photons of each pixel; None for a type that no program writes."""
        name = of_image(self._model, image_dtype)
        if name is None or name not in self._names:
            return None
        results, values = self.watched(name, 0, fast.to(torch.int32), slow.to(torch.int32), into=into)
        if hooks is not None:
            self._show(hooks, name, values)
        return results[0]

    def _show(self, hooks: Hooks, name: str, values: dict[str, torch.Tensor]) -> None:
        """Show the values sample by sample, source by source, and then those of the whole pixel."""
        of_terms = {watched.name for watched in self._watched[name] if watched.of_terms}
        sources = self._model.source_count
        for sample in range(self._model.samples):
            for source in range(sources):
                for watched, value in values.items():
                    if watched not in _OF_PIXELS and (source == 0 or watched not in _OF_RAYS):
                        there = value[sample * sources + source] if watched in of_terms else value
                        hooks(watched, there, Place(sample, source))
        for watched in _OF_PIXELS:
            if watched in values:
                hooks(watched, values[watched][-1] if watched in of_terms else values[watched], Place())
