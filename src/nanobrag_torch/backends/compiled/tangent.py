"""Changes of an image along directions by compiled programs, for derivatives by a few parameters.

A program computes, in one pass, how its results change along each direction. The remaining steps to photons, a few
factors of each pixel, use torch's forward differentiation, one direction after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch.autograd import forward_ad

from nanobrag_torch import integrate, nests
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.loading import load
from nanobrag_torch.backends.compiled.programs import Program
from nanobrag_torch.model import Model

_COUNTS = ("phi_rad", "mosaic_domains")


class Directions:
    """A model, and the change of each moving tensor along each direction (tensor..., directions)."""

    def __init__(self, model: Model, places: Sequence[int], moves: Sequence[torch.Tensor]):
        self.model = nests.mapped(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else leaf, model)
        self.places, self.moves = places, moves
        self.count = moves[0].shape[-1] if moves else 0

    def part(self, direction: int) -> Model:
        """A model that holds the part of each tensor that moves, and everything else as it is."""
        return self._with(lambda tensor, move: move[..., direction])

    def dual(self, direction: int) -> Model:
        """The model with each of those as a tangent; within a level of forward differentiation."""
        return self._with(
            lambda tensor, move: forward_ad.make_dual(tensor.contiguous(), move[..., direction].contiguous())
        )

    def marked(self) -> Model:
        """The model whose tensors that move are those which require a gradient."""
        return self._with(lambda tensor, move: tensor.detach().requires_grad_())

    def _with(self, function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Model:
        """The model with function(tensor, move) in the place of each tensor that moves."""
        moves, positions = dict(zip(self.places, self.moves, strict=True)), count()

        def marked(leaf: Any) -> Any:
            position = next(positions)
            return function(leaf, moves[position]) if position in moves else leaf

        return nests.mapped(marked, self.model)


def changed(program: Program, directions: Directions) -> Program:
    """The program of the changes; the program itself where nothing that it reads moves."""
    inputs = program.given(directions.marked(), 0)
    along = tuple(name for name, value in inputs.items() if value.requires_grad and name not in _COUNTS)
    return program.change(along, directions.count) if along else program


class TangentBackend(CompiledBackend):
    """A backend whose results carry their change along one direction after the other."""

    def __init__(self, directions: Directions, files: dict[str, Path], changes: dict[str, tuple[Program, Path]]):
        super().__init__(directions.model, files)
        self._without_changes = files
        self._directions, self._direction = directions, 0
        self._changes = {
            name: (program, load(file, directions.model.real_m.device)) for name, (program, file) in changes.items()
        }
        parts = [directions.part(direction) for direction in range(directions.count)]
        self._parts = {
            name: [self._parts_of(program, parts, source) for source in range(directions.model.source_count)]
            for name, (program, _) in changes.items()
        }
        self._results_of_tile: list[list[tuple[torch.Tensor, torch.Tensor | None]]] = []
        self._calls = 0

    @staticmethod
    def _parts_of(program: Program, parts: list[Model], source: int) -> list[torch.Tensor]:
        inputs = [program.given(part, source) for part in parts]
        stacked = []
        for name in program.along:
            each = [one[name].detach() for one in inputs]
            if name == "real_m":  # (orientations, directions, 9)
                stacked.append(torch.stack([one.reshape(one.shape[0], -1) for one in each], 1).contiguous())
            else:
                stacked.append(torch.stack([one.reshape(-1) for one in each]).contiguous())
        return stacked

    def plain(self, model: Model) -> CompiledBackend:
        """The programs of images alone, for a model whose tensors have other values."""
        return CompiledBackend(model, self._without_changes)

    def jacobian(self, fast: torch.Tensor, slow: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Photons (pixels,) of the pixels (fast, slow), and their changes (pixels, directions)."""
        columns = []
        self._results_of_tile = []
        for direction in range(self._directions.count):
            self._direction, self._calls = direction, 0
            with forward_ad.dual_level():
                model = self._directions.dual(direction)
                dual = forward_ad.unpack_dual(integrate.photons(model, fast, slow, self, torch.float64))
                photons = dual.primal.detach().clone()
                columns.append(torch.zeros_like(photons) if dual.tangent is None else dual.tangent.clone())
        return photons, torch.stack(columns, 1)

    def run(
        self, name: str, source: int, *arguments: torch.Tensor, into: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """The results of a program for one source, each (rays,), with their change along the direction at hand."""
        if self._calls == len(self._results_of_tile):  # in the pass of the first direction
            self._results_of_tile.append(self._computed(name, source, arguments))
        pairs = self._results_of_tile[self._calls]
        self._calls += 1
        return [
            value if change is None else forward_ad.make_dual(value, change[self._direction]) for value, change in pairs
        ]

    def _computed(
        self, name: str, source: int, arguments: tuple[torch.Tensor, ...]
    ) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        """The results, and the change (directions, rays) of each result that is not a condition."""
        values = super().run(name, source, *arguments)
        if name not in self._changes:
            return [(value, None) for value in values]
        program, loaded = self._changes[name]
        rays = arguments[0].shape[0]
        changes = [
            torch.empty((self._directions.count, rays), dtype=value.dtype, device=value.device)
            for value in values
            if value.is_floating_point()
        ]
        if rays:
            tensors = program.inputs(self._directions.model, source).values()
            inputs = [
                *tensors,
                *(argument.contiguous() for argument in arguments),
                *self._parts[name][source],
                *changes,
            ]
            loaded(inputs, rays, self.orientations)
        left = iter(changes)
        return [(value, next(left) if value.is_floating_point() else None) for value in values]
