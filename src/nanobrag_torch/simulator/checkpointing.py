"""Derivatives of a large image: a tile is worked out again when its derivative is wanted, so no graph outlives a tile.

The forward pass is that of an image without derivatives, compiled where that pays. The backward pass takes the tiles
on all threads of a CPU and adds their parts in storage order: the same numbers for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch.utils import _pytree as pytree

from nanobrag_torch import integrate
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.model import Model
from nanobrag_torch.simulator.tiles import Progress, Tile


class TiledImage(Protocol):
    """What is needed of a simulation: its model, its image with and without a graph, and its tiles."""

    model: Model

    def image_without_graph(self, progress: Progress | None, image_dtype: torch.dtype) -> torch.Tensor: ...

    def image_with_graph(
        self, progress: Progress | None, image_dtype: torch.dtype, model: Model | None = None
    ) -> torch.Tensor: ...

    def differentiable_backend(self, model: Model, slopes: Callable) -> Backend: ...

    def over_tiles(self, function: Callable, backend: Backend) -> Iterator: ...


def differentiated(model: Model) -> list[torch.Tensor]:
    """The tensors of a model through which derivatives flow."""
    return [leaf for leaf in pytree.tree_leaves(model) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]


def _with_copies(model: Model, copy: Callable) -> tuple[Model, list[torch.Tensor]]:
    """The model with copies of those tensors, and the copies in the order of `differentiated`.

    Some of the tensors follow from others. The derivative by a copy leaves that out: it is the graph's to follow.
    """
    leaves, shape = pytree.tree_flatten(model)
    copies = []
    for place, leaf in enumerate(leaves):
        if isinstance(leaf, torch.Tensor) and leaf.requires_grad:
            copies.append(copy(leaf))
            leaves[place] = copies[-1]
    return pytree.tree_unflatten(leaves, shape), copies


class RecomputedImage(torch.autograd.Function):
    """`Simulation.image` as one step of a graph."""

    @staticmethod
    def forward(ctx, simulation: TiledImage, progress: Progress | None, image_dtype: torch.dtype, *tensors):
        ctx.simulation = simulation
        ctx.save_for_backward(*tensors)
        return simulation.image_without_graph(progress, image_dtype)

    @staticmethod
    def backward(ctx, by_image: torch.Tensor) -> tuple[Any, ...]:
        tensors = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of the derivative is wanted: that needs the whole graph
            model, copies = _with_copies(ctx.simulation.model, lambda tensor: tensor.view_as(tensor))
            image = ctx.simulation.image_with_graph(None, by_image.dtype, model)
            found = torch.autograd.grad(image, copies, by_image, create_graph=True, allow_unused=True)
        else:
            found = _tile_by_tile(ctx.simulation, by_image.reshape(-1), tensors)
        return (None, None, None, *found)


def _tile_by_tile(simulation: TiledImage, by_pixel: torch.Tensor, tensors) -> list[torch.Tensor]:
    sums = [torch.zeros_like(tensor) for tensor in tensors]

    model, copies = _with_copies(simulation.model, lambda tensor: tensor.detach().requires_grad_())

    def slopes(backend: Backend, fast: torch.Tensor, slow: torch.Tensor, given: torch.Tensor | None = None):
        with torch.enable_grad():
            photons = integrate.photons(model, fast, slow, backend, torch.float64, hooks=simulation.hooks)
        given = torch.ones_like(photons) if given is None else given
        return torch.autograd.grad(photons, copies, given, allow_unused=True)

    backend = simulation.differentiable_backend(model, slopes)

    def of_tile(tile: Tile) -> tuple[torch.Tensor | None, ...]:
        return slopes(backend, tile.fast, tile.slow, by_pixel[tile.where].double())

    for parts in simulation.over_tiles(of_tile, backend):
        for total, part in zip(sums, parts, strict=True):
            if part is not None:
                total += part
    return sums
