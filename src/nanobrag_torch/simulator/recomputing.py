"""The tiles of an image worked out again with a graph: slopes, changes and second slopes, from plain tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import torch

from nanobrag_torch import integrate
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.compiled.gradient import GradientBackend
from nanobrag_torch.backends.compiled.programs import PHOTONS
from nanobrag_torch.backends.compiled.region import Region
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.model import Model
from nanobrag_torch.simulator.graphs import pixels_with_graph, regions_with_graph
from nanobrag_torch.simulator.linear import Resolved, followed_back, linear
from nanobrag_torch.simulator.pixels import Pixels
from nanobrag_torch.simulator.tiles import Progress, Tile

Tensors = Sequence[torch.Tensor]
Result = TypeVar("Result")
Slope = Callable[..., Sequence[torch.Tensor | None]]

OLD_VMAP = (
    "is_grads_batched and vectorize=True map in a way that a large image does not take; use torch.func.jacrev or jacfwd"
)


class TiledImage(Resolved, Protocol):
    """What is needed of a simulation: its model, its image without a graph, and its tiles."""

    pixels: Pixels

    def image_without_graph(self, progress: Progress | None, image_dtype: torch.dtype) -> torch.Tensor: ...

    def derivative_backend(self, model: Model, slopes: Slope | None, image_dtype: torch.dtype) -> Backend: ...

    def over_tiles(self, function: Callable[[Tile], Result], pixels: int) -> Iterator[Result]: ...

    def over(self, function: Callable[[Region], Result], parts: Iterable[Region]) -> Iterator[Result]: ...

    def blank(self, dtype: torch.dtype) -> torch.Tensor: ...


At = Callable[[Tensors], TiledImage]  # the simulation with these tensors in its experiment


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Input from outside, without its graph."""
    try:
        return tensor.detach()
    except RuntimeError as error:
        raise ExperimentError(OLD_VMAP) from error


def _leaves(tensors: Tensors, wanted: Sequence[bool]) -> list[torch.Tensor]:
    """Copies of the tensors without their graph, those that are wanted as leaves of a new one."""
    return [tensor.detach().requires_grad_(want) for tensor, want in zip(tensors, wanted, strict=True)]


@torch.enable_grad()
def slopes_of(at: At, wanted: Sequence[bool], by_image: torch.Tensor, tensors: Tensors) -> Sequence[torch.Tensor]:
    """Tile by tile the derivatives by the model's tensors, and from them those by the experiment's."""
    leaves, by_pixel = _leaves(tensors, wanted), _by_pixel(by_image)
    simulation = at(leaves)
    model, copies, gradients = linear(simulation, leaves)

    def slopes(
        backend: Backend, fast: torch.Tensor, slow: torch.Tensor, upstream: torch.Tensor | None = None
    ) -> Sequence[torch.Tensor | None]:
        upstream = torch.ones(fast.shape, dtype=by_pixel.dtype, device=fast.device) if upstream is None else upstream
        if isinstance(backend, GradientBackend):
            return backend.slopes(copies, (fast.to(torch.int32), slow.to(torch.int32)), fast.shape[0], upstream)
        with torch.enable_grad():  # in the threads too
            photons = integrate.photons(model, fast, slow, backend, torch.float64, hooks=simulation.hooks)
        if not photons.requires_grad:
            return [None] * len(copies)
        upstream = upstream.double()
        derivatives: Sequence[torch.Tensor | None] = torch.autograd.grad(photons, copies, upstream, allow_unused=True)
        return derivatives

    backend = simulation.derivative_backend(model, slopes, by_pixel.dtype)
    pixels = pixels_with_graph(simulation.plain, simulation.device, backend, 1)
    regions = regions_with_graph(simulation.pixels, backend, pixels)
    if regions is None or not isinstance(backend, GradientBackend):
        tiles = simulation.over_tiles(lambda t: slopes(backend, t.fast, t.slow, t.of(by_pixel)), pixels)
        return gradients(_all_added(tiles, copies))
    counted = backend
    parts = simulation.over(
        lambda region: counted.slopes(copies, region.arguments(by_pixel.device), region.pixels, by_pixel), regions
    )
    return gradients(_all_added(parts, copies))


def _by_pixel(by_image: torch.Tensor) -> torch.Tensor:
    """The derivative by each pixel of an image, in a type that compiled programs read."""
    plain = _plain(by_image).contiguous()
    return plain if plain.dtype in PHOTONS else plain.double()


def _all_added(parts: Iterable[Sequence[torch.Tensor | None]], copies: Tensors) -> list[torch.Tensor | None]:
    """The sums of derivatives by each of the copies, rounded once to its type."""
    sums: list[torch.Tensor | None] = [None] * len(copies)
    for part in parts:
        sums = [_added(total, one) for total, one in zip(sums, part, strict=True)]
    return [None if total is None else total.to(one.dtype) for total, one in zip(sums, copies, strict=True)]


def _added(total: torch.Tensor | None, part: torch.Tensor | None) -> torch.Tensor | None:
    """A sum with one part more, which may be sparse; None where nothing has been added."""
    if part is None:
        return total
    if total is None:
        return part.to_dense() if part.is_sparse else part.clone()
    return total.add_(part)


@torch.enable_grad()
def change_and_bend(
    at: At, wanted: Sequence[bool], by_image: torch.Tensor | None, along: Tensors, tensors: Tensors
) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
    """Change of the image along `along` and, for `by_image`, the derivatives of the sum of slopes times `along`."""
    leaves, along = _leaves(tensors, wanted), list(map(_plain, along))
    by = [leaf for leaf in leaves if leaf.requires_grad]
    by_pixel = None if by_image is None else _plain(by_image).reshape(-1).double()
    simulation = at(leaves)
    backend = simulation.derivative_backend(simulation.model, None, torch.float64)
    changed = simulation.blank(torch.float64)

    @torch.enable_grad()
    def of_tile(tile: Tile) -> tuple[torch.Tensor | slice, Sequence[torch.Tensor]]:
        photons = integrate.photons(
            simulation.model, tile.fast, tile.slow, backend, torch.float64, hooks=simulation.hooks
        )
        by_tile = torch.zeros_like(photons) if by_pixel is None else by_pixel[tile.where]
        by_tile = by_tile.detach().requires_grad_()
        slopes = followed_back([photons], by, [by_tile], create_graph=True)
        return tile.where, followed_back(
            slopes, [by_tile] if by_pixel is None else [by_tile, *by], along, retain_graph=True
        )

    sums = [torch.zeros_like(tensor) for tensor in by]
    for where, (change, *parts) in simulation.over_tiles(
        of_tile, pixels_with_graph(simulation.plain, simulation.device, backend, 2)
    ):
        changed.view(-1)[where] = change
        for total, part in zip(sums, parts, strict=False):
            total += part
    return changed, sums
