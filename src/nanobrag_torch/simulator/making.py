"""One image, tile by tile, and the pixels of it by which compiled code is trusted with its model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from nanobrag_torch import integrate, limits, transfer
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.compiled import agreement, selection
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.region import Region
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.physics.tensors import number
from nanobrag_torch.simulator.tiles import Progress, Tile

if TYPE_CHECKING:
    from nanobrag_torch.simulator import Simulation

_HOST = torch.device("cpu")
IMAGES: dict[tuple[object, ...], int] = {}  # models of each structure whose images compiled code has made


def image(
    simulation: Simulation,
    backend: Backend,
    progress: Progress | None,
    image_dtype: torch.dtype,
    into: torch.Tensor | None = None,
) -> tuple[torch.Tensor | None, str]:
    """The image (slow, fast) by a backend; None and the reason where that is compiled code which is not to be trusted.

    It is `into` or a new one.

    Whatever goes wrong with compiled code is told on standard error, and is no reason not to make the image.
    """
    if not isinstance(backend, CompiledBackend) or backend.trusted_with is simulation.plain:
        return _made(simulation, backend, progress, image_dtype, False, into)[0], ""
    number_of_it = IMAGES[backend.structure] = IMAGES.get(backend.structure, 0) + 1
    look = agreement.is_looked_at(number_of_it, simulation.device)
    try:
        made, brightest = _made(simulation, backend, progress, image_dtype, look, into)
        why = None if brightest is None else doubt(simulation, made, brightest)
    except (MemoryError, torch.OutOfMemoryError, ExperimentError):
        raise
    except Exception as error:
        why = f"compiled code is not used: {' '.join(str(error).split())[:200]}"
    if why is None:
        backend.trusted_with = simulation.plain  # the next image of this very model waits for no check
        return made, ""
    unseen = 0  # since the last one that was looked at
    while not agreement.is_looked_at(number_of_it - 1 - unseen, simulation.device):
        unseen += 1
    del IMAGES[backend.structure]  # the next one is looked at
    if unseen:
        why = f"{why}; the last {unseen} images that it made in this process may be wrong too"
    selection.tell(why)
    return None, why


def _made(
    simulation: Simulation,
    backend: Backend,
    progress: Progress | None,
    image_dtype: torch.dtype,
    look: bool,
    into: torch.Tensor | None,
) -> tuple[torch.Tensor, Tile | Region | None]:
    """The image, and if `look` the tile with its brightest pixel, or with one that no image can have."""
    n_fast, n_slow = simulation.plain_host.geometry.n_fast, simulation.plain_host.geometry.n_slow
    total = simulation.pixel_count
    if simulation.device.type == "cpu":
        limits.check_memory(f"{n_fast} x {n_slow} pixels", float(n_fast) * n_slow * image_dtype.itemsize)
    counts_itself = isinstance(backend, CompiledBackend) and backend.makes_whole_pixels(image_dtype)
    regions = simulation.pixels.regions(backend.pixels) if counts_itself else None
    masked = simulation.experiment.detector.mask is not None and regions is None
    every_pixel = total == n_fast * n_slow and not masked
    if into is None:
        made = torch.empty if every_pixel else torch.zeros
        image = made(n_slow, n_fast, dtype=image_dtype, device=simulation.device)
    else:
        image = into if every_pixel else into.zero_()
    parts: Iterable[Tile | Region] = simulation.pixels.tiles(backend.pixels) if regions is None else regions

    def photons_of(part: Tile | Region) -> tuple[Tile | Region, float]:
        with torch.no_grad():
            photons = _photons_of(simulation, backend, part, image)
            if not look:
                return part, -math.inf  # nothing waits for a device
            least, most = photons.aminmax()  # while the tile is in the cache
            return part, float(most) if float(least) >= 0 else math.nan

    done, brightest, highest = 0, None, -math.inf
    for part, peak in simulation.over(photons_of, parts):
        if not (peak <= highest or math.isnan(highest)):
            brightest, highest = part, peak
        done += part.pixels
        if progress:
            progress(done, total)
    return image, brightest


def _photons_of(simulation: Simulation, backend: Backend, part: Tile | Region, image: torch.Tensor) -> torch.Tensor:
    """Photons of a part of an image, which are written there."""
    if isinstance(part, Region):
        there = part.of(image)
        into = there if there.is_contiguous() else torch.empty_like(there, memory_format=torch.contiguous_format)
        made: torch.Tensor = backend.photons_of_region(part, into)  # type: ignore[attr-defined]
        return there if into is there else there.copy_(made)
    line = image.view(-1)
    here = line[part.where] if isinstance(part.where, slice) else None
    photons = integrate.photons(simulation.plain, part.fast, part.slow, backend, image.dtype, here, simulation.hooks)
    if photons is not here:
        line[part.where] = photons
    return photons


def doubt(simulation: Simulation, image: torch.Tensor, brightest: Tile | Region) -> str | None:
    """How an image differs from eager code's: in its brightest pixel, at the direct beam, in the first or last one.

    None where it does not. Eager code makes them on the CPU, where its many operations cost least. A few pixels of
    the image itself, so that no other model vouches for this one.
    """
    peak, n_fast = int(brightest.of(image).abs().argmax()), image.shape[1]
    wanted = [brightest.pixel(peak), *looked_at(simulation)]
    chosen = [(x, y) for x, y in wanted if simulation.pixels.cover(y, x)]
    if not chosen:  # a mask hides them all
        return None
    with torch.inference_mode():
        fast, slow = torch.tensor(chosen).mT
        host = simulation.plain_host
        if host.amplitudes.padded is not None and host.amplitudes.padded.device != _HOST:  # it is where the user has it
            host = transfer.moved(host, _HOST)
        return agreement.doubt(host, fast, slow, image.view(-1)[(slow * n_fast + fast).to(image.device)].cpu())


def looked_at(simulation: Simulation) -> list[tuple[int, int]]:
    """(fast, slow) of pixels that are looked at in every image: nearest to the direct beam, the first, the last."""
    x_min, x_max, y_min, y_max = simulation.roi
    g, size_m = simulation.plain_host.geometry, number(simulation.plain_host.geometry.pixel_size_m)
    beam_fast, beam_slow = [
        min(max(int(number(metres) / size_m), low), high)
        for metres, low, high in ((g.Fbeam_m, x_min, x_max), (g.Sbeam_m, y_min, y_max))
    ]
    return [(beam_fast, beam_slow), (x_min, y_min), (x_max, y_max)]
