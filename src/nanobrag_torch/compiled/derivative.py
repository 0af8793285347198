"""Derivatives through compiled programs: each is a step of torch's graph whose backward pass is compiled too."""

from __future__ import annotations

from pathlib import Path

import torch

from nanobrag_torch.compiled.passes import PIXELS_AT_ONCE, CompiledPasses, load
from nanobrag_torch.compiled.programs import PHOTONS, PROGRAMS, Program
from nanobrag_torch.compiled.source import LANES
from nanobrag_torch.model import Model

_LOOKED_UP = ("amplitudes.padded", "amplitudes.default_F")
_COUNTS = ("phi_rad", "mosaic_domains")


def differentiated(program: Program, model: Model) -> Program:
    """The program of the derivatives by all its tensors that have one; the program itself where none has.

    Raises NotImplementedError for derivatives by amplitudes, which are looked up rather than computed with.
    """
    found = program.given(model, 0)
    by = tuple(name for name, value in found.items() if value.requires_grad and name not in _COUNTS)
    if any(name in by for name in _LOOKED_UP):
        raise NotImplementedError("derivatives by amplitudes are not compiled")
    return program.derivative(by) if by else program


class DifferentiablePasses(CompiledPasses):
    """Passes of one tile whose results keep their graph. The photons of a whole pixel are no use but for that graph:
    they are left at 0."""

    def __init__(self, model: Model, files: dict[str, Path], derivatives: dict[str, tuple[Program, Path]]):
        super().__init__(model, files)
        device = model.real_m.device
        self.derivatives = {name: (program, load(file, device)) for name, (program, file) in derivatives.items()}
        if any(name in derivatives for name in PHOTONS.values()):
            self.pixels = PIXELS_AT_ONCE
            self._results = {name: PROGRAMS[name].results(model) for name in derivatives}

    def photons(
        self, fast: torch.Tensor, slow: torch.Tensor, image_dtype: torch.dtype, into: torch.Tensor | None = None
    ) -> torch.Tensor | None:
        """Zeros that have the derivatives of the photons of each pixel, where those are one program; else None."""
        name = PHOTONS.get(image_dtype)
        if name not in self.derivatives:
            return None
        return self.run(name, 0, fast.to(torch.int32), slow.to(torch.int32))[0]

    def run(
        self, name: str, source: int, *arguments: torch.Tensor, into: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """The results of a program for one source, each (rays,), with their graph."""
        if name not in self.derivatives:
            return super().run(name, source, *arguments)
        found = self.derivatives[name][0].given(self._model, source)
        tensors = [found[one] for one in self.derivatives[name][0].by]
        return list(_Step.apply(self, name, source, len(arguments), *arguments, *tensors))

    def values(self, name: str, source: int, arguments: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """The results without a graph."""
        if name in self._programs:
            return super().run(name, source, *arguments)
        rays, device = arguments[0].shape[0], arguments[0].device
        return [torch.zeros(rays, dtype=dtype, device=device) for dtype in self._results[name]]

    def slopes(
        self, name: str, source: int, arguments: tuple[torch.Tensor, ...], upstream: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Sum over rays and results of each result's derivative by each tensor, times the number given for it."""
        program, loaded = self.derivatives[name]
        tensors = program.inputs(self._model, source)
        by = [tensors[one] for one in program.by]
        sums = [
            one.new_zeros(*one.shape, LANES) if label == "real_m" else torch.zeros_like(one)
            for label, one in zip(program.by, by, strict=True)
        ]
        rays = arguments[0].shape[0]
        if rays:
            given = [*tensors.values(), *arguments, *(one.contiguous() for one in upstream)]
            loaded([*given, *sums], rays, self.orientations)
        return [one.sum(-1) if label == "real_m" else one for label, one in zip(program.by, sums, strict=True)]


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, passes: DifferentiablePasses, name: str, source: int, count: int, *rest: torch.Tensor):
        ctx.what, ctx.arguments = (passes, name, source), rest[:count]
        results = passes.values(name, source, ctx.arguments)
        ctx.mark_non_differentiable(*(one for one in results if not one.is_floating_point()))
        return tuple(results)

    @staticmethod
    def backward(ctx, *by_results: torch.Tensor):
        passes, name, source = ctx.what
        upstream = [one for one in by_results if one.is_floating_point()]
        slopes = passes.slopes(name, source, ctx.arguments, upstream)
        return (None, None, None, None, *(None for _ in ctx.arguments), *slopes)
