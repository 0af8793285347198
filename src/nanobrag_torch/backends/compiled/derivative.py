"""Derivatives by compiled stages: each is a step of torch's graph whose backward pass is compiled too.

For pixels that are no sum over their samples and sources, see `programs.of_derivative`; others have `gradient`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nanobrag_torch.backends.compiled.cuda_text import WARP
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.loading import Summed, load
from nanobrag_torch.backends.compiled.programs import TABLE, Program
from nanobrag_torch.model import Model

_BYTES_OF_SUMS = 1 << 28  # memory for the partial sums of a launch on a GPU
_COUNTS = ("phi_rad", "mosaic_domains")


def differentiated(program: Program, model: Model) -> Program:
    """The program of the derivatives by all differentiable tensors of a program; without any, the program itself."""
    tensors = program.given(model, 0)
    by = tuple(name for name, value in tensors.items() if value.requires_grad and name not in _COUNTS)
    return program.derivative(by) if by else program


class DifferentiableBackend(CompiledBackend):
    """A backend whose results keep their graph."""

    def __init__(self, model: Model, files: dict[str, Path], derivatives: dict[str, tuple[Program, Path]]):
        device = model.real_m.device
        self.derivatives = {name: (program, load(file, device)) for name, (program, file) in derivatives.items()}
        self._read = {
            name: [program.inputs(model, source) for source in range(model.source_count)]
            for name, (program, _) in derivatives.items()
        }
        self._spare = Spare()
        self._table: _Table | None = None
        super().__init__(model, files, (*files, *derivatives))

    def _take(self, model: Model) -> None:
        super()._take(model)
        self.pixels = most_pixels(model, self.pixels)

    def of_tile(self) -> DifferentiableBackend:
        """The backend for one tile, whose steps add what they have by a table to the same sums."""
        copied = copy.copy(self)
        padded = self._model.amplitudes.padded
        copied._table = None if padded is None else _Table.of(padded, self._spare)
        return copied

    def run(
        self, name: str, source: int, *arguments: torch.Tensor, into: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """The results of a program for one source, each (rays,), with their graph."""
        if name not in self.derivatives:
            return super().run(name, source, *arguments)
        by, found, sums = self.derivatives[name][0].by, self.derivatives[name][0].given(self._model, source), None
        if TABLE in by:
            found[TABLE], sums = self._table or _Table.of(found[TABLE], self._spare)
        tensors = [found[one] for one in by]
        return list(_Step.apply(self, name, source, sums, len(arguments), *arguments, *tensors))

    def values(self, name: str, source: int, arguments: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """The results without a graph."""
        return super().run(name, source, *arguments)

    def slopes(
        self,
        name: str,
        source: int,
        arguments: tuple[torch.Tensor, ...],
        upstream: list[torch.Tensor],
        sums: Sums | None = None,
    ) -> list[torch.Tensor]:
        """Sum over rays and results of each result's derivative by each tensor, times the number given for it.

        Those by a table are added to `sums`.
        """
        program, loaded = self.derivatives[name]
        tensors = self._read[name][source]
        by = {one: tensors[one] for one in program.by}
        rays = arguments[0].shape[0]
        if not rays:
            return [torch.zeros_like(one) for one in by.values()]
        inputs = [*tensors.values(), *arguments, *(one.contiguous() for one in upstream)]
        wanted = [summed(program, label, one, sums) for label, one in by.items()]
        return loaded.sums(inputs, wanted, rays, self.orientations)


def summed(program: Program, name: str, tensor: torch.Tensor, sums: Sums | None) -> Summed:
    """The sum over rays of the derivative by a tensor; that by a table is added to `sums`."""
    return Summed(
        tensor.shape, program.of_each(name), sums.like(tensor) if sums is not None and name == TABLE else None
    )


def most_pixels(model: Model, pixels: int) -> int:
    """Of that many pixels so many as one launch can take, for the sums of each warp and of each orientation in it."""
    if model.real_m.device.type == "cpu":
        return pixels
    return max(WARP, min(pixels, _BYTES_OF_SUMS * WARP // (8 * model.real_m.numel())))


class Spare:
    """Tensors of zeros, float64 (elements,), of which no more are made than tiles are worked out at once."""

    def __init__(self) -> None:
        self._tensors: list[torch.Tensor] = []  # threads share it: append and pop are one step each

    def like(self, table: torch.Tensor) -> torch.Tensor:
        try:
            return self._tensors.pop()
        except IndexError:
            return torch.zeros(table.numel(), dtype=torch.float64, device=table.device)

    def emptied(self, sums: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """What differs from 0 in one of them, which is then of zeros again: a tile sees a part of a large table."""
        where = sums.nonzero().squeeze(1)
        values = sums[where]
        self._tensors.append(sums.index_fill_(0, where, 0.0))
        indices = torch.stack(torch.unravel_index(where, shape))
        return torch.sparse_coo_tensor(indices, values, shape, is_coalesced=True, check_invariants=False)


class Sums:
    """The derivative by each element of a table, of as many steps as there have been."""

    def __init__(self, spare: Spare) -> None:
        self._spare = spare
        self._by_element: torch.Tensor | None = None

    def like(self, table: torch.Tensor) -> torch.Tensor:
        """What the next step adds to, float64 (elements,)."""
        if self._by_element is None:
            self._by_element = self._spare.like(table)
        return self._by_element

    def taken(self, shape: torch.Size) -> torch.Tensor | None:
        """The sums, sparse on a CPU, where there are many tiles; None where nothing was added. They begin anew."""
        slopes, self._by_element = self._by_element, None
        if slopes is None or slopes.device.type != "cpu":
            return None if slopes is None else slopes.view(shape)
        return self._spare.emptied(slopes, shape)


class _Table(NamedTuple):
    """What stands for a table in the graph of a tile: a number without a value, and what belongs to its derivative."""

    symbol: torch.Tensor
    sums: Sums

    @staticmethod
    def of(table: torch.Tensor, spare: Spare) -> _Table:
        sums = Sums(spare)
        return _Table(_Symbol.apply(sums, table), sums)


class _Symbol(torch.autograd.Function):
    """Comes before all steps of a tile in its graph, so after all of them in the backward pass."""

    @staticmethod
    def forward(ctx: Any, sums: Sums, table: torch.Tensor) -> torch.Tensor:
        ctx.sums, ctx.shape = sums, table.shape
        return torch.zeros((), dtype=torch.float64, device=table.device)

    @staticmethod
    def backward(ctx: Any, _: torch.Tensor) -> tuple[Any, ...]:
        return None, ctx.sums.taken(ctx.shape)


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        backend: DifferentiableBackend,
        name: str,
        source: int,
        sums: Sums | None,
        count: int,
        *rest: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        ctx.what, ctx.arguments, ctx.sums = (backend, name, source), rest[:count], sums
        results = backend.values(name, source, ctx.arguments)
        ctx.mark_non_differentiable(*(result for result in results if not result.is_floating_point()))
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *by_results: torch.Tensor) -> tuple[Any, ...]:
        backend, name, source = ctx.what
        upstream = [by_result for by_result in by_results if by_result.is_floating_point()]
        slopes = backend.slopes(name, source, ctx.arguments, upstream, ctx.sums)
        by = [
            torch.zeros((), dtype=torch.float64, device=slope.device) if label == TABLE else slope
            for label, slope in zip(backend.derivatives[name][0].by, slopes, strict=True)
        ]
        return (*(None,) * 5, *(None for _ in ctx.arguments), *by)
