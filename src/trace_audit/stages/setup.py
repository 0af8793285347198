"""The borders of the set-up: detector, cell, spindle, sources."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from nanobrag_torch.physics import crystal, detector, placement, sources
from nanobrag_torch.physics.constants import DEG_PER_RAD, M_PER_A
from trace_audit.stages.exchange import FIRST, Exchange, Wrapper
from trace_audit.trace.parse import Context

_NEGLIGIBLE = 1e-12
_CLOSE_TERMS = ("term_fast_before_rot", "term_slow_before_rot", "term_close_before_rot")
_BEAM_TERMS = ("term_fast", "term_slow", "term_beam")
_PLACEMENT = {
    "angles_rad": ("angles_rad",),
    "rotation_matrices": ("Rx", "Ry", "Rz"),
    "combined_rotation": ("R_total",),
    "ratio": ("ratio",),
    "close_distance_m": ("close_distance_m",),
    "distance_m": ("distance_m",),
    "rotated_origin_m": ("pix0_after_rotz",),
    "swung_origin_m": ("pix0_after_twotheta",),
    "final_origin_m": ("pix0_vector_meters",),
    "plane_distance_m": ("close_distance_meters",),
}


class SetUp(Exchange):
    """Wrappers of what is worked out once, before any pixel."""

    def set_up_wrappers(self) -> Iterator[tuple[Any, str, Wrapper]]:
        """(module, function, wrapper); a wrapper gets the production function first."""
        yield detector, "basis", self._basis
        yield detector, "detector_normal", self._normal
        yield detector, "beam_centre", self._beam_centre
        for name, keys in _PLACEMENT.items():
            yield placement, name, self.whole(keys)
        yield placement, "rotated_axes", self._axes_after("rotz")
        yield placement, "swung_axes", self._axes_after("twotheta")
        for name, keys in (("terms_from_close_point_m", _CLOSE_TERMS), ("terms_from_beam_m", _BEAM_TERMS)):
            yield placement, name, self._terms(keys)
        yield placement, "sum_of_terms_m", self._sum_of_terms
        yield crystal, "build_cell", self._cell
        yield crystal, "n_cells", self.whole(("N_cells",))
        yield crystal, "spindle_angles_rad", self._spindle_angles
        yield crystal, "orientations", self._orientations
        yield sources, "fluence_photons_per_m2", self.whole(("fluence_photons_per_m2",))
        yield sources, "from_grids", self._sources
        yield sources, "from_table", self._sources

    def _basis(self, real: Wrapper, *args: Any) -> Any:
        basis = real(*args)
        fast, slow = self.axes or (basis.fast, basis.slow)
        return basis._replace(
            beam=self.swap(basis.beam, "beam_vector"),
            polar=self.swap(basis.polar, "polar_vector"),
            spindle=self.swap(basis.spindle, "spindle_axis"),
            twotheta=self.swap(basis.twotheta, "twotheta_axis"),
            fast=fast,
            slow=slow,
        )

    def _normal(self, real: Wrapper, panel: Any, fast: Any, slow: Any, *rest: Any) -> torch.Tensor:
        self.axes = self.swap(fast, "initial_fdet"), self.swap(slow, "initial_sdet")
        return self.swap(real(panel, *self.axes, *rest), "initial_odet")

    def _beam_centre(self, real: Wrapper, *args: Any) -> Any:
        centre = real(*args)
        names = ("Fclose_m", "Sclose_m", "Fbeam_m", "Sbeam_m")
        return centre._replace(**{name: self.swap(getattr(centre, name), name) for name in names})

    def _axes_after(self, step: str) -> Wrapper:
        def wrapper(real: Wrapper, *args: Any) -> Any:
            axes = real(*args)
            keys = (f"{letter}det_after_{step}" for letter in "fso")
            return placement.Axes(*(self.swap(v, key) for v, key in zip(axes, keys, strict=True)))

        return wrapper

    def _terms(self, keys: tuple[str, str, str]) -> Wrapper:
        def wrapper(real: Wrapper, *args: Any) -> torch.Tensor:
            self.pivot_terms = keys[0]
            return torch.stack([self.swap(v, key) for v, key in zip(real(*args), keys, strict=True)])

        return wrapper

    def _sum_of_terms(self, real: Wrapper, terms: torch.Tensor) -> torch.Tensor:
        return self.swap(real(terms), "pix0_before_rotation" if self.pivot_terms in _CLOSE_TERMS else "pix0_vector")

    def _cell(self, real: Wrapper, stated: Any, wavelength_m: Any, misset: Any, *rest: Any) -> Any:
        """Replaced reciprocal vectors go in again as an orientation matrix, with the lengths of the cell if stated."""
        cell = real(stated, wavelength_m, misset, *rest)
        star = torch.stack(
            [self.swap(v, f"rot_{x}_star_A_inv", FIRST) for v, x in zip(cell.reciprocal_per_A, "abc", strict=True)]
        )
        moved = (star - cell.reciprocal_per_A).abs().max() / star.abs().max()
        if not moved > _NEGLIGIBLE:
            return cell
        matrix = star.T * (wavelength_m / M_PER_A)
        given = real(replace(stated, orientation_matrix=matrix), wavelength_m, torch.zeros_like(misset), *rest)
        return given._replace(reciprocal_per_A=star)

    def _spindle_angles(self, real: Wrapper, *args: Any) -> torch.Tensor:
        angles = real(*args) * DEG_PER_RAD
        for step in range(angles.shape[0]):
            angles = self.swap_part(angles, step, "TRACE_PHI.phi_deg", Context(block=0, phi_tic=step))
        return torch.where(angles == real(*args) * DEG_PER_RAD, real(*args), angles / DEG_PER_RAD)

    def _orientations(self, real: Wrapper, *args: Any) -> Any:
        turned = real(*args)
        real_m = turned.real_m
        for row, axis in enumerate("abc"):
            old = real_m[0, 0, row]
            new = self.swap(old, f"rot_{axis}_angstroms", FIRST, 1.0 / M_PER_A)
            if new is not old:
                real_m = real_m.clone()
                real_m[0, 0, row] = new
        return turned._replace(real_m=real_m)

    def _sources(self, real: Wrapper, *args: Any) -> Any:
        made = real(*args)
        return made._replace(
            incident=self.swap_part(made.incident, 0, "incident_vec", FIRST),
            wavelength_m=self.swap_part(made.wavelength_m, 0, "lambda_meters", FIRST),
        )
