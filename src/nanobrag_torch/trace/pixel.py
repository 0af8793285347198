"""Lines of the pixel: geometry, spindle steps and terms of each sample, then the steps from their sum to photons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from nanobrag_torch.hooks import Hooks, Place
from nanobrag_torch.model import Model
from nanobrag_torch.physics.constants import DEG_PER_RAD
from nanobrag_torch.trace.text import PREFIX, Show, integers, numbers, pixel_line, read


class Seen:
    """Hooks that keep the values of one pass over a pixel, after other hooks have changed them."""

    def __init__(self, inner: Hooks | None):
        self.places: dict[Place, dict[str, Any]] = {}  # in the order of the pass
        self._others = inner

    def __call__(self, name: str, value: Any, place: Place) -> Any:
        value = value if self._others is None else self._others(name, value, place)
        self.places.setdefault(place, {})[name] = value
        return value

    def first(self, name: str) -> Any:
        """The value of that name that was computed first."""
        return next(values[name] for values in self.places.values() if name in values)

    def passes(self, name: str) -> Iterator[tuple[Place, dict[str, Any]]]:
        """The passes that computed a value of that name, each with all its values."""
        return ((place, values) for place, values in self.places.items() if name in values)


class PixelLines:
    """Lines between set-up and final scaling, one list a sample, since a pass may hold many samples."""

    def __init__(self, model: Model, seen: Seen, show: Show):
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

    def _add_samples(self, first: int, rays: dict[str, Any], seen: Seen) -> None:
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

    def _add_source(self, sample: int, source: int, count: int, light: dict[str, Any], seen: Seen) -> None:
        names = ("term_capture", "term_polar", "term_omega_sr")
        factors = [read(light[name].expand(count)) for name in names]
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
        yield pixel_line("subpixel", self._label(sample))
        yield pixel_line("pix0_vector_meters", g.pix0_m)
        yield pixel_line("fdet_vec", g.fdet)
        yield pixel_line("sdet_vec", g.sdet)
        yield pixel_line("pixel_pos_meters", rays["position_m"][:, column])
        yield pixel_line("R_distance_meters", rays["pixel_distance_m"][column])
        yield pixel_line("omega_pixel_sr", omega_sr[column])
        yield pixel_line("close_distance_meters", g.close_distance_m)
        yield pixel_line("obliquity_factor", rays["obliquity"][column])
        yield pixel_line("diffracted_vec", rays["direction"][:, column])
        yield pixel_line("incident_vec", sources.incident[0])
        yield pixel_line("lambda_meters", sources.wavelength_m[0])
        yield pixel_line("lambda_angstroms", self.show("lambda_angstroms", sources.wavelength_m[0] * 1e10))
        yield pixel_line("scattering_vec_A_inv", light["q_per_m"][:, column])

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
                yield pixel_line("F_cell", table.F_cell[row][column])

    def _first_orientation_lines(self, row: int, column: int, table: _DiffractionTable) -> Iterator[str]:
        model = self.model
        for name, real_A in zip("abc", model.real_m[0] * 1e10, strict=True):
            yield pixel_line(f"rot_{name}_angstroms", real_A)
        for name, reciprocal in zip("abc", model.cell.reciprocal_per_A, strict=True):
            yield pixel_line(f"rot_{name}_star_A_inv", reciprocal)
        yield pixel_line("hkl_frac", [index[row][column] for index in table.hkl])
        yield pixel_line("hkl_rounded", integers(index[row][column] for index in table.rounded))
        if table.axes is not None:
            for name, factor in zip("abc", table.axes, strict=True):
                yield pixel_line(f"F_latt_{name}", factor[row][column])
        yield pixel_line("F_latt", table.F_latt[row][column])

    def _phi_line(self, step: int, row: int, column: int, table: _DiffractionTable) -> str:
        values = {
            "phi_tic": step,
            "phi_deg": self.model.phi_rad[step] * DEG_PER_RAD,
            "k_frac": table.hkl[1][row][column],
            "F_latt_b": table.axes[1][row][column],
            "F_latt": table.F_latt[row][column],
        }
        return f"{PREFIX}_PHI " + " ".join(f"{key}={numbers(value)}" for key, value in values.items())

    def _term_lines(
        self, label: tuple[int, ...], column: int, first: int, table: _DiffractionTable, weights: list[float]
    ) -> Iterator[str]:
        for row in range(table.count):
            step, domain = divmod(first + row, self.model.mosaic_domains)
            reflection = integers(index[row][column] for index in table.rounded)
            factors = (table.F_latt[row][column], table.F_cell[row][column], *weights)
            values = numbers((*factors, table.terms[row][column]))
            yield f"{PREFIX}: term {integers(label)} {step} {domain} {reflection} {values}"


class _DiffractionTable:
    """The values of one pass of the kernel as nested lists, copied to the host once: [orientation][ray]."""

    def __init__(self, values: dict[str, Any], weight: torch.Tensor):
        self.terms, self.F_cell = read(values["intensity"] * weight), read(values["F_cell"])
        self.F_latt, axes = read(values["F_latt"]), values.get("F_latt_axes")
        self.axes: Any = None if axes is None else [read(factor) for factor in axes]
        self.hkl, self.rounded = read(values["hkl"]), read(values["hkl_rounded"])
        self.count = len(self.terms)


def final_lines(model: Model, seen: Seen, stored: torch.Tensor, show: Show) -> Iterator[str]:
    final = seen.places[Place()]
    yield pixel_line("I_background", final["I_background"])
    yield pixel_line("I_before_scaling", final["I_before_scaling"])
    yield pixel_line("r_e_meters", show("r_e_meters", model.r_e_sqr_m2**0.5))
    yield pixel_line("r_e_sqr", model.r_e_sqr_m2)
    yield pixel_line("fluence_photons_per_m2", model.fluence_photons_per_m2)
    yield pixel_line("steps", int(final.get("steps", model.steps)))
    yield pixel_line("oversample_thick", int(model.factors.capture_per_term))
    yield pixel_line("oversample_polar", int(model.factors.polar_per_term))
    yield pixel_line("oversample_omega", int(model.factors.omega_per_term))
    yield pixel_line("capture_fraction", final["capture_fraction"])
    yield pixel_line("polar", final["polar"])
    yield pixel_line("omega_pixel", final["omega_of_pixel_sr"])
    yield pixel_line("cos_2theta", [values for _, values in seen.passes("last_cos_2theta")][-1]["last_cos_2theta"][-1])
    yield pixel_line("I_pixel_final", final["photons"])
    yield pixel_line("floatimage_accumulated", show("floatimage_accumulated", stored))
