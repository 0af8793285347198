"""One image, tile by tile, and the pixels of it by which compiled code is trusted with its model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from nanobrag_torch import integrate, limits, transfer
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.compiled import selection
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.physics.tensors import number
from nanobrag_torch.simulator.tiles import Progress, Tile

if TYPE_CHECKING:
    from nanobrag_torch.simulator import Simulation

_HOST = torch.device("cpu")
IMAGES: dict[tuple[object, ...], int] = {}  # models of each structure whose images compiled code has made


def image(
    simulation: Simulation, backend: Backend, progress: Progress | None, image_dtype: torch.dtype
) -> tuple[torch.Tensor | None, str]:
    """The image (slow, fast) by a backend; None and the reason where that is compiled code which is not to be trusted.

    Whatever goes wrong with compiled code is told on standard error, and is no reason not to make the image.
    """
    if not isinstance(backend, CompiledBackend) or backend.trusted_with is simulation.plain:
        return _made(simulation, backend, progress, image_dtype, False)[0], ""
    number_of_it = IMAGES[backend.structure] = IMAGES.get(backend.structure, 0) + 1
    try:
        made, brightest = _made(simulation, backend, progress, image_dtype, selection.is_looked_at(number_of_it))
        why = None if brightest is None else _doubt(simulation, made, brightest)
    except (MemoryError, torch.OutOfMemoryError, ExperimentError):
        raise
    except Exception as error:
        why = f"compiled code is not used: {' '.join(str(error).split())[:200]}"
    if why is None:
        backend.trusted_with = simulation.plain  # the next image of this very model waits for no check
        return made, ""
    unseen = number_of_it - number_of_it // 2 - 1  # since the last one that was looked at
    del IMAGES[backend.structure]  # the next one is looked at
    if unseen:
        why = f"{why}; the last {unseen} images that it made in this process may be wrong too"
    selection.tell(why)
    return None, why


def _made(
    simulation: Simulation, backend: Backend, progress: Progress | None, image_dtype: torch.dtype, look: bool
) -> tuple[torch.Tensor, Tile | None]:
    """The image, and if `look` the tile with its brightest pixel, or with one that no image can have."""
    n_fast, n_slow = simulation.plain_host.geometry.n_fast, simulation.plain_host.geometry.n_slow
    total = simulation.pixel_count
    if simulation.device.type == "cpu":
        limits.check_memory(f"{n_fast} x {n_slow} pixels", float(n_fast) * n_slow * image_dtype.itemsize)
    every_pixel = total == n_fast * n_slow and simulation.experiment.detector.mask is None
    image = (torch.empty if every_pixel else torch.zeros)(n_slow, n_fast, dtype=image_dtype, device=simulation.device)
    pixels_in_line = image.view(-1)

    def photons_of(tile: Tile) -> tuple[Tile, float]:
        here = pixels_in_line[tile.where] if isinstance(tile.where, slice) else None
        with torch.no_grad():
            photons = integrate.photons(
                simulation.plain, tile.fast, tile.slow, backend, image_dtype, here, simulation.hooks
            )
            if photons is not here:
                pixels_in_line[tile.where] = photons
            if not look:
                return tile, -math.inf  # nothing waits for a device
            least, most = photons.aminmax()  # while the tile is in the cache
            return tile, float(most) if float(least) >= 0 else math.nan

    done, brightest, highest = 0, None, -math.inf
    for tile, peak in simulation.over_tiles(photons_of, backend.pixels):
        if not (peak <= highest or math.isnan(highest)):
            brightest, highest = tile, peak
        done += tile.fast.shape[0]
        if progress:
            progress(done, total)
    return image, brightest


def _doubt(simulation: Simulation, image: torch.Tensor, brightest: Tile) -> str | None:
    """How an image differs from eager code's: in its brightest pixel, at the direct beam, in the first or last one.

    None where it does not. Eager code makes them on the CPU, where its many operations cost least. A few pixels of
    the image itself, so that no other model vouches for this one.
    """
    peak, n_fast = int(image.view(-1)[brightest.where].abs().argmax()), image.shape[1]
    wanted = [[int(brightest.fast[peak]), int(brightest.slow[peak])], *looked_at(simulation)]
    chosen = torch.tensor([(x, y) for x, y in wanted if simulation.covers(y, x)]).T
    with torch.no_grad():
        fast, slow = chosen
        host = simulation.plain_host
        if host.amplitudes.padded is not None and host.amplitudes.padded.device != _HOST:  # it is where the user has it
            host = transfer.moved(host, _HOST)
        return selection.doubt(host, fast, slow, image.view(-1)[(slow * n_fast + fast).to(image.device)].cpu())


def looked_at(simulation: Simulation) -> list[list[int]]:
    """(fast, slow) of pixels that are looked at in every image: nearest to the direct beam, the first, the last."""
    x_min, x_max, y_min, y_max = simulation.roi
    g, size_m = simulation.plain_host.geometry, number(simulation.plain_host.geometry.pixel_size_m)
    beam = [
        min(max(int(number(metres) / size_m), low), high)
        for metres, low, high in ((g.Fbeam_m, x_min, x_max), (g.Sbeam_m, y_min, y_max))
    ]
    return [beam, [x_min, y_min], [x_max, y_max]]
