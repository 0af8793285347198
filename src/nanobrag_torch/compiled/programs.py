"""Which parts of the kernel are compiled, what each may read of the model, and how it is built.

A program is a function of the kernel. It is given a model that holds nothing but the fields declared for it: tensors,
which may change from run to run, and settings, which are compiled in. A field that is used without being declared is
None while the program is traced, so that it cannot slip in as a constant unseen.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nanobrag_torch import kernel
from nanobrag_torch.model import Factors, Model
from nanobrag_torch.physics import detector
from nanobrag_torch.physics.crystal import Cell
from nanobrag_torch.physics.detector import DetectorGeometry
from nanobrag_torch.physics.sources import Sources
from nanobrag_torch.physics.structure_factor import Amplitudes

GROUPS = {
    "geometry": DetectorGeometry,
    "sources": Sources,
    "cell": Cell,
    "amplitudes": Amplitudes,
    "factors": Factors,
}
EXAMPLE_RAYS = 1 << 15  # as in a tile, since a loop as short as its example is not worth a second thread
EXAMPLE_ORIENTATIONS = 3


class SeenRays(NamedTuple):
    """Rays from the sample to one point in each pixel."""

    direction: torch.Tensor  # (3, rays)
    omega_sr: torch.Tensor  # (rays,)
    captured: torch.Tensor  # (rays,)


class Light(NamedTuple):
    """What one source does to every ray."""

    q_per_m: torch.Tensor  # (3, rays)
    polar: torch.Tensor  # (rays,)
    accepted: torch.Tensor | None  # (rays,) bool; None: no resolution limit


@dataclass(frozen=True)
class Program:
    """A function of the kernel with what it may read of the model, as dotted names."""

    name: str
    function: Callable[..., Any]
    tensors: tuple[str, ...]
    settings: tuple[str, ...]
    one_loop: bool = False  # nothing before the result is worth a pass over memory: all of it stays in registers

    def inputs(self, model: Model) -> dict[str, torch.Tensor]:
        """The declared tensors that the model has."""
        found = {name: _field(model, name) for name in self.tensors}
        return {name: value.contiguous() for name, value in found.items() if value is not None}

    def variant(self, model: Model) -> tuple[tuple[str, str], ...]:
        """All that is compiled in: settings by name, and which tensors there are, of which type."""
        kinds = [(name, str(value.dtype)) for name, value in self.inputs(model).items()]
        return tuple([(name, repr(_setting(model, name))) for name in self.settings] + kinds)


def _field(model: Model, name: str) -> Any:
    value: Any = model
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _setting(model: Model, name: str) -> Any:
    value = _field(model, name)
    return sorted(value & {"blank_without_thickness"}) if name == "defects" else value


def seen_rays(model: Model, fast: torch.Tensor, slow: torch.Tensor, *sample: torch.Tensor) -> SeenRays:
    """Direction, solid angle and captured fraction of one sample of each pixel."""
    samples = kernel.Samples(*sample)
    rays = kernel.rays_of(model, fast, slow, samples)
    omega_sr = detector.solid_angle_sr(model.geometry, rays)
    return SeenRays(rays.direction, omega_sr, kernel.capture_of(model, rays, samples))


def light(model: Model, direction: torch.Tensor) -> Light:
    """Scattering vector, polarization and acceptance of every ray for the one source in the model."""
    rays = detector.PixelGeometry(None, None, direction, None)
    lit = kernel.illuminate(model, rays, 0)
    return Light(lit.q_per_m, kernel.polarize(model, direction, 0).polar, lit.accepted)


def scattered(model: Model, q_per_m: torch.Tensor) -> torch.Tensor:
    """Sum (rays,) float64 over all orientations of F_cell^2 F_latt^2."""
    return kernel.scattered(model, q_per_m, 0, model.real_m.shape[0])


_BASIS = ("fdet", "sdet", "odet", "pix0_m", "pixel_size_m", "beam_vector")
_PLACE = ("close_distance_m", "distance_m", "Fbeam_m", "Sbeam_m")
_TABLE = ("padded", "minimum", "maximum", "strides", "default_F")

PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "rays",
            seen_rays,
            (*(f"geometry.{field}" for field in _BASIS + _PLACE), "layer_pitch_m", "attenuation_per_m", "oversample"),
            (
                "geometry.curved",
                "geometry.curved_axes",
                "geometry.point_pixel",
                "absorbing",
                "factors.capture_per_term",
                "defects",
            ),
        ),
        Program(
            "light",
            light,
            ("sources.incident", "sources.wavelength_m", "d_min_m", "kahn", "geometry.polar_vector"),
            ("resolution_limited", "factors.evaluate_polar"),
        ),
        Program(
            "scattered",
            scattered,
            ("real_m", "n_cells", "fudge", "cell.reciprocal_per_A", *(f"amplitudes.{field}" for field in _TABLE)),
            ("shape", "dtype", "amplitudes.interpolate"),
            one_loop=True,
        ),
    )
}


def for_one_source(model: Model, source: int) -> Model:
    """What programs are given: the model with one of its sources, and the number of sub-pixels as a tensor."""
    chosen = slice(source, source + 1)
    sources = Sources(model.sources.incident[chosen], model.sources.wavelength_m[chosen], None)
    oversample = torch.tensor(model.oversample, device=model.real_m.device)
    return model._replace(sources=sources, oversample=oversample)


def bare_model(model: Model, program: Program, tensors: dict[str, torch.Tensor]) -> Model:
    """A model that holds the settings of a program and these tensors, and None everywhere else."""
    values = {name: _field(model, name) for name in program.settings} | tensors
    fields: dict[str, Any] = dict.fromkeys(Model._fields)
    for group, kind in GROUPS.items():
        given = {name.split(".")[1]: value for name, value in values.items() if name.startswith(f"{group}.")}
        fields[group] = kind(**(dict.fromkeys(kind._fields) | given))
    fields.update({name: value for name, value in values.items() if "." not in name})
    return Model(**fields)


def _traced(program: Program, model: Model) -> torch.nn.Module:
    """A program as torch.export wants it: tensors in, tensors out."""
    names = tuple(program.inputs(model))

    class Traced(torch.nn.Module):  # here, since a short start of torch has no torch.nn
        def forward(self, tensors: tuple[torch.Tensor, ...], arguments: tuple[torch.Tensor, ...]):
            named = dict(zip(names, tensors, strict=True))
            result = program.function(bare_model(model, program, named), *arguments)
            return tuple(part for part in result if part is not None) if isinstance(result, tuple) else (result,)

    return Traced()


def example(program: Program, model: Model) -> tuple[dict[str, torch.Tensor], tuple[torch.Tensor, ...]]:
    """Inputs of the right types and number of dimensions; their values do not matter."""
    tensors = program.inputs(model)
    if "real_m" in tensors:
        tensors["real_m"] = tensors["real_m"][:1].expand(EXAMPLE_ORIENTATIONS, 3, 3).contiguous()
    device = model.real_m.device
    if program.name == "rays":  # each argument a tensor of its own, since one given twice would count as one
        pixels = [torch.arange(EXAMPLE_RAYS, device=device) for _ in range(2)]
        return tensors, (*pixels, *(torch.zeros(1, dtype=torch.int64, device=device) for _ in range(3)))
    return tensors, (torch.ones((3, EXAMPLE_RAYS), dtype=torch.float64, device=device),)


def build(program: Program, model: Model, package: Path) -> None:
    """Compile a program for the device and the settings of a model into `package`. Takes tens of seconds."""
    rays = torch.export.Dim("rays", min=1, max=1 << 40)
    tensors, arguments = example(program, model)
    free = {name: None for name in tensors}
    if "real_m" in free:
        free["real_m"] = {0: torch.export.Dim("orientations", min=1, max=1 << 40)}
    if "amplitudes.padded" in free:
        free["amplitudes.padded"] = {i: torch.export.Dim(f"table_{i}", min=3, max=1 << 40) for i in range(3)}
    shapes = [{argument.dim() - 1: rays} if argument.shape[-1] == EXAMPLE_RAYS else None for argument in arguments]
    settings = _SETTINGS | (_ONE_LOOP if program.one_loop else {})
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its own code
        exported = torch.export.export(
            _traced(program, model),
            (tuple(tensors.values()), arguments),
            dynamic_shapes=(tuple(free.values()), tuple(shapes)),
            strict=False,
        )
        torch._inductor.aoti_compile_and_package(exported, package_path=str(package), inductor_configs=settings)


# Loops are spread over as many threads as torch has when they run: a package keeps Python's lock while it runs, so that
# tiles would wait for one another. An index into the table of amplitudes is clamped before it is used.
_SETTINGS = {
    "assert_indirect_indexing": False,
    "cpp.dynamic_threads": True,
    "cpp.enable_floating_point_contract_flag": "fast",
}
_NEVER = 1 << 30
_ONE_LOOP = {
    "realize_opcount_threshold": _NEVER,
    "realize_reads_threshold": _NEVER,
    "realize_acc_reads_threshold": _NEVER,
}
