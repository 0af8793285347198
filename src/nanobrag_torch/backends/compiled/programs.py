"""The compiled programs, and the fields of the model that each may read.

A program is a function of the kernel. It is given a model that holds nothing but the fields declared for it: tensors,
which may change from run to run, and settings, which are compiled in. A field that is used without being declared is
None while the program is recorded, so that it cannot become a constant by mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

import torch

from nanobrag_torch import integrate, kernel, transfer
from nanobrag_torch.backends.compiled import terms
from nanobrag_torch.backends.compiled.recorded import RAY, SAMPLE, SOURCE, TERMS
from nanobrag_torch.hooks import Hooks, at
from nanobrag_torch.model import Factors, Model
from nanobrag_torch.physics.crystal import Cell
from nanobrag_torch.physics.detector_geometry import DetectorGeometry
from nanobrag_torch.physics.sources import Sources
from nanobrag_torch.physics.structure_factor import Amplitudes

GROUPS: dict[str, Any] = {
    "geometry": DetectorGeometry,
    "sources": Sources,
    "cell": Cell,
    "amplitudes": Amplitudes,
    "factors": Factors,
}
TABLE = "amplitudes.padded"  # the one tensor that numbers are looked up in
# What programs of several samples or sources read besides.
LOOPS, FIRST_INCIDENT = "loops", "first_incident"
# Values that hooks see for every orientation and ray; all other values exist for every ray.
OF_ORIENTATIONS = frozenset(
    ("hkl", "hkl_rounded", "hkl_fraction", "F_cell", "interference", "F_latt_axes", "F_latt", "intensity")
)
_PIXELS = (("fast", torch.int32, RAY), ("slow", torch.int32, RAY))
_SAMPLE = tuple((name, torch.int64, 0) for name in ("layer", "sub_slow", "sub_fast"))


@dataclass(frozen=True)
class Program:
    """A function of the kernel, with what it may read of the model, as dotted names, and what it is called with."""

    name: str
    function: Callable[..., tuple[torch.Tensor, ...]]
    tensors: tuple[str, ...]
    settings: tuple[str, ...]
    arguments: tuple[tuple[str, torch.dtype, int], ...]
    results: Callable[[Model], tuple[torch.dtype, ...]]  # each for every ray
    prepared: Callable[[Model, int], Model]  # a model of one source with as tensors all that may change
    traced: bool = False  # whether every value that hooks see is a result too
    by: tuple[str, ...] = ()  # tensors by which the sum of the results, each times a number per ray, is differentiated

    along: tuple[str, ...] = ()  # tensors that move along directions, with which the results change
    directions: int = 0
    over: int = 0  # SAMPLE, SOURCE or both: the function is called with one pass of loops over these, see `terms`

    def change(self, along: tuple[str, ...], directions: int) -> Program:
        """The program of how the results change along directions, for which it reads a part for each of the tensors."""
        return replace(self, name=f"{self.name}_change", along=along, directions=directions)

    def derivative(self, by: tuple[str, ...]) -> Program:
        """The program of the derivatives by these tensors."""
        return replace(self, name=f"{self.name}_derivative", by=by)

    def tracing(self) -> Program:
        """The same program, which also returns every value that hooks see."""
        return replace(self, name=f"{self.name}_traced", traced=True)

    def of_each(self, name: str) -> bool:
        """Whether a tensor holds something for each orientation, or for each source of a loop over these."""
        return name == "real_m" or bool(self.over & SOURCE and name.startswith("sources."))

    def given(self, model: Model, source: int) -> dict[str, torch.Tensor]:
        """The declared tensors that the model has, with one of its sources."""
        prepared = self.prepared(model, source)
        fields = dict(zip(self.tensors, _reader(self.tensors)(prepared), strict=True))
        if self.over:
            counts = model.samples, model.source_count, model.layers, model.oversample
            fields |= {LOOPS: _kept(counts, model.real_m.device), FIRST_INCIDENT: model.sources.incident[0]}
        return {name: value for name, value in fields.items() if value is not None}

    def inputs(self, model: Model, source: int = 0) -> dict[str, torch.Tensor]:
        """Those tensors as compiled code reads them, without their graph."""
        return {name: value.detach().contiguous() for name, value in self.given(model, source).items()}

    def variant(self, model: Model) -> tuple[tuple[str, str], ...]:
        """All that is compiled in: settings by name, and which tensors there are, of which type."""
        kinds = [(name, str(value.dtype)) for name, value in self.given(model, 0).items()]
        settings = zip(self.settings, _reader(self.settings)(model), strict=True)
        return tuple(
            [(name, repr(_setting(name, value))) for name, value in settings]
            + kinds
            + [("by", repr(self.by or (self.along, self.directions)))]
        )


@cache
def _reader(names: tuple[str, ...]) -> Callable[[Model], tuple[Any, ...]]:
    """A function that reads several fields."""
    return attrgetter(*names)


def _setting(name: str, value: Any) -> Any:
    return sorted(value & {"blank_without_thickness"}) if name == "defects" else value


def scattered(
    model: Model, fast: torch.Tensor, slow: torch.Tensor, *sample: torch.Tensor, hooks: Hooks | None = None
) -> tuple[torch.Tensor]:
    """Sum over all orientations of F_cell^2 F_latt^2 for one sample of each pixel and the one source in the model."""
    hook = at(hooks)
    rays = kernel.rays_of(model, fast, slow, kernel.Samples(*sample), hook)
    q_per_m = kernel.scattering_vectors(model, rays, 0, hook)
    return (kernel.scattered(model, q_per_m, 0, model.real_m.shape[0], hook),)


def factors(
    model: Model, fast: torch.Tensor, slow: torch.Tensor, *sample: torch.Tensor, hooks: Hooks | None = None
) -> tuple[torch.Tensor, ...]:
    """Solid angle, captured fraction, polarization and, with a resolution limit, acceptance; as for `scattered`."""
    hook, samples = at(hooks), kernel.Samples(*sample)
    rays = kernel.rays_of(model, fast, slow, samples, hook)
    light = kernel.illuminate(model, rays, 0, hook)
    chosen = (
        kernel.solid_angle_of(model, rays, hook),
        kernel.capture_of(model, rays, samples, hook),
        kernel.polarize(model, rays.direction, 0, hook).polar,
        light.accepted,
    )
    return tuple(program for program in chosen if program is not None)


def photons(model: Model, fast: torch.Tensor, slow: torch.Tensor, hooks: Hooks | None = None) -> tuple[torch.Tensor]:
    """Photons of each pixel, for an experiment of one sample a pixel and one source."""
    return (integrate.integrate(model, fast, slow, hooks=hooks).photons,)


def photons_in_float32(
    model: Model, fast: torch.Tensor, slow: torch.Tensor, hooks: Hooks | None = None
) -> tuple[torch.Tensor]:
    """`photons`, rounded once."""
    return (photons(model, fast, slow, hooks)[0].float(),)


_RAYS = (
    *(f"geometry.{field}" for field in ("fdet", "sdet", "odet", "pix0_m", "pixel_size_m", "beam_vector")),
    *(f"geometry.{field}" for field in ("close_distance_m", "distance_m", "Fclose_m", "Sclose_m")),
    *("layer_pitch_m", "sources.incident", "sources.wavelength_m"),
)
_CRYSTAL = (
    *("real_m", "n_cells", "fudge", "cell.reciprocal_per_A"),
    *(f"amplitudes.{field}" for field in ("padded", "minimum", "maximum", "strides", "default_F")),
)
_WEIGHTS = ("attenuation_per_m", "d_min_m", "kahn", "geometry.polar_vector")
_SCALE = ("sources.weight", "fluence_photons_per_m2", "background", "mosaic_domains", "phi_rad")
_HOW_RAYS = ("geometry.curved", "geometry.curved_axes", "geometry.point_pixel", "geometry.front_face")
_HOW_CRYSTAL = ("shape", "dtype", "amplitudes.interpolate", "radius_all_cells", "sphere_closed_form")
_HOW_WEIGHTS = (
    *("absorbing", "resolution_limited", "defects", "geometry.negative_back"),
    *("factors.capture_per_term", "factors.evaluate_polar"),
)
_HOW_SUMMED = (
    *("factors.polar_per_term", "factors.omega_per_term", "factors.rescale_water", "factors.running_product"),
    *("factors.unpolarized", "has_water", "r_e_sqr_m2"),
)
_HOW_SAMPLED = ("layers", "oversample")


def _count(model: Model, number: int) -> torch.Tensor:
    """A whole number on the model's device, where it stays."""
    return _kept((number,), model.real_m.device)[0]


@lru_cache(maxsize=256)
def _kept(numbers: tuple[int, ...], device: torch.device) -> torch.Tensor:
    return transfer.moved(torch.tensor(numbers, dtype=torch.int64), device)


def _one_source(model: Model, source: int) -> Model:
    """One of the sources of a model, and the number of sub-pixels as a tensor."""
    chosen = slice(source, source + 1)
    sources = Sources(model.sources.incident[chosen], model.sources.wavelength_m[chosen], None)
    count: Any = _count(model, model.oversample)
    return model._replace(sources=sources, oversample=count)


def _one_sample(model: Model, source: int) -> Model:
    """A model of one phi step, with the number of orientations as a tensor."""
    orientations: Any = _count(model, model.real_m.shape[0])
    return model._replace(mosaic_domains=orientations, phi_rad=model.phi_rad[:1])


def _factor_types(model: Model) -> tuple[torch.dtype, ...]:
    return (torch.float64,) * 3 + (torch.bool,) * model.resolution_limited


def _of_pixels(name: str, function: Callable[..., tuple[torch.Tensor]], dtype: torch.dtype, over: int = 0) -> Program:
    settings = _HOW_RAYS + _HOW_CRYSTAL + _HOW_WEIGHTS + _HOW_SUMMED + (() if over & SAMPLE else _HOW_SAMPLED)
    tensors = (*_RAYS, *_CRYSTAL, *_WEIGHTS, *_SCALE)
    return Program(name, function, tensors, settings, _PIXELS, lambda model: (dtype,), _one_sample, over=over)


_LOOPED = {0: "", SAMPLE: "_of_samples", SOURCE: "_of_sources", TERMS: "_of_samples_and_sources"}
PROGRAMS = {
    program.name: program
    for program in (
        _of_pixels("photons", photons, torch.float64),
        _of_pixels("photons_in_float32", photons_in_float32, torch.float32),
        *(
            _of_pixels(f"{kind}{_LOOPED[over]}", function, dtype, over)
            for over in (SAMPLE, SOURCE, TERMS)
            for kind, function, dtype in (
                ("photons", terms.photons, torch.float64),
                ("photons_in_float32", terms.photons_in_float32, torch.float32),
            )
        ),
        Program(
            "factors",
            factors,
            ("oversample", *_RAYS, *_WEIGHTS),
            (*_HOW_RAYS, *_HOW_WEIGHTS),
            (*_PIXELS, *_SAMPLE),
            _factor_types,
            _one_source,
        ),
        Program(
            "scattered",
            scattered,
            ("oversample", *_RAYS, *_CRYSTAL),
            (*_HOW_RAYS, *_HOW_CRYSTAL),
            (*_PIXELS, *_SAMPLE),
            lambda model: (torch.float64,),
            _one_source,
        ),
    )
}
PHOTONS = {torch.float32: "photons_in_float32", torch.float64: "photons"}
STAGES = ("factors", "scattered")


def of_image(model: Model, image_dtype: torch.dtype) -> str | None:
    """The program by which an image of a type is one launch; None for a type that no program writes."""
    kind = PHOTONS.get(image_dtype)
    over = SAMPLE * (model.samples > 1) | SOURCE * (model.source_count > 1)
    return None if kind is None else f"{kind}{_LOOPED[over]}"


def needed(model: Model, image_dtype: torch.dtype) -> tuple[str, ...]:
    """Names of the programs for an image."""
    name = of_image(model, image_dtype)
    return STAGES if name is None else (name,)


def needed_to_differentiate(model: Model) -> tuple[str, ...]:
    """Names of the programs whose changes are those of an image: one if a pixel is one sample of one source."""
    return (PHOTONS[torch.float64],) if model.samples == 1 and model.source_count == 1 else STAGES


def of_derivative(model: Model, image_dtype: torch.dtype) -> str | None:
    """The program whose derivatives are those of an image of a type.

    None where a pixel's photons are no sum over samples and sources: the first one that the resolution limit lets
    through polarizes all others.
    """
    name, used = of_image(model, image_dtype), model.factors
    polarized_by_one = model.resolution_limited and used.evaluate_polar and not used.polar_per_term
    return None if name is None or (polarized_by_one and PROGRAMS[name].over) else name


def bare_model(model: Model, program: Program, tensors: dict[str, torch.Tensor]) -> Model:
    """A model with only the settings of a program and these tensors; all other fields are None."""
    values = dict(zip(program.settings, _reader(program.settings)(model), strict=True)) | tensors
    fields: dict[str, Any] = dict.fromkeys(Model._fields)
    for group, kind in GROUPS.items():
        given = {name.split(".")[1]: value for name, value in values.items() if name.startswith(f"{group}.")}
        fields[group] = kind(**(dict.fromkeys(kind._fields) | given))
    fields.update({name: value for name, value in values.items() if "." not in name})
    return Model(**fields)
