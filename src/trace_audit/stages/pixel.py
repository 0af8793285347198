"""The borders of one pixel: rays, scattering, lattice factor, terms, and the sum."""

from collections.abc import Iterator
from typing import Any

import torch

from nanobrag_torch import integrate, kernel
from nanobrag_torch import trace as printer
from nanobrag_torch.physics import detector, lattice, scaling, scattering
from trace_audit.stages.exchange import FIRST, Exchange, Wrapper
from trace_audit.trace.parse import Context

PRINTED = (  # made where they are printed: whole numbers, words, and conversions of a value that has its own key
    *("pixel_slow_fast", "defects", "sources", "mosaic_domains", "phi_steps", "oversample", "thick_steps"),
    *("detector_convention", "lambda_angstroms", "r_e_meters", "floatimage_accumulated"),
    *("oversample_thick", "oversample_polar", "oversample_omega"),
)
_RAYS = {
    "position_m": "pixel_pos_meters",
    "distance_m": "R_distance_meters",
    "direction": "diffracted_vec",
    "obliquity": "obliquity_factor",
    "solid_angle_sr": "omega_pixel_sr",
}


class OnePixel(Exchange):
    """Wrappers of what is worked out for each pixel, and of what prints it."""

    def pixel_wrappers(self) -> Iterator[tuple[Any, str, Wrapper]]:
        """(module, function, wrapper); a wrapper gets the production function first."""
        yield kernel, "samples_of", self._samples
        for name, key in _RAYS.items():
            yield detector, name, self._rays(key)
        yield kernel, "illuminate", self._illuminate
        yield scattering, "scattering_vector_per_m", self._scattering_vector
        yield kernel, "diffract", self._diffract
        yield scattering, "fractional_indices", self._fractional
        yield scattering, "nearest_indices", self._nearest
        yield lattice, "interference", self._interference
        yield kernel, "_lattice", self._lattice_factor
        yield kernel, "_amplitude", self._amplitude
        yield integrate, "TermFactors", self._term_factors
        yield integrate._Tile, "__init__", self._tile
        yield integrate._Tile, "_finish", self._finish
        yield printer._Recorder, "last_polarization", self._last_polarization
        yield scaling, "photons", self.whole(("I_pixel_final",))
        for name in ("_pixel", "_set"):
            yield printer, name, self._printed

    def _samples(self, real: Wrapper, model: Any, first: int, last: int) -> Any:
        self.blocks, self.domains = list(range(first, last)), model.mosaic_domains
        return real(model, first, last)

    def _rays(self, key: str) -> Wrapper:
        return lambda real, *args: self.swap_rays(real(*args), key)

    def _illuminate(self, real: Wrapper, model: Any, rays: Any, source: int) -> Any:
        self.source = source
        return real(model, rays, source)

    def _scattering_vector(self, real: Wrapper, *args: Any) -> torch.Tensor:
        q = real(*args)
        return self.swap_rays(q, "scattering_vec_A_inv") if self.source == 0 else q

    def _diffract(self, real: Wrapper, model: Any, q: Any, first: int, *rest: Any) -> Any:
        self.first = first
        result = real(model, q, first, *rest)
        share = 1.0 if model.sources.weight is None else model.sources.weight[self.source]
        term = result.intensity.double() * (self.weights * share)
        new = self.swap_terms(term, "", "", "term.value")
        if new is term:
            return result
        factor = torch.where(term == 0, 1.0, new / torch.where(term == 0, 1.0, term))
        return result._replace(intensity=result.intensity * factor)

    def _fractional(self, real: Wrapper, *args: Any) -> torch.Tensor:
        return self.swap_terms(real(*args), "hkl_frac", "TRACE_PHI.k_frac", "", (1,))

    def _nearest(self, real: Wrapper, *args: Any) -> torch.Tensor:
        return self.swap_terms(real(*args), "hkl_rounded", "", "term.hkl_rounded")

    def _interference(self, real: Wrapper, *args: Any) -> torch.Tensor:
        axes = real(*args)
        for row, axis in enumerate("abc"):
            part = self.swap_terms(axes[row], f"F_latt_{axis}", "TRACE_PHI.F_latt_b" if axis == "b" else "", "")
            if part is not axes[row]:
                axes = torch.cat([axes[:row], part.unsqueeze(0), axes[row + 1 :]])
        return axes

    def _lattice_factor(self, real: Wrapper, model: Any, *args: Any) -> Any:
        factor = real(model, *args)
        phi_key = "TRACE_PHI.F_latt" if model.shape == "SQUARE" else ""
        return factor._replace(F_latt=self.swap_terms(factor.F_latt, "F_latt", phi_key, "term.F_latt"))

    def _amplitude(self, real: Wrapper, model: Any, miller: Any) -> torch.Tensor:
        amplitude = real(model, miller).expand(miller.rounded.shape[1:])
        return self.swap_terms(amplitude, "F_cell", "", "term.F_cell")

    def _term_factors(self, real: Wrapper, *factors: torch.Tensor) -> Any:
        swapped = []
        for key, factor in zip(("capture_fraction", "polar", "omega_sr"), factors, strict=True):
            part = factor.expand(len(self.blocks))
            for ray, block in enumerate(self.blocks):
                part = self.swap_part(part, ray, f"term.{key}", Context(block, self.source, 0, 0))
            swapped.append(part)
        result = real(*swapped)
        self.weights = result.product
        return result

    def _tile(self, real: Wrapper, tile: Any, model: Any, *args: Any) -> None:
        real(tile, model, *args)
        if model.factors.rescale_water:  # elsewhere it is worked out after the sum
            tile.background = tile.total = self.swap(tile.background, "I_background")

    def _finish(self, real: Wrapper, tile: Any) -> Any:
        if tile.model.factors.rescale_water or not tile.model.has_water:
            tile.total = self.swap(tile.total, "I_before_scaling")
        pixels = tile.total.shape
        for name, key in (("capture", "capture_fraction"), ("polar", "polar"), ("omega", "omega_pixel")):
            setattr(tile, name, self.swap(getattr(tile, name).expand(pixels), key))
        return real(tile)

    def _last_polarization(self, real: Wrapper, recorder: Any, polarization: Any) -> None:
        cosine = self.swap_part(polarization.cos_2theta, -1, "cos_2theta", Context())
        real(recorder, polarization._replace(cos_2theta=cosine))

    def _printed(self, real: Wrapper, key: str, value: Any) -> str:
        if key in PRINTED:
            values = value.reshape(-1).tolist() if isinstance(value, torch.Tensor) else value
            values = list(values) if isinstance(values, (list, tuple)) else [values]
            new = self.visit(key, FIRST if key == "lambda_angstroms" else Context(), values)
            value = value if new is None else list(new)
        return real(key, value)
