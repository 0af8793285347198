"""Every stage of the torch physics, opened at its border: what it returns can be looked at and replaced, key by key.

`watched_trace` traces one pixel with the production code. At the border of each stage `visit(key, context, values)` is
told what the stage has just computed, in the units of the trace; what it returns (None: nothing) takes the place of the
values for all that follows. So a visitor that returns a reference's values feeds every stage with the reference's
parents, and one that moves a single value injects an error at that stage. Nothing of this exists outside the call.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from nanobrag_torch import integrate, kernel
from nanobrag_torch import model as model_module
from nanobrag_torch import trace as printer
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.physics import crystal, detector, lattice, placement, scaling, scattering, sources
from nanobrag_torch.physics.constants import DEG_PER_RAD, M_PER_A
from nanobrag_torch.simulator import Simulation
from trace_audit.keys import registry
from trace_audit.parse import Context, Value

Visit = Callable[[str, Context, list[Value]], Sequence[Value] | None]

WHOLE, FIRST = Context(), Context(block=0)
PRINTED = (  # made where they are printed: whole numbers, words, and conversions of a value that has its own key
    *("pixel_slow_fast", "defects", "sources", "mosaic_domains", "phi_steps", "oversample", "thick_steps"),
    *("detector_convention", "lambda_angstroms", "r_e_meters", "floatimage_accumulated"),
    *("oversample_thick", "oversample_polar", "oversample_omega"),
)
_NEGLIGIBLE = 1e-12


def watched_trace(
    experiment: Experiment, pixel: tuple[int, int], *, device: str, dtype: torch.dtype, visit: Visit
) -> list[str]:
    """The trace of pixel (slow, fast) with `visit` at the border of every stage. Raises what the simulator raises."""
    watch = _Watch(visit)
    with watch.installed():
        simulation = Simulation(experiment, device, dtype)
        geometry = simulation.model.geometry  # what the set-up hands over; the set-up lines keep the original
        handed = geometry._replace(
            fdet=watch.swap(geometry.fdet, "fdet_vec", FIRST), sdet=watch.swap(geometry.sdet, "sdet_vec", FIRST)
        )
        simulation.model = simulation.model._replace(geometry=handed)
        return list(printer.trace_simulation(simulation, *pixel))


class _Watch:
    """Where the pass is, and the wrappers around its stages."""

    def __init__(self, visit: Visit):
        self.visit = visit
        self.blocks = [0]
        self.source = self.first = 0
        self.domains = 1
        self.pivot_terms = ""
        self.placed: set[str] = set()
        self.axes: tuple[torch.Tensor, torch.Tensor] | None = None
        self.weights = torch.ones(1)

    # --- exchanging values ------------------------------------------------------------------------------------------

    def ask(self, key: str, context: Context, values: list[float]) -> Sequence[Value] | None:
        integer = registry()[key].kind == "integer"
        return self.visit(key, context, [int(v) for v in values] if integer else list(values))

    def swap(self, value: torch.Tensor, key: str, context: Context = WHOLE, scale: float = 1.0) -> torch.Tensor:
        """`value` as a whole is one key; `scale` turns it into the unit of the trace."""
        new = self.ask(key, context, (value.detach().double() * scale).reshape(-1).tolist())
        if new is None:
            return value
        numbers = torch.tensor([float(v) for v in new], dtype=torch.float64, device=value.device) / scale
        return numbers.to(value.dtype).view(value.shape)

    def swap_part(self, value: torch.Tensor, place: Any, key: str, context: Context) -> torch.Tensor:
        """A part of a tensor is one key."""
        old = value[place]
        new = self.swap(old, key, context)
        if new is old:
            return value
        value = value.clone()
        value[place] = new
        return value

    def swap_rays(self, value: torch.Tensor, key: str) -> torch.Tensor:
        """The last dimension runs over the rays, one a block."""
        for ray, block in enumerate(self.blocks[: value.shape[-1]]):
            value = self.swap_part(value, (..., ray), key, Context(block=block))
        return value

    def orientations(self, value: torch.Tensor) -> Iterator[tuple[tuple[Any, ...], Context]]:
        """Places (.., orientation, ray) of a tensor, with the context of the term that each belongs to."""
        for row in range(value.shape[-2]):
            step, domain = divmod(self.first + row, self.domains)
            for ray, block in enumerate(self.blocks[: value.shape[-1]]):
                yield (..., row, ray), Context(block, self.source, step, domain)

    def swap_terms(
        self, value: torch.Tensor, first_key: str, phi_key: str, term_key: str, phi_part: tuple[int, ...] = ()
    ) -> torch.Tensor:
        """A tensor that is printed for the first orientation, for each phi step and for each term ("": not there)."""
        for place, term in self.orientations(value):
            sample = self.source == 0 and term.mosaic_domain == 0
            if sample and term.phi_tic == 0 and first_key:
                value = self.swap_part(value, place, first_key, Context(block=term.block))
            if sample and phi_key:
                context = Context(block=term.block, phi_tic=term.phi_tic)
                value = self.swap_part(value, (*phi_part, *place[1:]) if phi_part else place, phi_key, context)
            if term_key:
                value = self.swap_part(value, place, term_key, term)
        return value

    # --- installing -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Put the wrappers around the stages, and take them away again."""
        constant = scaling.CLASSICAL_ELECTRON_RADIUS_SQR_M2
        r_e_sqr = self.visit("r_e_sqr", Context(), [constant])
        with contextlib.ExitStack() as stack:

            def put(place: Any, name: str, value: Any) -> None:
                stack.callback(setattr, place, name, getattr(place, name))
                setattr(place, name, value)

            for module in (scaling, printer):
                put(module, "CLASSICAL_ELECTRON_RADIUS_SQR_M2", constant if r_e_sqr is None else r_e_sqr[0])
            steps = model_module.Model.steps.fget
            put(model_module.Model, "steps", property(lambda model: self._steps(steps(model))))
            for place, name, wrapper in self._wrappers():
                put(place, name, _bound(wrapper, getattr(place, name)))
            yield

    def _steps(self, steps: int) -> int:
        new = self.visit("steps", Context(), [steps])
        return steps if new is None else int(new[0])

    def _wrappers(self) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
        """(module, function, wrapper); a wrapper gets the production function first."""
        yield detector, "basis", self._basis
        yield detector, "detector_normal", self._normal
        yield detector, "beam_centre", self._beam_centre
        for name, keys in _PLACEMENT.items():
            yield placement, name, self._whole(keys)
        yield placement, "rotated_axes", self._axes_after("rotz")
        yield placement, "swung_axes", self._axes_after("twotheta")
        for name, keys in (("terms_from_close_point_m", _CLOSE_TERMS), ("terms_from_beam_m", _BEAM_TERMS)):
            yield placement, name, self._terms(keys)
        yield placement, "sum_of_terms_m", self._sum_of_terms
        yield crystal, "build_cell", self._cell
        yield crystal, "n_cells", self._whole(("N_cells",))
        yield crystal, "spindle_angles_rad", self._spindle_angles
        yield crystal, "orientations", self._orientations
        yield sources, "fluence_photons_per_m2", self._whole(("fluence_photons_per_m2",))
        yield sources, "from_grids", self._sources
        yield sources, "from_table", self._sources
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
        yield scaling, "photons", self._whole(("I_pixel_final",))
        for name in ("_pixel", "_set"):
            yield printer, name, self._printed

    # --- set-up -----------------------------------------------------------------------------------------------------

    def _whole(self, keys: tuple[str, ...]) -> Callable[..., Any]:
        """Each value that a stage returns is one key. Calls after the first are not traced."""

        def wrapper(real: Callable[..., Any], *args: Any) -> Any:
            result = real(*args)
            if keys[0] in self.placed:
                return result
            self.placed.add(keys[0])
            parts = result if len(keys) > 1 else (result,)
            context = FIRST if registry()[keys[0]].where == "block" else Context()
            swapped = tuple(self.swap(v, k, context) for v, k in zip(parts, keys, strict=True))
            return swapped if len(keys) > 1 else swapped[0]

        return wrapper

    def _basis(self, real: Callable[..., Any], *args: Any) -> Any:
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

    def _normal(self, real: Callable[..., Any], panel: Any, fast: Any, slow: Any, *rest: Any) -> torch.Tensor:
        self.axes = self.swap(fast, "initial_fdet"), self.swap(slow, "initial_sdet")
        return self.swap(real(panel, *self.axes, *rest), "initial_odet")

    def _beam_centre(self, real: Callable[..., Any], *args: Any) -> Any:
        centre = real(*args)
        names = ("Fclose_m", "Sclose_m", "Fbeam_m", "Sbeam_m")
        return centre._replace(**{name: self.swap(getattr(centre, name), name) for name in names})

    def _axes_after(self, step: str) -> Callable[..., Any]:
        def wrapper(real: Callable[..., Any], *args: Any) -> Any:
            axes = real(*args)
            keys = (f"{letter}det_after_{step}" for letter in "fso")
            return placement.Axes(*(self.swap(v, key) for v, key in zip(axes, keys, strict=True)))

        return wrapper

    def _terms(self, keys: tuple[str, str, str]) -> Callable[..., Any]:
        def wrapper(real: Callable[..., Any], *args: Any) -> torch.Tensor:
            self.pivot_terms = keys[0]
            return torch.stack([self.swap(v, key) for v, key in zip(real(*args), keys, strict=True)])

        return wrapper

    def _sum_of_terms(self, real: Callable[..., Any], terms: torch.Tensor) -> torch.Tensor:
        return self.swap(real(terms), "pix0_before_rotation" if self.pivot_terms in _CLOSE_TERMS else "pix0_vector")

    def _cell(self, real: Callable[..., Any], stated: Any, wavelength_m: Any, misset: Any, *rest: Any) -> Any:
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

    def _spindle_angles(self, real: Callable[..., Any], *args: Any) -> torch.Tensor:
        angles = real(*args) * DEG_PER_RAD
        for step in range(angles.shape[0]):
            angles = self.swap_part(angles, step, "TRACE_PHI.phi_deg", Context(block=0, phi_tic=step))
        return torch.where(angles == real(*args) * DEG_PER_RAD, real(*args), angles / DEG_PER_RAD)

    def _orientations(self, real: Callable[..., Any], *args: Any) -> Any:
        turned = real(*args)
        real_m = turned.real_m
        for row, axis in enumerate("abc"):
            old = real_m[0, 0, row]
            new = self.swap(old, f"rot_{axis}_angstroms", FIRST, 1.0 / M_PER_A)
            if new is not old:
                real_m = real_m.clone()
                real_m[0, 0, row] = new
        return turned._replace(real_m=real_m)

    def _sources(self, real: Callable[..., Any], *args: Any) -> Any:
        made = real(*args)
        return made._replace(
            incident=self.swap_part(made.incident, 0, "incident_vec", FIRST),
            wavelength_m=self.swap_part(made.wavelength_m, 0, "lambda_meters", FIRST),
        )

    # --- the pixel --------------------------------------------------------------------------------------------------

    def _samples(self, real: Callable[..., Any], model: Any, first: int, last: int) -> Any:
        self.blocks, self.domains = list(range(first, last)), model.mosaic_domains
        return real(model, first, last)

    def _rays(self, key: str) -> Callable[..., Any]:
        return lambda real, *args: self.swap_rays(real(*args), key)

    def _illuminate(self, real: Callable[..., Any], model: Any, rays: Any, source: int) -> Any:
        self.source = source
        return real(model, rays, source)

    def _scattering_vector(self, real: Callable[..., Any], *args: Any) -> torch.Tensor:
        q = real(*args)
        return self.swap_rays(q, "scattering_vec_A_inv") if self.source == 0 else q

    def _diffract(self, real: Callable[..., Any], model: Any, q: Any, first: int, *rest: Any) -> Any:
        self.first = first
        result = real(model, q, first, *rest)
        share = 1.0 if model.sources.weight is None else model.sources.weight[self.source]
        term = result.intensity.double() * (self.weights * share)
        new = self.swap_terms(term, "", "", "term.value")
        if new is term:
            return result
        factor = torch.where(term == 0, 1.0, new / torch.where(term == 0, 1.0, term))
        return result._replace(intensity=result.intensity * factor)

    def _fractional(self, real: Callable[..., Any], *args: Any) -> torch.Tensor:
        return self.swap_terms(real(*args), "hkl_frac", "TRACE_PHI.k_frac", "", (1,))

    def _nearest(self, real: Callable[..., Any], *args: Any) -> torch.Tensor:
        return self.swap_terms(real(*args), "hkl_rounded", "", "term.hkl_rounded")

    def _interference(self, real: Callable[..., Any], *args: Any) -> torch.Tensor:
        axes = real(*args)
        for row, axis in enumerate("abc"):
            part = self.swap_terms(axes[row], f"F_latt_{axis}", "TRACE_PHI.F_latt_b" if axis == "b" else "", "")
            if part is not axes[row]:
                axes = torch.cat([axes[:row], part.unsqueeze(0), axes[row + 1 :]])
        return axes

    def _lattice_factor(self, real: Callable[..., Any], model: Any, *args: Any) -> Any:
        factor = real(model, *args)
        phi_key = "TRACE_PHI.F_latt" if model.shape == "SQUARE" else ""
        return factor._replace(F_latt=self.swap_terms(factor.F_latt, "F_latt", phi_key, "term.F_latt"))

    def _amplitude(self, real: Callable[..., Any], model: Any, miller: Any) -> torch.Tensor:
        amplitude = real(model, miller).expand(miller.rounded.shape[1:])
        return self.swap_terms(amplitude, "F_cell", "", "term.F_cell")

    def _term_factors(self, real: Callable[..., Any], *factors: torch.Tensor) -> Any:
        swapped = []
        for key, factor in zip(("capture_fraction", "polar", "omega_sr"), factors, strict=True):
            part = factor.expand(len(self.blocks))
            for ray, block in enumerate(self.blocks):
                part = self.swap_part(part, ray, f"term.{key}", Context(block, self.source, 0, 0))
            swapped.append(part)
        result = real(*swapped)
        self.weights = result.product
        return result

    # --- the end ----------------------------------------------------------------------------------------------------

    def _tile(self, real: Callable[..., Any], tile: Any, model: Any, *args: Any) -> None:
        real(tile, model, *args)
        if model.factors.rescale_water:  # elsewhere it is worked out after the sum
            tile.background = tile.total = self.swap(tile.background, "I_background")

    def _finish(self, real: Callable[..., Any], tile: Any) -> Any:
        if tile.model.factors.rescale_water or not tile.model.has_water:
            tile.total = self.swap(tile.total, "I_before_scaling")
        pixels = tile.total.shape
        for name, key in (("capture", "capture_fraction"), ("polar", "polar"), ("omega", "omega_pixel")):
            setattr(tile, name, self.swap(getattr(tile, name).expand(pixels), key))
        return real(tile)

    def _last_polarization(self, real: Callable[..., Any], recorder: Any, polarization: Any) -> None:
        cosine = self.swap_part(polarization.cos_2theta, -1, "cos_2theta", Context())
        real(recorder, polarization._replace(cos_2theta=cosine))

    def _printed(self, real: Callable[..., Any], key: str, value: Any) -> str:
        if key in PRINTED:
            values = value.reshape(-1).tolist() if isinstance(value, torch.Tensor) else value
            values = list(values) if isinstance(values, (list, tuple)) else [values]
            new = self.visit(key, FIRST if key == "lambda_angstroms" else Context(), values)
            value = value if new is None else list(new)
        return real(key, value)


def _bound(wrapper: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        return wrapper(real, *args)

    return call


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
_RAYS = {
    "position_m": "pixel_pos_meters",
    "distance_m": "R_distance_meters",
    "direction": "diffracted_vec",
    "obliquity": "obliquity_factor",
    "solid_angle_sr": "omega_pixel_sr",
}
