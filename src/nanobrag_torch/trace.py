"""The trace of one pixel: prints what the production pass over that pixel computed, and computes nothing itself.

`TRACE_PY:key=value` lines for the set-up, `TRACE_PY: key value` for the pixel, `TRACE_PY_PHI` for the spindle steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch

from nanobrag_torch import integrate
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.hooks import Hooks, Place, at, watched
from nanobrag_torch.model import Model
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.physics.constants import DEG_PER_RAD
from nanobrag_torch.physics.detector import Construction, DetectorGeometry
from nanobrag_torch.simulator import Simulation

PREFIX = "TRACE_PY"

Show = Callable[[str, Any], Any]  # what is made where it is printed, after hooks have had their way with it
Reading = Callable[[torch.Tensor], torch.Tensor]
_reading: ContextVar[Reading] = ContextVar("reading", default=torch.Tensor.detach)


def trace_lines(
    experiment: Experiment,
    slow: int,
    fast: int,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
    hooks: Hooks | None = None,
) -> Iterator[str]:
    """Every trace line of pixel (slow, fast), in order. Only that pixel is simulated.

    `hooks` see, and may replace, every value before it is used and printed: see `nanobrag_torch.hooks`.
    Raises ExperimentError for a pixel that the experiment does not compute.
    """
    return trace_simulation(Simulation(experiment, device, dtype, hooks), slow, fast)


def derivative_lines(
    experiment: Experiment, slow: int, fast: int, derivative: Reading, hooks: Hooks | None = None
) -> list[str]:
    """The trace with `derivative(tensor)`, of the same shape, printed in the place of every tensor.

    With an experiment that depends on a parameter, and its derivative by that parameter: the derivatives of all keys.
    """
    token = _reading.set(derivative)
    try:
        return list(trace_lines(experiment, slow, fast, hooks=hooks))
    finally:
        _reading.reset(token)


def trace_simulation(
    simulation: Simulation,
    slow: int,
    fast: int,
    image_dtype: torch.dtype = torch.float32,
    backend: Backend | None = None,
) -> Iterator[str]:
    """As `trace_lines`, for a simulation that is already set up: by the code that makes its images of that type.

    Or by another tracing `backend`.
    """
    g = simulation.geometry
    if not (0 <= slow < g.n_slow and 0 <= fast < g.n_fast):
        raise ExperimentError(
            f"-trace_pixel {slow} {fast}: the detector has slow 0 to {g.n_slow - 1} and fast 0 to {g.n_fast - 1}"
        )
    if not simulation.covers(slow, fast):
        raise ExperimentError(f"-trace_pixel {slow} {fast}: this pixel is outside the region of interest or masked")
    seen = _Seen(simulation.hooks)
    show = partial(watched, at(simulation.hooks))
    slow, fast = show("pixel_slow_fast", (slow, fast))
    place = torch.tensor([[fast], [slow]], device=simulation.device)
    backend = simulation.tracing_backend(image_dtype) if backend is None else backend
    photons = integrate.photons(simulation.model, place[0], place[1], backend, image_dtype, hooks=seen)
    yield from _setup_lines(g, show)
    yield from _context_lines(simulation.model, slow, fast, show)
    yield from _PixelLines(simulation.model, seen, show).lines()
    yield from _final_lines(simulation.model, seen, photons.float(), show)


# --- formatting: the only place where a traced number leaves its device --------------------------------------------


def _read(value: torch.Tensor) -> Any:
    return _reading.get()(value).tolist()


def _numbers(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return " ".join(format(v, ".15g") for v in _read(value.reshape(-1)))
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable):
        return " ".join(_numbers(v) for v in value)
    return str(value) if isinstance(value, int) else format(value, ".15g")


def _integers(values: Iterable[float]) -> str:
    return " ".join(str(int(v)) for v in values)


def _set(key: str, value: Any) -> str:
    return f"{PREFIX}:{key}={_numbers(value)}"


def _pixel(key: str, value: Any) -> str:
    return f"{PREFIX}: {key} {_numbers(value)}"


def _labelled(pairs: dict[str, torch.Tensor]) -> str:
    return " ".join(f"{label}:{_numbers(value)}" for label, value in pairs.items())


def _matrix(matrix: torch.Tensor) -> str:
    return "[" + "; ".join(_numbers(row) for row in matrix) + "]"


# --- set-up ---------------------------------------------------------------------------------------------------------


def _setup_lines(g: DetectorGeometry, show: Show) -> Iterator[str]:
    made = g.construction
    yield _set("detector_convention", show("detector_convention", made.convention))
    rotx, roty, rotz, twotheta = made.angles_rad
    yield _set("angles_rad", _labelled({"rotx": rotx, "roty": roty, "rotz": rotz, "twotheta": twotheta}))
    names = ("Xclose", "Yclose") if made.pivot == "SAMPLE" else ("X", "Y")
    centre = made.centre
    where = (centre.Xclose_m, centre.Yclose_m) if made.pivot == "SAMPLE" else (centre.Xbeam_m, centre.Ybeam_m)
    historic_unit = dict(zip(names, (value / 1000.0 for value in where), strict=True))
    yield _set("beam_center_m", _labelled(historic_unit | {"pixel_mm": g.pixel_size_m * 1000.0}))
    yield _set("initial_fdet", made.initial.fast)
    yield _set("initial_sdet", made.initial.slow)
    yield _set("initial_odet", made.initial.normal)
    yield from (_sample_pivot_lines if made.pivot == "SAMPLE" else _beam_pivot_lines)(made)


def _axes_lines(made: Construction) -> Iterator[str]:
    yield _set("fdet_after_rotz", made.after_rotz.fast)
    yield _set("sdet_after_rotz", made.after_rotz.slow)
    yield _set("odet_after_rotz", made.after_rotz.normal)
    yield _set("twotheta_axis", made.twotheta_axis)
    yield _set("fdet_after_twotheta", made.after_twotheta.fast)
    yield _set("sdet_after_twotheta", made.after_twotheta.slow)
    yield _set("odet_after_twotheta", made.after_twotheta.normal)


def _distance_lines(made: Construction) -> Iterator[str]:
    yield _set("close_distance_m", made.close_distance_m)
    yield _set("ratio", made.ratio)
    yield _set("distance_m", made.distance_m)


def _sample_pivot_lines(made: Construction) -> Iterator[str]:
    yield _set("Fclose_m", made.centre.Fclose_m)
    yield _set("Sclose_m", made.centre.Sclose_m)
    yield from _distance_lines(made)
    for key, term in zip(("fast", "slow", "close"), made.origin_terms_m, strict=True):
        yield _set(f"term_{key}_before_rot", term)
    yield _set("pix0_before_rotation", made.pix0_before_rotation_m)
    yield _set("pix0_after_rotz", made.pix0_after_rotz_m)
    yield _set("pix0_after_twotheta", made.pix0_after_twotheta_m)
    yield from _axes_lines(made)


def _beam_pivot_lines(made: Construction) -> Iterator[str]:
    yield _set("Rx", _matrix(made.turn.x))
    yield _set("Ry", _matrix(made.turn.y))
    yield _set("Rz", _matrix(made.turn.z))
    yield _set("R_total", _matrix(made.rotation))
    yield from _axes_lines(made)
    yield _set("Fbeam_m", made.centre.Fbeam_m)
    yield _set("Sbeam_m", made.centre.Sbeam_m)
    yield from _distance_lines(made)
    for key, term in zip(("fast", "slow", "beam"), made.origin_terms_m, strict=True):
        yield _set(f"term_{key}", term)
    yield _set("pix0_vector", made.pix0_m)


def _context_lines(model: Model, slow: int, fast: int, show: Show) -> Iterator[str]:
    yield _pixel("pixel_slow_fast", (slow, fast))
    yield _pixel("defects", show("defects", ",".join(sorted(model.defects)) or "none"))
    yield _pixel("beam_vector", model.geometry.beam_vector)
    yield _pixel("polar_vector", model.geometry.polar_vector)
    yield _pixel("spindle_axis", model.geometry.spindle_axis)
    yield _pixel("sources", model.source_count)
    yield _pixel("mosaic_domains", model.mosaic_domains)
    yield _pixel("phi_steps", model.phi_count)
    yield _pixel("oversample", model.oversample)
    yield _pixel("thick_steps", model.layers)
    yield _pixel("N_cells", model.n_cells)


# --- the pixel ------------------------------------------------------------------------------------------------------


class _Seen:
    """Hooks that keep what one pass over a pixel computed, after others have had their way with it."""

    def __init__(self, others: Hooks | None):
        self.places: dict[Place, dict[str, Any]] = {}  # in the order of the pass
        self._others = others

    def __call__(self, name: str, value: Any, place: Place) -> Any:
        value = value if self._others is None else self._others(name, value, place)
        self.places.setdefault(place, {})[name] = value
        return value

    def first(self, name: str) -> Any:
        """The value of that name that was computed first."""
        return next(values[name] for values in self.places.values() if name in values)

    def passes(self, name: str) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Places of the passes that computed a value of that name, with all they computed."""
        return ((place, values) for place, values in self.places.items() if name in values)


class _PixelLines:
    """Lines between set-up and final scaling, one list a sample, since a pass may hold many samples."""

    def __init__(self, model: Model, seen: _Seen, show: Show):
        self.model, self.show = model, show
        self._heads: dict[int, list[str]] = {}
        self._steps: dict[int, list[str]] = {}
        self._terms: dict[int, list[str]] = {}
        for place, values in seen.passes("position_m"):
            self._add_samples(place.sample, values, seen)

    def lines(self) -> Iterator[str]:
        for sample in sorted(self._heads):
            yield from self._heads[sample]
            yield from self._steps.get(sample, ())
            yield from self._terms.get(sample, ())

    def _add_samples(self, first: int, rays: dict[str, Any], seen: _Seen) -> None:
        """The lines of one pass of the rays and of all its sources."""
        count = rays["pixel_distance_m"].shape[0]
        omega = rays.get("omega_sr", seen.first("omega_sr")).expand(count)
        for place, light in seen.passes("q_per_m"):
            if place.sample == first:
                if place.source == 0:
                    for column in range(count):
                        self._heads[first + column] = list(
                            self._geometry_lines(first + column, column, rays, light, omega)
                        )
                self._add_source(first, place.source, count, light, seen)

    def _add_source(self, sample: int, source: int, count: int, light: dict[str, Any], seen: _Seen) -> None:
        names = ("term_capture", "term_polar", "term_omega_sr")
        factors = [_read(light[name].expand(count)) for name in names]
        accepted = [True] * count if "accepted" not in light else light["accepted"].tolist()
        for place, values in seen.passes("intensity"):
            if place[:2] != (sample, source):
                continue
            table = _DiffractionTable(values, light["term_weight"])
            for column in (column for column in range(count) if accepted[column]):
                if source == 0:
                    steps = self._steps.setdefault(sample + column, [])
                    steps.extend(self._orientation_lines(column, place.orientation, table))
                terms = self._terms.setdefault(sample + column, [])
                label = (*self._label(sample + column), source)
                terms.extend(self._term_lines(label, column, place.orientation, table, [f[column] for f in factors]))

    def _label(self, sample: int) -> tuple[int, int, int]:
        """Layer, slow and fast sub-pixel of a sample."""
        n = self.model.oversample
        return sample // (n * n), sample % (n * n) // n, sample % n

    def _geometry_lines(
        self, sample: int, column: int, rays: dict[str, Any], light: dict[str, Any], omega_sr: torch.Tensor
    ) -> Iterator[str]:
        g, sources = self.model.geometry, self.model.sources
        yield _pixel("subpixel", self._label(sample))
        yield _pixel("pix0_vector_meters", g.pix0_m)
        yield _pixel("fdet_vec", g.fdet)
        yield _pixel("sdet_vec", g.sdet)
        yield _pixel("pixel_pos_meters", rays["position_m"][:, column])
        yield _pixel("R_distance_meters", rays["pixel_distance_m"][column])
        yield _pixel("omega_pixel_sr", omega_sr[column])
        yield _pixel("close_distance_meters", g.close_distance_m)
        yield _pixel("obliquity_factor", rays["obliquity"][column])
        yield _pixel("diffracted_vec", rays["direction"][:, column])
        yield _pixel("incident_vec", sources.incident[0])
        yield _pixel("lambda_meters", sources.wavelength_m[0])
        yield _pixel("lambda_angstroms", self.show("lambda_angstroms", sources.wavelength_m[0] * 1e10))
        yield _pixel("scattering_vec_A_inv", light["q_per_m"][:, column])

    def _orientation_lines(self, column: int, first: int, table: _DiffractionTable) -> Iterator[str]:
        model = self.model
        for row in range(table.count):
            step, domain = divmod(first + row, model.mosaic_domains)
            if domain != 0:
                continue
            if step == 0:
                yield from self._first_orientation_lines(row, column, table)
            if model.shape == "SQUARE":
                yield self._phi_line(step, row, column, table)
            if step == 0:
                yield _pixel("F_cell", table.F_cell[row][column])

    def _first_orientation_lines(self, row: int, column: int, table: _DiffractionTable) -> Iterator[str]:
        model = self.model
        for name, real_A in zip("abc", model.real_m[0] * 1e10, strict=True):
            yield _pixel(f"rot_{name}_angstroms", real_A)
        for name, reciprocal in zip("abc", model.cell.reciprocal_per_A, strict=True):
            yield _pixel(f"rot_{name}_star_A_inv", reciprocal)
        yield _pixel("hkl_frac", [index[row][column] for index in table.hkl])
        yield _pixel("hkl_rounded", _integers(index[row][column] for index in table.rounded))
        if table.axes is not None:
            for name, factor in zip("abc", table.axes, strict=True):
                yield _pixel(f"F_latt_{name}", factor[row][column])
        yield _pixel("F_latt", table.F_latt[row][column])

    def _phi_line(self, step: int, row: int, column: int, table: _DiffractionTable) -> str:
        values = {
            "phi_tic": step,
            "phi_deg": self.model.phi_rad[step] * DEG_PER_RAD,
            "k_frac": table.hkl[1][row][column],
            "F_latt_b": table.axes[1][row][column],
            "F_latt": table.F_latt[row][column],
        }
        return f"{PREFIX}_PHI " + " ".join(f"{key}={_numbers(value)}" for key, value in values.items())

    def _term_lines(
        self, label: tuple[int, ...], column: int, first: int, table: _DiffractionTable, weights: list[float]
    ) -> Iterator[str]:
        for row in range(table.count):
            step, domain = divmod(first + row, self.model.mosaic_domains)
            reflection = _integers(index[row][column] for index in table.rounded)
            factors = (table.F_latt[row][column], table.F_cell[row][column], *weights)
            values = _numbers((*factors, table.terms[row][column]))
            yield f"{PREFIX}: term {_integers(label)} {step} {domain} {reflection} {values}"


class _DiffractionTable:
    """What one pass of the kernel computed as nested lists, copied to the host once: [orientation][ray]."""

    def __init__(self, values: dict[str, Any], weight: torch.Tensor):
        self.terms, self.F_cell = _read(values["intensity"] * weight), _read(values["F_cell"])
        self.F_latt, axes = _read(values["F_latt"]), values.get("F_latt_axes")
        self.axes: Any = None if axes is None else [_read(factor) for factor in axes]
        self.hkl, self.rounded = _read(values["hkl"]), _read(values["hkl_rounded"])
        self.count = len(self.terms)


def _final_lines(model: Model, seen: _Seen, stored: torch.Tensor, show: Show) -> Iterator[str]:
    final = seen.places[Place()]
    yield _pixel("I_background", final["I_background"])
    yield _pixel("I_before_scaling", final["I_before_scaling"])
    yield _pixel("r_e_meters", show("r_e_meters", model.r_e_sqr_m2**0.5))
    yield _pixel("r_e_sqr", model.r_e_sqr_m2)
    yield _pixel("fluence_photons_per_m2", model.fluence_photons_per_m2)
    yield _pixel("steps", int(final.get("steps", model.steps)))
    yield _pixel("oversample_thick", int(model.factors.capture_per_term))
    yield _pixel("oversample_polar", int(model.factors.polar_per_term))
    yield _pixel("oversample_omega", int(model.factors.omega_per_term))
    yield _pixel("capture_fraction", final["capture_fraction"])
    yield _pixel("polar", final["polar"])
    yield _pixel("omega_pixel", final["omega_of_pixel_sr"])
    yield _pixel("cos_2theta", [values for _, values in seen.passes("last_cos_2theta")][-1]["last_cos_2theta"][-1])
    yield _pixel("I_pixel_final", final["photons"])
    yield _pixel("floatimage_accumulated", show("floatimage_accumulated", stored))
