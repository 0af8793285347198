"""Compiled programs in memory, and the backend that launches them."""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import torch

from nanobrag_torch import kernel
from nanobrag_torch.backends.backend import Description
from nanobrag_torch.backends.compiled.cache import about, opened
from nanobrag_torch.backends.compiled.compiler import ENTRY, Build
from nanobrag_torch.backends.compiled.dialects import HIGH_BITS, LANES, LOW_BITS, THREADS_PER_BLOCK, WARP
from nanobrag_torch.backends.compiled.programs import PHOTONS, PROGRAMS
from nanobrag_torch.backends.compiled.region import Region
from nanobrag_torch.hooks import Hook
from nanobrag_torch.model import Model

PIXELS_AT_ONCE = 1 << 17  # where a pixel is one program, which leaves nothing but photons behind
PIXELS_PER_TILE = 1 << 15  # where the sums of samples and sources are kept beside it
PIXELS_PER_LAUNCH = 1 << 24  # on a GPU
_LARGEST_EXPONENT = 1000  # of a scale


class Summed(NamedTuple):
    """A sum over rays that a program returns: its shape, and whether the first dimension is the orientations."""

    shape: torch.Size
    of_orientations: bool
    into: torch.Tensor | None = None  # float64 (elements,): sums by place of a table are added to what is there


class _Loaded(Protocol):
    """A program in memory: writes its outputs for that many rays and orientations."""

    def __call__(self, tensors: list[torch.Tensor], rays: int, orientations: int) -> None: ...

    def sums(
        self, tensors: list[torch.Tensor], wanted: list[Summed], rays: int, orientations: int
    ) -> list[torch.Tensor]:
        """The outputs of a program that sums over rays, float64."""


class OnCpu:
    """C that the machine's compiler has built."""

    def __init__(self, file: BinaryIO):
        self._file = file  # stays open: the loader takes an equal name, so an equal descriptor, for the same library
        by_descriptor = Path(f"/proc/self/fd/{file.fileno()}")
        library = ctypes.CDLL(str(by_descriptor if by_descriptor.exists() else file.name))
        self._run = library[ENTRY]  # Python's lock is released while it runs
        self._run.restype = None

    def __call__(self, tensors: list[torch.Tensor], rays: int, orientations: int) -> None:
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
        self._run(*pointers, ctypes.c_int(rays), ctypes.c_int(orientations))

    def sums(
        self, tensors: list[torch.Tensor], wanted: list[Summed], rays: int, orientations: int
    ) -> list[torch.Tensor]:
        """The program adds those of the orientations to what is there, in lanes beside each other."""
        parts = [
            torch.zeros((*one.shape, LANES) if one.of_orientations else one.shape, dtype=torch.float64)
            if one.into is None
            else one.into
            for one in wanted
        ]
        self([*tensors, *parts], rays, orientations)
        return [part.sum(-1) if one.of_orientations else part for one, part in zip(wanted, parts, strict=True)]


class OnGpu:
    """CUDA that the driver compiles."""

    def __init__(self, file: BinaryIO, device: torch.device):
        with file, torch.cuda.device(device):
            self._run = torch.cuda._compile_kernel(file.read().decode(), ENTRY)
        self._device = device

    def __call__(self, tensors: list[torch.Tensor], rays: int, orientations: int) -> None:
        with torch.cuda.device(self._device):
            self._run(grid=(_blocks(rays), 1, 1), block=(THREADS_PER_BLOCK, 1, 1), args=[*tensors, rays, orientations])

    def sums(
        self, tensors: list[torch.Tensor], wanted: list[Summed], rays: int, orientations: int
    ) -> list[torch.Tensor]:
        """The program writes the sums of each warp; these are added in the order of the warps.

        Where there are sums by place it runs twice: first for the size of all terms, by which the second run makes
        whole numbers of them.
        """
        warps = _blocks(rays) * (THREADS_PER_BLOCK // WARP)
        tables = [None if one.into is None else _OfWholeNumbers(one.into, warps) for one in wanted]
        parts = [
            table.parts if table else [torch.empty((warps, *one.shape), dtype=torch.float64, device=self._device)]
            for one, table in zip(wanted, tables, strict=True)
        ]
        given = [*tensors, *(tensor for part in parts for tensor in part)]
        for table in filter(None, tables):
            self(given, rays, orientations)
            table.scale_by_size()
        self(given, rays, orientations)
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
        one = torch.ones_like(self._scale)
        self._scale.copy_(torch.ldexp(one, (HIGH_BITS - exponent).clamp(max=_LARGEST_EXPONENT)))

    def added(self) -> torch.Tensor:
        """What the sums are added to; no number, where a term is none."""
        high, low = self._whole.double().unbind(1)
        lost = 0 * self._sizes.sum()
        self._into += (high + low / 2**LOW_BITS) / self._scale + lost
        return self._into


def _blocks(rays: int) -> int:
    return -(-rays // THREADS_PER_BLOCK)


def load(file: Path, device: torch.device) -> _Loaded:
    """A compiled program from disk. Raises BrokenPackage if it is not safe or has changed."""
    return _loaded(file, file.stat().st_mtime_ns, device)


@cache  # a library is never unloaded, so what has its descriptor is never dropped
def _loaded(file: Path, written_ns: int, device: torch.device) -> _Loaded:
    """Programs do not depend on a model, so every simulation of a process shares them."""
    checked = opened(file)
    return OnCpu(checked) if device.type == "cpu" else OnGpu(checked, device)


def _description(built: Iterable[Build]) -> Description:
    """The description of a backend that runs these programs."""
    built = list(built)
    compilers = dict.fromkeys(one.compiler for one in built)
    return Description("compiled", " ".join(one.source_sha256 for one in built), " | ".join(compilers))


class Aimed:
    """One sample of each pixel, and the factors of its rays by source, computed on demand."""

    def __init__(self, backend: CompiledBackend, fast: torch.Tensor, slow: torch.Tensor, samples: kernel.Samples):
        self.where = (fast.to(torch.int32), slow.to(torch.int32), *samples)
        self._backend = backend
        self._factors: dict[int, list[torch.Tensor]] = {}

    def factors(self, source: int) -> list[torch.Tensor]:
        """Solid angle, captured fraction, polarization, and acceptance where there is a resolution limit."""
        if source not in self._factors:
            self._factors = {source: self._backend.run("factors", source, *self.where)}
        return self._factors[source]


class Light:
    """The scattering of one source by those rays."""

    def __init__(self, aimed: Aimed, source: int, limited: bool):
        self.aimed, self.source = aimed, source
        self.accepted = aimed.factors(source)[3] if limited else None


class CompiledBackend:
    """One sample of a tile at a time, all orientations at once: only results leave the registers."""

    name = "compiled"
    why = "it pays, and gives the kernel's numbers"

    def __init__(
        self,
        model: Model,
        files: dict[str, Path],
        names: tuple[str, ...] | None = None,
        built: dict[str, Build] | None = None,
    ):
        """`names`: the programs that can be run, if those are not the ones in `files`; `built`: how those were."""
        built = {name: about(file) for name, file in files.items()} if built is None else built
        self.description = _description(built.values())
        self._programs = {name: load(file, model.real_m.device) for name, file in files.items()}
        self._files = tuple((file, file.stat().st_mtime_ns) for file in files.values())
        self._names = frozenset(files if names is None else names)
        self._take(model)

    def for_model(self, model: Model) -> CompiledBackend:
        """The loaded programs for a model whose tensors have other values and which is otherwise the same."""
        other = copy.copy(self)
        other._take(model)
        return other

    @property
    def structure(self) -> tuple[object, ...]:
        """What images have in common whose models differ in the values of their tensors alone."""
        table = self._model.amplitudes.padded
        return self._files, self.orientations, self._model.samples, len(self._inputs), table is None or table.shape

    def _take(self, model: Model) -> None:
        self.trusted_with: Model | None = None  # the model of which an image has been made and not refused
        self.pixels = PIXELS_AT_ONCE if self._names.intersection(PHOTONS.values()) else PIXELS_PER_TILE
        if model.real_m.device.type != "cpu":
            self.pixels = PIXELS_PER_LAUNCH
        self.rays_at_once = 1
        self.orientations = model.real_m.shape[0]
        self._model = model
        self._limited = model.resolution_limited
        self._inputs = {
            name: [list(PROGRAMS[name].inputs(model, source).values()) for source in range(model.source_count)]
            for name in self._programs
        }
        self._results = {name: PROGRAMS[name].results(model) for name in self._names}

    def of_tile(self) -> CompiledBackend:
        """The backend for one tile: nothing is kept of one."""
        return self

    def run(
        self, name: str, source: int, *arguments: torch.Tensor, into: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """The results of a program for one source, each (rays,); a single one may have a place to go to."""
        return self._launched(name, source, arguments, into, [])

    def _launched(
        self,
        name: str,
        source: int,
        arguments: Sequence[torch.Tensor],
        into: torch.Tensor | None,
        stores: Sequence[torch.Tensor],
    ) -> list[torch.Tensor]:
        """As `run`; `stores` are what the program writes besides."""
        rays, device = arguments[0].shape[0], arguments[0].device
        given = [*self._inputs[name][source], *(argument.contiguous() for argument in arguments)]
        results = (
            [torch.empty(rays, dtype=dtype, device=device) for dtype in self._results[name]] if into is None else [into]
        )
        if rays:
            self._programs[name]([*given, *results, *stores], rays, self.orientations)
        return results

    def inputs_of_image(self, image_dtype: torch.dtype) -> tuple[str, list[torch.Tensor]] | None:
        """The program by which an image is one launch, and what it reads of the model; None where there is none."""
        name = PHOTONS.get(image_dtype, "")
        return (name, self._inputs[name][0]) if name in self._inputs else None

    def photons(
        self,
        fast: torch.Tensor,
        slow: torch.Tensor,
        image_dtype: torch.dtype,
        into: torch.Tensor | None = None,
        hook: Hook | None = None,
    ) -> torch.Tensor | None:
        """Photons of each pixel if one program computes them; None for more than one sample or source."""
        name = PHOTONS.get(image_dtype)
        if name not in self._names:
            return None
        return self.run(name, 0, fast.to(torch.int32), slow.to(torch.int32), into=into)[0]

    def makes_whole_pixels(self, image_dtype: torch.dtype) -> bool:
        """Whether one launch makes photons of pixels that it counts itself, see `photons_of_region`."""
        return PHOTONS.get(image_dtype) in self._programs

    def photons_of_region(self, region: Region, into: torch.Tensor) -> torch.Tensor:
        """Photons of the pixels of a region, written `into` (rows, width); no list of pixels is made or read."""
        name = PHOTONS[into.dtype]
        given = [*self._inputs[name][0], *region.arguments(into.device), into]
        self._programs[name](given, region.pixels, self.orientations)
        return into

    def rays(self, fast: torch.Tensor, slow: torch.Tensor, samples: kernel.Samples, hook: Hook | None = None) -> Aimed:
        """Rays to one sample of each pixel."""
        return Aimed(self, fast, slow, samples)

    def of_sample(self, rays: Aimed, number: int, pixels: int) -> Aimed:
        """All rays, since there is one sample at a time."""
        return rays

    def solid_angle_sr(self, rays: Aimed, hook: Hook | None = None) -> torch.Tensor:
        """Solid angle of each ray's pixel (rays,)."""
        return rays.factors(0)[0]

    def capture(self, rays: Aimed, samples: kernel.Samples, hook: Hook | None = None) -> torch.Tensor:
        """Fraction captured in each ray's layer (rays,)."""
        return rays.factors(0)[1]

    def illuminate(self, rays: Aimed, source: int, hook: Hook | None = None) -> Light:
        """The scattering of one source by the rays."""
        return Light(rays, source, self._limited)

    def polar(self, rays: Aimed, light: Light, source: int, hook: Hook | None = None) -> torch.Tensor:
        """Polarization factor of each ray (rays,)."""
        return rays.factors(source)[2]

    def cos_2theta(self, rays: Aimed, source: int) -> torch.Tensor:
        """Not stored: only the programs of a trace return it."""
        raise LookupError("cos(2 theta) stays in registers; ask the backend of a trace")

    def scattered(self, light: Light, first: int, last: int, hook: Hook | None = None) -> torch.Tensor:
        """Sum over all orientations of F_cell^2 F_latt^2 (rays,) float64."""
        return self.run("scattered", light.source, *light.aimed.where)[0]
