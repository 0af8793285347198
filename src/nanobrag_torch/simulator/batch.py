"""Images of several simulations at once, which the host sees only after the copy.

A single image waits for its brightest pixel, which is used to check compiled code. Here the check is delayed: the
images come with a few numbers each, and once these are on the host the batch says whether compiled code was right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch

from nanobrag_torch import transfer
from nanobrag_torch.backends.compiled import agreement, frames, selection
from nanobrag_torch.backends.compiled import cache as kept
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.simulator import Simulation, making

_streams: dict[torch.device, torch.cuda.Stream] = {}  # of copies
_CPU = torch.device("cpu")
_LEAST, _MOST, _WHERE, _FIXED = 0, 1, 2, 3  # columns of the digest


@dataclass(frozen=True)
class Batch:
    """Images (n, slow, fast) of simulations of one detector, and a digest (n, 3 + places) of each, on the device."""

    simulations: Sequence[Simulation]
    images: torch.Tensor
    digest: torch.Tensor
    trusted_later: bool

    def not_finite(self, digest: torch.Tensor) -> int | None:
        """The first image with a pixel that is no finite number, by the digest on the host."""
        for frame, (least, most) in enumerate(digest[:, : _MOST + 1].tolist()):
            if not (math.isfinite(least) and math.isfinite(most)):
                return frame
        return None

    def doubt(self, digest: torch.Tensor) -> str | None:
        """How the image with the brightest pixel of all differs from eager code's in a few pixels; None if it does not.

        `digest` is on the host. Images that were trusted when they were made are not looked at.
        """
        if not self.trusted_later:
            return None
        frame = int(digest[:, _MOST].argmax())
        simulation, row = self.simulations[frame], digest[frame].tolist()
        n_fast = simulation.plain_host.geometry.n_fast
        at = [int(row[_WHERE]), *places(simulation)]
        seen = [
            (where % n_fast, where // n_fast, value)
            for where, value in zip(at, [row[_MOST], *row[_FIXED:]], strict=True)
            if simulation.pixels.cover(where // n_fast, where % n_fast)
        ]
        fast, slow = (torch.tensor([pixel[i] for pixel in seen], dtype=torch.int64) for i in range(2))
        got = torch.tensor([value for *_, value in seen], dtype=self.images.dtype)
        with torch.no_grad():
            return agreement.doubt(transfer.moved(simulation.plain_host, _CPU), fast, slow, got)

    def made_again(self, why: str) -> Batch:
        """The same images by eager code."""
        selection.tell(why)
        images = []
        for simulation in self.simulations:
            image, _ = making.image(simulation, EagerBackend(simulation.plain, why), None, self.images.dtype)
            assert image is not None  # eager code always makes one
            images.append(image)
        return _batch(self.simulations, torch.stack(images), False)


def images_of(
    simulations: Sequence[Simulation], trust_later: bool = False, image_dtype: torch.dtype = torch.float32
) -> Batch:
    """Images of simulations whose tensors differ only in their values, made without waiting for the device.

    With `trust_later` compiled code is compared with eager code only after the images are on the host, see `doubt`; on
    a GPU the images then are one launch.
    """
    together = _one_launch(simulations, image_dtype) if trust_later and len(simulations) > 1 else None
    if together is not None:
        return _batch(simulations, together, trust_later)
    geometry, to_be_checked = simulations[0].plain_host.geometry, False
    size = len(simulations), geometry.n_slow, geometry.n_fast
    images = torch.empty(size, dtype=image_dtype, device=simulations[0].device)
    for simulation, into in zip(simulations, images, strict=True):
        backend = simulation.backend(image_dtype) if trust_later else None
        if isinstance(backend, CompiledBackend):
            backend.trusted_with, to_be_checked = simulation.plain, True
        made = simulation.image_without_graph(None, image_dtype, into)
        if made is not into:
            into.copy_(made)
    return _batch(simulations, images, to_be_checked)


def _one_launch(simulations: Sequence[Simulation], image_dtype: torch.dtype) -> torch.Tensor | None:
    """Images (n, slow, fast) of one launch; None if an image needs more than one, or is not made on a GPU."""
    first = simulations[0]
    backends = [simulation.backend(image_dtype) for simulation in simulations]
    regions = first.pixels.regions(backends[0].pixels) if launches_frames(first.device) else None
    if regions is None or len(regions) != 1:
        return None
    geometry, region, rows, name = first.geometry, regions[0], [], ""
    whole = region.pixels == geometry.n_slow * geometry.n_fast
    size = len(simulations), geometry.n_slow, geometry.n_fast
    images = (torch.empty if whole else torch.zeros)(size, dtype=image_dtype, device=first.device)
    there = images[:, region.y_min :][:, : region.rows, region.x_min :][:, :, : region.width]
    parts = torch.empty_like(there, memory_format=torch.contiguous_format) if region.width < geometry.n_fast else there
    for backend, part in zip(backends, parts, strict=True):
        reads = backend.inputs_of_image(image_dtype) if isinstance(backend, CompiledBackend) else None
        if reads is None or reads[0] != (name or reads[0]):
            return None
        name = reads[0]
        rows.append([*reads[1], *region.arguments(first.device), part])
    try:
        if not frames.launched(name, first.model, rows, region.pixels):
            return None
        if parts is not there:
            there.copy_(parts)
        return images
    except (RuntimeError, ValueError, OSError, kept.BrokenPackage) as error:
        _tell_once(f"every image is a launch of its own: {' '.join(str(error).split())[:200]}")
        return None


def launches_frames(device: torch.device) -> bool:
    """Whether a launch has a dimension for frames; on a CPU repeated calls cost nothing."""
    return device.type != "cpu"


@cache
def _tell_once(message: str) -> None:
    selection.tell(message)


def _batch(simulations: Sequence[Simulation], together: torch.Tensor, trusted_later: bool) -> Batch:
    flat = together.flatten(1)
    columns = [bound[:, None].double() for bound in _bounds(flat)]
    if trusted_later:
        columns += [_where_largest(flat)[:, None].double()]
        columns += [flat[:, where, None].double() for where in places(simulations[0])]
    return Batch(simulations, together, torch.cat(columns, dim=1), trusted_later)


def _bounds(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the largest number of each row; on a CPU two passes take a tenth of the time of one for both."""
    if flat.device.type == "cpu":
        return flat.amin(dim=1), flat.amax(dim=1)
    least, most = flat.aminmax(dim=1)
    return least, most


def _where_largest(flat: torch.Tensor) -> torch.Tensor:
    """The place of the largest number of each row, or of one that is none; numpy finds it ten times as fast."""
    return torch.from_numpy(flat.numpy().argmax(axis=1)) if flat.device.type == "cpu" else flat.argmax(dim=1)


def places(simulation: Simulation) -> list[int]:
    """Positions of the pixels that are checked in every image: at the direct beam, the first and the last one."""
    return [slow * simulation.plain_host.geometry.n_fast + fast for fast, slow in making.looked_at(simulation)]


def copies_to_host(tensors: list[torch.Tensor]) -> Callable[[], list[torch.Tensor]]:
    """Start the copies of tensors to the host; the returned function waits for them and gives them.

    On a GPU they go into pinned memory on a separate stream, after the work that makes the tensors; neither that work
    nor the work after it waits.
    """
    device = tensors[0].device
    if device.type != "cuda":
        return lambda: [tensor.cpu() for tensor in tensors]
    aside, made = _stream_of_copies(device), torch.cuda.current_stream(device)
    aside.wait_stream(made)
    with torch.cuda.stream(aside):
        hosts = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors]
        for host, tensor in zip(hosts, tensors, strict=True):
            host.copy_(tensor, non_blocking=True)
            tensor.record_stream(aside)
        done = torch.cuda.Event()
        done.record(aside)

    def wait() -> list[torch.Tensor]:
        done.synchronize()
        return hosts

    return wait


def _stream_of_copies(device: torch.device) -> torch.cuda.Stream:
    if device not in _streams:
        _streams[device] = torch.cuda.Stream(device)
    return _streams[device]
