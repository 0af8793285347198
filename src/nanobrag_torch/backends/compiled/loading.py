"""Compiled programs in memory: loaded once in a process, called on tensors of a CPU or of a GPU."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import torch

from nanobrag_torch.backends.compiled.cache import opened
from nanobrag_torch.backends.compiled.cuda_text import HIGH_BITS, LOW_BITS, THREADS_PER_BLOCK, WARP, image_of
from nanobrag_torch.backends.compiled.dialects import LANES
from nanobrag_torch.backends.compiled.recording import ENTRY

_LARGEST_EXPONENT = 1000  # of a scale


class Summed(NamedTuple):
    """A sum over rays that a program returns: its shape, and whether there is one for each orientation or source."""

    shape: torch.Size
    of_each: bool
    into: torch.Tensor | None = None  # float64 (elements,): sums by place of a table are added to what is there


def loaded_library(file: BinaryIO) -> ctypes.CDLL:
    """The library in an opened file, which is closed here; no second file of its name is looked for.

    A descriptor of it stays open for ever: the loader takes an equal name, so an equal descriptor, for one library.
    """
    with file:
        by_descriptor = Path(f"/proc/self/fd/{os.dup(file.fileno())}")
        return ctypes.CDLL(str(by_descriptor if by_descriptor.exists() else file.name))


class Loaded(Protocol):
    """A program in memory: writes its outputs for that many rays and orientations."""

    def __call__(self, tensors: list[torch.Tensor], rays: int, orientations: int) -> None: ...

    def sums(
        self, tensors: list[torch.Tensor], wanted: Sequence[Summed], rays: int, orientations: int
    ) -> list[torch.Tensor]:
        """What a program that sums over rays adds up to, float64."""


class OnCpu:
    """C that the machine's compiler has built."""

    def __init__(self, file: BinaryIO):
        self._run = loaded_library(file)[ENTRY]  # Python's lock is released while it runs
        self._run.restype = None

    def __call__(self, tensors: list[torch.Tensor], rays: int, orientations: int) -> None:
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
        self._run(*pointers, ctypes.c_int(rays), ctypes.c_int(orientations))

    def sums(
        self, tensors: list[torch.Tensor], wanted: Sequence[Summed], rays: int, orientations: int
    ) -> list[torch.Tensor]:
        """The program adds to what is there, what is of orientations in lanes beside each other."""
        parts = [
            torch.zeros((*one.shape, LANES) if one.of_each else one.shape, dtype=torch.float64)
            if one.into is None
            else one.into
            for one in wanted
        ]
        self([*tensors, *parts], rays, orientations)
        return [part.sum(-1) if one.of_each else part for one, part in zip(wanted, parts, strict=True)]


class OnGpu:
    """CUDA that the driver compiles."""

    def __init__(self, file: BinaryIO, device: torch.device):
        with file, torch.cuda.device(device):
            text = file.read().decode()
            self._run = torch.cuda._compile_kernel(text, ENTRY)
        self._device, self._image = device, image_of(text)

    def __call__(self, tensors: list[torch.Tensor], rays: int, orientations: int) -> None:
        with torch.cuda.device(self._device):
            image = self._image
            blocks = blocks_of(rays) if image is None else image.blocks(rays, processors(self._device))
            self._run(grid=(blocks, 1, 1), block=(THREADS_PER_BLOCK, 1, 1), args=[*tensors, rays, orientations])

    def sums(
        self, tensors: list[torch.Tensor], wanted: Sequence[Summed], rays: int, orientations: int
    ) -> list[torch.Tensor]:
        """Each warp adds to sums of its own, which are added up in the order of the warps.

        Where there are sums by place it runs twice: first for the size of all terms, by which the second run makes
        whole numbers of them.
        """
        warps = blocks_of(rays) * (THREADS_PER_BLOCK // WARP)
        tables = [None if one.into is None else _OfWholeNumbers(one.into, warps) for one in wanted]
        own = [one for one, table in zip(wanted, tables, strict=True) if table is None]
        zeros = torch.zeros(warps * sum(one.shape.numel() for one in own), dtype=torch.float64, device=self._device)
        of_warps = iter(zeros.split([warps * one.shape.numel() for one in own]))
        parts = [
            table.parts if table else [next(of_warps).view(warps, *one.shape)]
            for one, table in zip(wanted, tables, strict=True)
        ]
        inputs = [*tensors, *(tensor for part in parts for tensor in part)]
        for table in filter(None, tables):
            self(inputs, rays, orientations)
            table.scale_by_size()
            zeros.zero_()
        self(inputs, rays, orientations)
        return [part[0].sum(0) if table is None else table.added() for part, table in zip(parts, tables, strict=True)]


class _OfWholeNumbers:
    """Sums by place of a table, as two whole numbers each, which have the same sum in any order.

    All terms are multiplied by the power of 2 that leaves the sum of their sizes S below 2^60, and rounded twice: a sum
    of n terms is off by less than n S 2^-90.
    """

    def __init__(self, into: torch.Tensor, warps: int):
        self._into = into
        self._whole = torch.zeros((into.numel(), 2), dtype=torch.int64, device=into.device)
        self._sizes = torch.zeros(warps, dtype=torch.float64, device=into.device)
        self._scale = torch.zeros(1, dtype=torch.float64, device=into.device)
        self.parts = [self._whole, self._sizes, self._scale]

    def scale_by_size(self) -> None:
        """Let the next run add whole numbers; until then it adds nothing."""
        _, exponent = torch.frexp(self._sizes.sum())
        unit = torch.ones_like(self._scale)
        self._scale.copy_(torch.ldexp(unit, (HIGH_BITS - exponent).clamp(max=_LARGEST_EXPONENT)))

    def added(self) -> torch.Tensor:
        """What the sums are added to; no number, where a term is none."""
        high, low = self._whole.double().unbind(1)
        lost = 0 * self._sizes.sum()
        self._into += (high + low / 2**LOW_BITS) / self._scale + lost
        return self._into


def blocks_of(rays: int) -> int:
    """Blocks of threads that a GPU starts for sums over that many rays."""
    return -(-rays // THREADS_PER_BLOCK)


def processors(device: torch.device) -> int:
    """Multiprocessors of a GPU."""
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def load(file: Path, device: torch.device) -> Loaded:
    """A compiled program from disk. Raises BrokenPackage if it is not safe or has changed."""
    return _loaded(file, file.stat().st_mtime_ns, device)


@cache  # a library is never unloaded, so what has its descriptor is never dropped
def _loaded(file: Path, written_ns: int, device: torch.device) -> Loaded:
    """Programs do not depend on a model, so every simulation of a process shares them."""
    checked = opened(file)
    return OnCpu(checked) if device.type == "cpu" else OnGpu(checked, device)
