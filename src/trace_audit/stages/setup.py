"""The values of the set-up that are traced: detector, cell, spindle, sources."""

from typing import Any

import torch

from nanobrag_torch.physics.constants import DEG_PER_RAD, M_PER_A
from trace_audit.stages.exchange import FIRST, WHOLE, Exchange
from trace_audit.trace.parse import Context

_NEGLIGIBLE = 1e-12
_SAME_NAME = (  # keys with the same name as their value
    *("beam_vector", "polar_vector", "spindle_axis", "twotheta_axis", "initial_fdet", "initial_sdet", "initial_odet"),
    *("Fclose_m", "Sclose_m", "Fbeam_m", "Sbeam_m", "angles_rad", "Rx", "Ry", "Rz", "R_total"),
    *("fdet_after_rotz", "sdet_after_rotz", "odet_after_rotz"),
    *("fdet_after_twotheta", "sdet_after_twotheta", "odet_after_twotheta"),
    *("ratio", "close_distance_m", "distance_m"),
    *("term_fast_before_rot", "term_slow_before_rot", "term_close_before_rot", "term_fast", "term_slow", "term_beam"),
    *("pix0_before_rotation", "pix0_after_rotz", "pix0_after_twotheta", "pix0_vector", "fluence_photons_per_m2"),
)
WHOLE_TENSORS = {name: (name, WHOLE) for name in _SAME_NAME} | {
    "n_cells": ("N_cells", WHOLE),
    "fdet": ("fdet_vec", FIRST),
    "sdet": ("sdet_vec", FIRST),
    "pix0_m": ("pix0_vector_meters", FIRST),
    "plane_distance_m": ("close_distance_meters", FIRST),
}
PARTS = {"incident": "incident_vec", "wavelength_m": "lambda_meters"}  # of the first source


class SetUp(Exchange):
    """Exchange of values that are computed once, before any pixel."""

    def set_up(self, name: str, value: Any) -> Any:
        """The replacement for a value of the set-up; None for a name that is not one of these."""
        if name in WHOLE_TENSORS:
            return self.swap(value, *WHOLE_TENSORS[name])
        if name in PARTS:
            return self.swap_part(value, 0, PARTS[name], FIRST)
        if name == "r_e_sqr_m2":
            new = self.visit("r_e_sqr", WHOLE, [value])
            return value if new is None else new[0]
        if name == "reciprocal_per_A":
            return self._reciprocal(value)
        if name == "phi_rad":
            for step in range(value.shape[0]):
                context = Context(block=0, phi_tic=step)
                value = self.swap_part(value, step, "TRACE_PHI.phi_deg", context, DEG_PER_RAD)
            return value
        return self._real(value) if name == "real_m" else None

    def _reciprocal(self, star: torch.Tensor) -> torch.Tensor:
        """The vectors themselves if they did not change; changed ones lead to a new cell."""
        rows = [self.swap(v, f"rot_{x}_star_A_inv", FIRST) for v, x in zip(star, "abc", strict=True)]
        moved = torch.stack(rows)
        return moved if (moved - star).abs().max() / moved.abs().max() > _NEGLIGIBLE else star

    def _real(self, real_m: torch.Tensor) -> torch.Tensor:
        self.domains = real_m.shape[1]
        for row, axis in enumerate("abc"):
            real_m = self.swap_part(real_m, (0, 0, row), f"rot_{axis}_angstroms", FIRST, 1.0 / M_PER_A)
        return real_m
