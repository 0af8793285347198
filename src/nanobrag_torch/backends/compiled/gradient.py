"""Derivatives of photons by one program, which is launched once for all pixels at hand."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

import torch

from nanobrag_torch.backends.compiled.derivative import Spare, Sums, most_pixels, summed
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.loading import load
from nanobrag_torch.backends.compiled.programs import FIRST_INCIDENT, TABLE, Program
from nanobrag_torch.model import Model

_PIXELS_AT_ONCE = 1 << 14  # on a CPU, so that all threads have some


class GradientBackend(CompiledBackend):
    """Gives nothing but derivatives: by tensors of a model, of the photons of pixels in lists or in a rectangle."""

    def __init__(self, model: Model, program: Program, file: Path, image_dtype: torch.dtype):
        """`program`: of derivatives of photons, in `image_dtype`."""
        self.image_dtype = image_dtype
        self.program, self._loaded = program, load(file, model.real_m.device)
        self._spare = Spare()
        super().__init__(model, {}, ())
        self._read = program.inputs(model)
        self._name_of = {id(attrgetter(name)(model)): name for name in program.by if name != FIRST_INCIDENT}

    def _take(self, model: Model) -> None:
        super()._take(model)
        at_once = _PIXELS_AT_ONCE if model.real_m.device.type == "cpu" else self.pixels
        self.pixels = most_pixels(model, at_once)

    def slopes(
        self, by: Sequence[torch.Tensor], pixels: Sequence[torch.Tensor], count: int, upstream: torch.Tensor
    ) -> list[torch.Tensor | None]:
        """Sums over pixels of the derivative by each of these tensors of the model, times a number for each pixel.

        `pixels`: two lists, or what `Region.arguments` gives; of `count` pixels. `upstream`: those numbers, in
        `image_dtype`: one for each pixel of the lists, or an image of the detector. None for a tensor that nothing
        reads. By a table it is sparse on a CPU.
        """
        if not (count and self.program.by):
            return [None] * len(by)
        sums = Sums(self._spare)
        slopes = self._summed([*pixels, upstream.contiguous()], count, sums)
        names = [self._name_of.get(id(tensor)) for tensor in by]
        return [
            None if name is None else sums.taken(tensor.shape) if name == TABLE else slopes[name]
            for name, tensor in zip(names, by, strict=True)
        ]

    def _summed(self, arguments: list[torch.Tensor], count: int, sums: Sums) -> dict[str, torch.Tensor]:
        """By name of the tensors."""
        by = self.program.by
        wanted = [summed(self.program, name, self._read[name], sums) for name in by]
        inputs = [*self._read.values(), *arguments]
        slopes = dict(zip(by, self._loaded.sums(inputs, wanted, count, self.orientations), strict=True))
        if FIRST_INCIDENT in slopes:
            slopes["sources.incident"][0] += slopes.pop(FIRST_INCIDENT)
        return slopes
