"""The trace of one pixel: prints what the production pass over that pixel computed, and computes nothing itself.

`TRACE_PY:key=value` lines for the set-up, `TRACE_PY: key value` for the pixel, `TRACE_PY_PHI` for the spindle steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import torch

from nanobrag_torch import integrate, kernel
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.integrate import TermFactors
from nanobrag_torch.model import Model
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.physics.constants import CLASSICAL_ELECTRON_RADIUS_SQR_M2, DEG_PER_RAD
from nanobrag_torch.physics.detector import DetectorGeometry, PixelGeometry
from nanobrag_torch.simulator import Simulation

PREFIX = "TRACE_PY"

Reading = Callable[[torch.Tensor], torch.Tensor]
_reading: ContextVar[Reading] = ContextVar("reading", default=torch.Tensor.detach)


def trace_lines(
    experiment: Experiment,
    slow: int,
    fast: int,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Iterator[str]:
    """Every trace line of pixel (slow, fast), in order. Only that pixel is simulated.

    Raises ExperimentError for a pixel that the experiment does not compute.
    """
    return trace_simulation(Simulation(experiment, device, dtype), slow, fast)


def derivative_lines(experiment: Experiment, slow: int, fast: int, derivative: Reading) -> list[str]:
    """The trace with `derivative(tensor)`, of the same shape, printed in the place of every tensor.

    With an experiment that depends on a parameter, and its derivative by that parameter: the derivatives of all keys.
    """
    token = _reading.set(derivative)
    try:
        return list(trace_lines(experiment, slow, fast))
    finally:
        _reading.reset(token)


def trace_simulation(simulation: Simulation, slow: int, fast: int) -> Iterator[str]:
    """As `trace_lines`, for a simulation that is already set up."""
    g = simulation.geometry
    if not (0 <= slow < g.n_slow and 0 <= fast < g.n_fast):
        raise ExperimentError(
            f"-trace_pixel {slow} {fast}: the detector has slow 0 to {g.n_slow - 1} and fast 0 to {g.n_fast - 1}"
        )
    if not simulation.covers(slow, fast):
        raise ExperimentError(f"-trace_pixel {slow} {fast}: this pixel is outside the region of interest or masked")
    recorder = _Recorder(simulation.model)
    place = torch.tensor([[fast], [slow]], device=simulation.device)
    sums = integrate.integrate(simulation.model, place[0], place[1], recorder)
    yield from _setup_lines(g)
    yield from _context_lines(simulation.model, slow, fast)
    yield from recorder.lines()
    yield from _final_lines(simulation.model, sums, recorder.cos_2theta)


# --- formatting: the only place where a traced number leaves its device --------------------------------------------


def _read(value: torch.Tensor | None) -> Any:
    """The numbers of a tensor as nested lists; None is a factor that was not asked for."""
    if value is None:
        return None
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


def _setup_lines(g: DetectorGeometry) -> Iterator[str]:
    yield _set("detector_convention", g.convention)
    rotx, roty, rotz, twotheta = g.angles_rad
    yield _set("angles_rad", _labelled({"rotx": rotx, "roty": roty, "rotz": rotz, "twotheta": twotheta}))
    names = ("Xclose", "Yclose") if g.pivot == "SAMPLE" else ("X", "Y")
    where = (g.centre.Xclose_m, g.centre.Yclose_m) if g.pivot == "SAMPLE" else (g.centre.Xbeam_m, g.centre.Ybeam_m)
    historic_unit = dict(zip(names, (value / 1000.0 for value in where), strict=True))
    yield _set("beam_center_m", _labelled(historic_unit | {"pixel_mm": g.pixel_size_m * 1000.0}))
    yield _set("initial_fdet", g.initial_fdet)
    yield _set("initial_sdet", g.initial_sdet)
    yield _set("initial_odet", g.initial_odet)
    yield from (_sample_pivot_lines if g.pivot == "SAMPLE" else _beam_pivot_lines)(g)


def _axes_lines(g: DetectorGeometry) -> Iterator[str]:
    yield _set("fdet_after_rotz", g.fdet_after_rotz)
    yield _set("sdet_after_rotz", g.sdet_after_rotz)
    yield _set("odet_after_rotz", g.odet_after_rotz)
    yield _set("twotheta_axis", g.twotheta_axis)
    yield _set("fdet_after_twotheta", g.fdet)
    yield _set("sdet_after_twotheta", g.sdet)
    yield _set("odet_after_twotheta", g.odet)


def _distance_lines(g: DetectorGeometry) -> Iterator[str]:
    yield _set("close_distance_m", g.placed_close_distance_m)
    yield _set("ratio", g.ratio)
    yield _set("distance_m", g.placed_distance_m)


def _sample_pivot_lines(g: DetectorGeometry) -> Iterator[str]:
    yield _set("Fclose_m", g.centre.Fclose_m)
    yield _set("Sclose_m", g.centre.Sclose_m)
    yield from _distance_lines(g)
    for key, term in zip(("fast", "slow", "close"), g.origin_terms_m, strict=True):
        yield _set(f"term_{key}_before_rot", term)
    yield _set("pix0_before_rotation", g.pix0_before_rotation_m)
    yield _set("pix0_after_rotz", g.pix0_after_rotz_m)
    yield _set("pix0_after_twotheta", g.pix0_after_twotheta_m)
    yield from _axes_lines(g)


def _beam_pivot_lines(g: DetectorGeometry) -> Iterator[str]:
    yield _set("Rx", _matrix(g.rotation_x))
    yield _set("Ry", _matrix(g.rotation_y))
    yield _set("Rz", _matrix(g.rotation_z))
    yield _set("R_total", _matrix(g.rotation))
    yield from _axes_lines(g)
    yield _set("Fbeam_m", g.centre.Fbeam_m)
    yield _set("Sbeam_m", g.centre.Sbeam_m)
    yield from _distance_lines(g)
    for key, term in zip(("fast", "slow", "beam"), g.origin_terms_m, strict=True):
        yield _set(f"term_{key}", term)
    yield _set("pix0_vector", g.placed_pix0_m)


def _context_lines(model: Model, slow: int, fast: int) -> Iterator[str]:
    yield _pixel("pixel_slow_fast", (slow, fast))
    yield _pixel("defects", ",".join(sorted(model.defects)) or "none")
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


class _Recorder:
    """Turns what the kernel returned into lines, one list a sample, since a pass may hold many samples."""

    def __init__(self, model: Model):
        self.model = model
        self.cos_2theta: torch.Tensor | None = None
        self._heads: dict[int, list[str]] = {}
        self._steps: dict[int, list[str]] = {}
        self._terms: dict[int, list[str]] = {}
        self._labels: list[tuple[int, int, int]] = []
        self._base = 0

    def rays(self, samples: kernel.Samples, rays: PixelGeometry, stored_omega_sr: torch.Tensor) -> None:
        self._base += len(self._labels)
        self._labels = list(zip(*(field.tolist() for field in samples), strict=True))
        self._rays, self._omega = rays, stored_omega_sr.expand(len(self._labels))

    def source(self, source: int, light: kernel.Illumination, weights: TermFactors) -> None:
        count = len(self._labels)
        self._accepted = [True] * count if light.accepted is None else light.accepted.tolist()
        self._weights = [_read(w.expand(count)) for w in weights]
        if source == 0:
            for column in range(count):
                self._heads[self._base + column] = list(self._geometry_lines(column, light.q_per_m[:, column]))

    def orientations(self, source: int, first: int, result: kernel.Diffraction, terms: torch.Tensor) -> None:
        table = _DiffractionTable(result, terms)
        for column, accepted in enumerate(self._accepted):
            if not accepted:
                continue
            if source == 0:
                lines = self._steps.setdefault(self._base + column, [])
                lines.extend(self._orientation_lines(column, first, table))
            self._terms.setdefault(self._base + column, []).extend(self._term_lines(column, source, first, table))

    def last_polarization(self, polarization: kernel.Polarization) -> None:
        self.cos_2theta = polarization.cos_2theta[-1]

    def lines(self) -> Iterator[str]:
        for sample in sorted(self._heads):
            yield from self._heads[sample]
            yield from self._steps.get(sample, ())
            yield from self._terms.get(sample, ())

    def _geometry_lines(self, column: int, q_per_m: torch.Tensor) -> Iterator[str]:
        g, sources, rays = self.model.geometry, self.model.sources, self._rays
        yield _pixel("subpixel", self._labels[column])
        yield _pixel("pix0_vector_meters", g.pix0_m)
        yield _pixel("fdet_vec", g.fdet)
        yield _pixel("sdet_vec", g.sdet)
        yield _pixel("pixel_pos_meters", rays.position_m[:, column])
        yield _pixel("R_distance_meters", rays.distance_m[column])
        yield _pixel("omega_pixel_sr", self._omega[column])
        yield _pixel("close_distance_meters", g.close_distance_m)
        yield _pixel("obliquity_factor", rays.obliquity[column])
        yield _pixel("diffracted_vec", rays.direction[:, column])
        yield _pixel("incident_vec", sources.incident[0])
        yield _pixel("lambda_meters", sources.wavelength_m[0])
        yield _pixel("lambda_angstroms", sources.wavelength_m[0] * 1e10)
        yield _pixel("scattering_vec_A_inv", q_per_m)

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

    def _term_lines(self, column: int, source: int, first: int, table: _DiffractionTable) -> Iterator[str]:
        weights = [weight[column] for weight in self._weights]
        place = _integers(self._labels[column])
        for row in range(table.count):
            step, domain = divmod(first + row, self.model.mosaic_domains)
            reflection = _integers(index[row][column] for index in table.rounded)
            factors = (table.F_latt[row][column], table.F_cell[row][column], *weights)
            values = _numbers((*factors, table.terms[row][column]))
            yield f"{PREFIX}: term {place} {source} {step} {domain} {reflection} {values}"


class _DiffractionTable:
    """One pass of the kernel as nested lists, copied to the host once: [orientation][ray]."""

    def __init__(self, result: kernel.Diffraction, terms: torch.Tensor):
        self.terms, self.F_cell, self.F_latt = _read(terms), _read(result.F_cell), _read(result.F_latt)
        axes = result.F_latt_axes
        self.axes: Any = None if axes is None else [_read(factor) for factor in axes]
        self.hkl, self.rounded = _read(result.hkl), _read(result.hkl_rounded)
        self.count = len(self.terms)


def _final_lines(model: Model, sums: integrate.PixelSums, cos_2theta: torch.Tensor | None) -> Iterator[str]:
    r_e_sqr = CLASSICAL_ELECTRON_RADIUS_SQR_M2
    yield _pixel("I_background", sums.background)
    yield _pixel("I_before_scaling", sums.intensity)
    yield _pixel("r_e_meters", r_e_sqr**0.5)
    yield _pixel("r_e_sqr", r_e_sqr)
    yield _pixel("fluence_photons_per_m2", model.fluence_photons_per_m2)
    yield _pixel("steps", model.steps)
    yield _pixel("oversample_thick", int(model.factors.capture_per_term))
    yield _pixel("oversample_polar", int(model.factors.polar_per_term))
    yield _pixel("oversample_omega", int(model.factors.omega_per_term))
    yield _pixel("capture_fraction", sums.capture_fraction)
    yield _pixel("polar", sums.polar)
    yield _pixel("omega_pixel", sums.omega_sr)
    yield _pixel("cos_2theta", cos_2theta)
    yield _pixel("I_pixel_final", sums.photons)
    yield _pixel("floatimage_accumulated", sums.photons.float())
