"""The values of one pixel that are traced: rays, scattering, lattice factor, terms, and the sum."""

from typing import Any

import torch

from nanobrag_torch.hooks import Place
from trace_audit.stages.exchange import FIRST, WHOLE, Exchange
from trace_audit.trace.parse import Context

COUNTS = (
    *("sources", "mosaic_domains", "phi_steps", "oversample", "thick_steps", "steps"),
    *("oversample_thick", "oversample_polar", "oversample_omega"),
)
PRINTED = (  # computed while printing: text, and conversions of a value that has its own key
    *("pixel_slow_fast", "defects", "detector_convention", "lambda_angstroms", "r_e_meters", "floatimage_accumulated"),
)
RAYS = {
    "position_m": "pixel_pos_meters",
    "pixel_distance_m": "R_distance_meters",
    "direction": "diffracted_vec",
    "obliquity": "obliquity_factor",
    "omega_sr": "omega_pixel_sr",
}
# Keys of the first orientation, of each phi step and of each term; the part that a phi step prints.
TERMS: dict[str, Any] = {
    "hkl": ("hkl_frac", "TRACE_PHI.k_frac", "", (1,)),
    "hkl_rounded": ("hkl_rounded", "", "term.hkl_rounded", ()),
    "F_latt": ("F_latt", "TRACE_PHI.F_latt", "term.F_latt", ()),
    "F_cell": ("F_cell", "", "term.F_cell", ()),
}
WEIGHTS = {"term_capture": "capture_fraction", "term_polar": "polar", "term_omega_sr": "omega_sr"}
SUMS = {
    "I_background": "I_background",
    "I_before_scaling": "I_before_scaling",
    "capture_fraction": "capture_fraction",
    "polar": "polar",
    "omega_of_pixel_sr": "omega_pixel",
    "photons": "I_pixel_final",
}


class OnePixel(Exchange):
    """Exchange of the values computed for each pixel, and of those computed while printing."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.rays = 1
        self.square = False
        self.counts: dict[str, int] = {}
        self.weight = torch.ones(1)

    def pixel(self, name: str, value: Any, place: Place) -> Any:
        """The replacement for a value of a pass over pixels; None for a name that is not one of these."""
        if name in RAYS:
            self.rays = value.shape[-1] if name == "position_m" else self.rays
            value = self.swap_rays(value, RAYS[name], place)
            for ray in range(value.shape[-1], self.rays):  # the solid angle of the first ray is used for all
                self.ask(RAYS[name], Context(block=place.sample + ray), value.double().tolist()[-1:])
            return value
        if name == "q_per_m":
            return self.swap_rays(value, "scattering_vec_A_inv", place) if place.source == 0 else value
        if name in TERMS:
            return self._terms(name, value, place)
        if name == "F_latt_axes":
            return self._axes(value, place)
        if name == "intensity":
            return self._intensity(value, place)
        if name in WEIGHTS:
            return self._weights(value, f"term.{WEIGHTS[name]}", place)
        if name == "term_weight":
            self.weight = value
            return value
        if name == "last_cos_2theta" or (name == "cos_2theta" and self._has_last_ray(value, place)):
            return self.swap_part(value, -1, "cos_2theta", WHOLE)
        if name in SUMS:
            return self.swap(value, SUMS[name])
        if name == "shape":
            self.square = value == "SQUARE"
            return value
        if name in COUNTS:
            return self._count(name, value)
        return self._printed(name, value) if name in PRINTED else None

    def _count(self, name: str, value: int) -> int:
        new = self.visit(name, WHOLE, [int(value)])
        self.counts[name] = value if new is None else int(new[0])
        return self.counts[name]

    def _has_last_ray(self, value: torch.Tensor, place: Place) -> bool:
        """Whether a pass contains the last source and sample, whose scattering angle is traced."""
        counts = self.counts
        samples = counts["thick_steps"] * counts["oversample"] ** 2
        return place.source == counts["sources"] - 1 and place.sample + value.shape[-1] == samples

    def _terms(self, name: str, value: torch.Tensor, place: Place) -> torch.Tensor:
        first_key, phi_key, *rest = TERMS[name]  # shapes other than SQUARE print no phi steps
        return self.swap_terms(value, place, first_key, phi_key if self.square else "", *rest)

    def _axes(self, axes: torch.Tensor, place: Place) -> torch.Tensor:
        rows = []
        for row, axis in zip(axes, "abc", strict=True):
            rows.append(self.swap_terms(row, place, f"F_latt_{axis}", "TRACE_PHI.F_latt_b" if axis == "b" else "", ""))
        return axes if all(new is old for new, old in zip(rows, axes, strict=True)) else torch.stack(rows)

    def _intensity(self, intensity: torch.Tensor, place: Place) -> torch.Tensor:
        """A term is the intensity times its weight; the weight is applied to the sum of the intensities."""
        term = intensity * self.weight
        new = self.swap_terms(term, place, "", "", "term.value")
        if new is term:
            return intensity
        return intensity * torch.where(term == 0, 1.0, new / torch.where(term == 0, 1.0, term))

    def _weights(self, factor: torch.Tensor, key: str, place: Place) -> torch.Tensor:
        rays = factor.expand(self.rays)
        for ray in range(self.rays):
            rays = self.swap_part(rays, ray, key, Context(place.sample + ray, place.source, 0, 0))
        return rays

    def _printed(self, key: str, value: Any) -> Any:
        values = value.reshape(-1).tolist() if isinstance(value, torch.Tensor) else value
        values = list(values) if isinstance(values, (list, tuple)) else [values]
        new = self.visit(key, FIRST if key == "lambda_angstroms" else WHOLE, values)
        return value if new is None else list(new)
