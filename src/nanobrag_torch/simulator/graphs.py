"""Graphs that derivatives follow: of a small image whole, of a large one tile by tile, as far as memory goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nanobrag_torch import integrate
from nanobrag_torch.backends import eager
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.compiled.gradient import GradientBackend
from nanobrag_torch.backends.compiled.region import Region
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.model import Model
from nanobrag_torch.simulator.pixels import Pixels
from nanobrag_torch.simulator.tiles import Progress

if TYPE_CHECKING:
    from nanobrag_torch.simulator import Simulation

_RAYS_WITH_GRAPH_ON_GPU = 1 << 23  # of a tile: a few numbers for each, so that a launch has enough to do


def image_with_graph(simulation: Simulation, progress: Progress | None, image_dtype: torch.dtype) -> torch.Tensor:
    """The image with the graph of every step that led to it."""
    model, image = simulation.model, simulation.blank(image_dtype).view(-1)
    backend, indices, parts = EagerBackend(model), [], []
    done, total = 0, simulation.pixel_count
    for fast, slow, _ in simulation.pixels.tiles(backend.pixels):
        indices.append(simulation.pixels.in_line(fast, slow))
        parts.append(integrate.integrate(model, fast, slow, backend, simulation.hooks).photons.to(image_dtype))
        done += fast.shape[0]
        if progress:
            progress(done, total)
    if parts:
        image = image.index_copy(0, torch.cat(indices), torch.cat(parts))
    return image.view(simulation.plain_host.geometry.n_slow, simulation.plain_host.geometry.n_fast)


def pixels_with_graph(model: Model, device: torch.device, backend: Backend, order: int) -> int:
    """Pixels of a tile of which a graph is kept, for derivatives of an order: its memory goes by all its steps."""
    terms = model.samples * model.source_count
    if isinstance(backend, EagerBackend):
        return max(1, min(backend.pixels, eager.PAIRS_PER_PASS // (terms * model.real_m.shape[0] * order)))
    if isinstance(backend, GradientBackend) and device.type != "cpu":
        return backend.pixels  # nothing is kept of its samples and sources, whatever their number
    rays = eager.PAIRS_PER_PASS if device.type == "cpu" else _RAYS_WITH_GRAPH_ON_GPU
    return max(1, min(backend.pixels, rays // terms))


def regions_with_graph(pixels: Pixels, backend: Backend, count: int) -> list[Region] | None:
    """Regions of up to that many pixels of an image, which programs of derivatives count; None where tiles are made."""
    return pixels.regions(count) if isinstance(backend, GradientBackend) else None
