"""Derivatives through compiled programs: each is a step of torch's graph whose backward pass is compiled too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nanobrag_torch.backends.compiled.dialects import WARP
from nanobrag_torch.backends.compiled.launch import CompiledBackend, Summed, load
from nanobrag_torch.backends.compiled.programs import Program
from nanobrag_torch.model import Model

_BYTES_OF_SUMS = 1 << 28  # memory for the partial sums of a launch on a GPU
_COUNTS = ("phi_rad", "mosaic_domains")


def not_differentiable(model: Model) -> str | None:
    """Why no derivative of a model is compiled, or None."""
    table = model.amplitudes.padded
    if table is not None and table.requires_grad:
        return "derivatives by a table of amplitudes, which are looked up, are not compiled"
    return None


def differentiated(program: Program, model: Model) -> Program:
    """The program of the derivatives by all differentiable tensors of a program; without any, the program itself."""
    found = program.given(model, 0)
    by = tuple(name for name, value in found.items() if value.requires_grad and name not in _COUNTS)
    return program.derivative(by) if by else program


class DifferentiableBackend(CompiledBackend):
    """A backend whose results keep their graph. The photons of a whole pixel are no use but for that graph:
    they are left at 0."""

    def __init__(self, model: Model, files: dict[str, Path], derivatives: dict[str, tuple[Program, Path]]):
        device = model.real_m.device
        self.derivatives = {name: (program, load(file, device)) for name, (program, file) in derivatives.items()}
        self._read = {
            name: [program.inputs(model, source) for source in range(model.source_count)]
            for name, (program, _) in derivatives.items()
        }
        super().__init__(model, files, (*files, *derivatives))

    def _take(self, model: Model) -> None:
        super()._take(model)
        if model.real_m.device.type != "cpu":  # sums of each warp, and of each orientation in it
            self.pixels = max(WARP, min(self.pixels, _BYTES_OF_SUMS * WARP // (8 * model.real_m.numel())))

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
        tensors = self._read[name][source]
        by = {one: tensors[one] for one in program.by}
        rays = arguments[0].shape[0]
        if not rays:
            return [torch.zeros_like(one) for one in by.values()]
        given = [*tensors.values(), *arguments, *(one.contiguous() for one in upstream)]
        wanted = [Summed(one.shape, label == "real_m") for label, one in by.items()]
        return loaded.sums(given, wanted, rays, self.orientations)


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, backend: DifferentiableBackend, name: str, source: int, count: int, *rest: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        ctx.what, ctx.arguments = (backend, name, source), rest[:count]
        results = backend.values(name, source, ctx.arguments)
        ctx.mark_non_differentiable(*(one for one in results if not one.is_floating_point()))
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *by_results: torch.Tensor) -> tuple[Any, ...]:
        backend, name, source = ctx.what
        upstream = [one for one in by_results if one.is_floating_point()]
        slopes = backend.slopes(name, source, ctx.arguments, upstream)
        return (None, None, None, None, *(None for _ in ctx.arguments), *slopes)
