"""The backend that launches compiled programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from nanobrag_torch import kernel
from nanobrag_torch.backends.backend import Description
from nanobrag_torch.backends.compiled.cache import about
from nanobrag_torch.backends.compiled.compiler import Build
from nanobrag_torch.backends.compiled.loading import load
from nanobrag_torch.backends.compiled.programs import PROGRAMS, STAGES, of_image
from nanobrag_torch.backends.compiled.region import Region
from nanobrag_torch.hooks import Hook, Hooks
from nanobrag_torch.model import Model

PIXELS_AT_ONCE = 1 << 17  # where a pixel is one program, which leaves nothing but photons behind
PIXELS_PER_TILE = 1 << 15  # where the sums of samples and sources are kept beside it
PIXELS_PER_LAUNCH = 1 << 24  # on a GPU


def _description(built: Iterable[Build]) -> Description:
    """The description of a backend that runs these programs."""
    built = list(built)
    compilers = dict.fromkeys(package.compiler for package in built)
    return Description("compiled", " ".join(package.source_sha256 for package in built), " | ".join(compilers))


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

    def for_model(self, model: Model, changed: Mapping[str, torch.Tensor] | None = None) -> CompiledBackend:
        """The loaded programs for a model whose tensors have other values and which is otherwise the same."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        if changed is None or not self._names.isdisjoint(STAGES):
            copied._take(model)
            return copied
        copied._model, copied.trusted_with = model, None
        copied._inputs = {
            name: [[changed.get(field, tensor) for field, tensor in zip(self._fields[name], inputs, strict=True)]]
            for name, (inputs,) in self._inputs.items()
        }
        return copied

    @property
    def structure(self) -> tuple[object, ...]:
        """What images have in common whose models differ in the values of their tensors alone."""
        table = self._model.amplitudes.padded
        terms = self._model.samples, self._model.source_count
        return self._files, self.orientations, *terms, table is None or table.shape

    def _take(self, model: Model) -> None:
        self.trusted_with: Model | None = None  # the model of which an image has been made and not refused
        self.pixels = PIXELS_PER_TILE if self._names.intersection(STAGES) else PIXELS_AT_ONCE
        if model.real_m.device.type != "cpu":
            self.pixels = PIXELS_PER_LAUNCH
        self.rays_at_once = 1
        self.orientations = model.real_m.shape[0]
        self._model = model
        self._limited = model.resolution_limited
        calls = {name: model.source_count if name in STAGES else 1 for name in self._programs}
        read = {name: [PROGRAMS[name].inputs(model, source) for source in range(n)] for name, n in calls.items()}
        self._fields = {name: tuple(fields[0]) for name, fields in read.items()}
        self._inputs = {name: [list(one.values()) for one in fields] for name, fields in read.items()}
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
        inputs = [*self._inputs[name][source], *(argument.contiguous() for argument in arguments)]
        results = (
            [torch.empty(rays, dtype=dtype, device=device) for dtype in self._results[name]] if into is None else [into]
        )
        if rays:
            self._programs[name]([*inputs, *results, *stores], rays, self.orientations)
        return results

    def inputs_of_image(self, image_dtype: torch.dtype) -> tuple[str, list[torch.Tensor]] | None:
        """The program by which an image is one launch, and what it reads of the model; None where there is none."""
        name = of_image(self._model, image_dtype)
        return (name, self._inputs[name][0]) if name is not None and name in self._inputs else None

    def photons(
        self,
        fast: torch.Tensor,
        slow: torch.Tensor,
        image_dtype: torch.dtype,
        into: torch.Tensor | None = None,
        hooks: Hooks | None = None,
    ) -> torch.Tensor | None:
        """Photons of each pixel if one program computes them; None where they are worked out in stages."""
        name = of_image(self._model, image_dtype)
        if name is None or name not in self._names:
            return None
        return self.run(name, 0, fast.to(torch.int32), slow.to(torch.int32), into=into)[0]

    def makes_whole_pixels(self, image_dtype: torch.dtype) -> bool:
        """Whether one launch makes photons of pixels that it counts itself, see `photons_of_region`."""
        return of_image(self._model, image_dtype) in self._programs

    def photons_of_region(self, region: Region, into: torch.Tensor) -> torch.Tensor:
        """Photons of the pixels of a region, written `into` (rows, width); no list of pixels is made or read."""
        inputs = self.inputs_of_image(into.dtype)
        assert inputs is not None  # see `makes_whole_pixels`
        tensors = [*inputs[1], *region.arguments(into.device), into]
        self._programs[inputs[0]](tensors, region.pixels, self.orientations)
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
