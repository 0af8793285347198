"""Checks of experiments stated in Python: shapes, ranges and choices of every field, when its dataclass is made.

The ranges and sentences are those of the flags that set the same fields, with the names of Python. A tensor whose value
cannot be read, as inside torch.vmap, is checked for its shape only.
"""

from __future__ import annotations

import math
import sys
import typing
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from nanobrag_torch import limits
from nanobrag_torch.errors import TRACED, ExperimentError
from nanobragg_tables import Range, flags

if TYPE_CHECKING:
    import torch

_RADIAN, _PERCENT = math.pi / 180.0, 0.01


@dataclass(frozen=True)
class Rule:
    """The source of a number's range: the flag, which of its values, and the field's unit in terms of the flag's."""

    flag: str
    value: int = 0
    unit: float = 1.0

    @cached_property
    def range(self) -> Range:
        limits_of_flag = next(flag for flag in flags() if flag.name == self.flag).args[self.value].range or Range()
        limits_of = ("min", "max", "exclusive_min", "exclusive_max")
        return replace(
            limits_of_flag, infinite=False, **{n: _scaled(getattr(limits_of_flag, n), self.unit) for n in limits_of}
        )


def _scaled(limit: float | None, unit: float) -> float | None:
    return limit if limit is None or unit == 1.0 else limit * unit


NUMBERS = {
    "Crystal": {
        "fudge": Rule("-fudge"),
        "mosaic_spread_rad": Rule("-mosaic", unit=_RADIAN),
    },
    "Beam": {
        "wavelength_m": Rule("-lambda"),
        "dispersion_fraction": Rule("-dispersion", unit=_PERCENT),
        "hdiv_range_rad": Rule("-hdivrange"),
        "hdiv_step_rad": Rule("-hdivstep"),
        "vdiv_range_rad": Rule("-vdivrange"),
        "vdiv_step_rad": Rule("-vdivstep"),
        "fluence_photons_per_m2": Rule("-fluence"),
        "flux_photons_per_s": Rule("-flux"),
        "exposure_s": Rule("-exposure"),
        "beamsize_m": Rule("-beamsize"),
        "polarization_factor": Rule("-polar"),
    },
    "Spindle": {
        "phi_start_deg": Rule("-phi"),
        "osc_deg": Rule("-osc"),
        "phistep_deg": Rule("-phistep"),
    },
    "Detector": {
        "pixel_size_m": Rule("-pixel"),
        "size_fast_m": Rule("-detsize_f"),
        "size_slow_m": Rule("-detsize_s"),
        "distance_m": Rule("-distance"),
        "close_distance_m": Rule("-close_distance"),
        "Xbeam_m": Rule("-Xbeam"),
        "Ybeam_m": Rule("-Ybeam"),
        "Xclose_m": Rule("-Xclose"),
        "Yclose_m": Rule("-Yclose"),
        "ORGX_pixels": Rule("-ORGX"),
        "ORGY_pixels": Rule("-ORGY"),
        "rotx_rad": Rule("-detector_rotx"),
        "roty_rad": Rule("-detector_roty"),
        "rotz_rad": Rule("-detector_rotz"),
        "twotheta_rad": Rule("-twotheta"),
        "thickness_m": Rule("-detector_thick"),
        "attenuation_per_m": Rule("-detector_abs"),
    },
    "StructureFactors": {
        "default_F": Rule("-default_F"),
        "d_min_m": Rule("-dmin"),
        "water_size_m": Rule("-water"),
    },
}
COUNTS = {
    "Crystal": {
        "mosaic_domains": Rule("-mosaic_dom"),
        "misset_seed": Rule("-misset_seed"),
        "mosaic_seed": Rule("-mosaic_seed"),
    },
    "Beam": {
        "dispersion_steps": Rule("-dispsteps"),
        "hdiv_steps": Rule("-hdivsteps"),
        "vdiv_steps": Rule("-vdivsteps"),
    },
    "Spindle": {"phisteps": Rule("-phisteps")},
    "Detector": {
        "n_fast": Rule("-detpixels_f"),
        "n_slow": Rule("-detpixels_s"),
        "thick_steps": Rule("-detector_thicksteps"),
        "oversample": Rule("-oversample"),
    },
}
VECTORS = {
    "Crystal": {
        "cell_lengths_A": Rule("-cell"),
        "cell_angles_deg": Rule("-cell", 3),
        "misset_deg": Rule("-misset"),
        "n_cells": Rule("-N"),
        "sample_size_m": Rule("-samplesize"),
    },
    "Detector": {
        **{name: Rule(f"-{name}") for name in ("fdet_vector", "sdet_vector", "odet_vector", "beam_vector")},
        **{name: Rule(f"-{name}") for name in ("polar_vector", "spindle_axis", "twotheta_axis")},
        "pix0_vector_m": Rule("-pix0_vector"),
    },
}
DIRECTIONS = [name for name in VECTORS["Detector"] if name != "pix0_vector_m"]
SIZES = {"Beam": ["wavelength_m"], "Detector": ["pixel_size_m", "distance_m", "close_distance_m"]}
CHOICES = {
    "Crystal": {"shape": "CrystalShape"},
    "Detector": {"convention": "Convention", "pivot": "Pivot", "pivot_explicit": "Pivot"},
}


def check(part: Any, choices: dict[str, Any]) -> None:
    """Check a dataclass of `parameters`; `choices` are its types with named values, by name.

    Raises ExperimentError with one sentence.
    """
    torch = sys.modules.get("torch")  # a command line is checked without it
    if torch is not None and torch.compiler.is_dynamo_compiling():  # its tensors have no values yet
        return
    kind = type(part).__name__
    for field, name in CHOICES.get(kind, {}).items():
        _check_choice(f"{kind}.{field}", getattr(part, field), typing.get_args(choices[name]))
    for field, rule in COUNTS.get(kind, {}).items():
        _check_count(f"{kind}.{field}", getattr(part, field), rule.range)
    for field, rule in NUMBERS.get(kind, {}).items():
        value = getattr(part, field)
        checked = None if value is None else _number(f"{kind}.{field}", value, rule.range)
        if checked is not None and field in SIZES.get(kind, ()):
            limits.check_size(f"{kind}.{field}", checked)
    for field, rule in VECTORS.get(kind, {}).items():
        value = getattr(part, field)
        if isinstance(value, list):  # its tensors would not be found
            object.__setattr__(part, field, tuple(value))
        numbers = None if value is None else _vector(f"{kind}.{field}", value, rule.range)
        if numbers is not None and kind == "Detector" and field in DIRECTIONS:
            limits.check_direction(f"{kind}.{field}", numbers)
        if numbers is not None and field == "cell_angles_deg":
            limits.check_angles(f"{kind}.{field}", numbers)
        if numbers is not None and field == "cell_lengths_A":
            limits.check_axes_of_cell(f"{kind}.{field}:", numbers)


def check_tensor(name: str, value: Any, shape: Sequence[int | str], above: float | None = None) -> None:
    """Check a tensor: real numbers, finite, of this shape (a text stands for any size), above a limit if given."""
    expected = f"expected a tensor of shape ({', '.join(map(str, shape))})"
    if not is_tensor(value) or value.is_complex():
        raise ExperimentError(f"{name} is {_shown(value)}, {expected}")
    if value.dim() != len(shape) or any(
        n == 0 or (isinstance(wanted, int) and n != wanted) for n, wanted in zip(value.shape, shape, strict=True)
    ):
        raise ExperimentError(f"{name} has the shape {tuple(value.shape)}, {expected}")
    if above is None or not _has_value(value):
        return
    plain = value.detach()
    if not bool((plain.isfinite() & (plain > above)).all()):
        raise ExperimentError(f"{name} holds a number that is not finite and above {above:g}, expected none")


def check_places(name: str, position_m: torch.Tensor) -> None:
    """Check that source positions are away from the sample."""
    if _has_value(position_m):
        far_m = position_m.detach().double().norm(dim=-1)
        if not bool(((far_m >= limits.SHORTEST_M) & (far_m <= limits.LONGEST_M)).all()):
            raise ExperimentError(f"{name} holds a source without a direction, expected sources away from the sample")


def check_exposure(flux: Any, exposure: Any, beamsize: Any) -> None:
    """Check that a flux has an exposure time and a beam size: fluence = flux exposure / beamsize^2."""
    if not any(is_tensor(quantity) for quantity in (flux, exposure, beamsize)):
        limits.check_exposure("Beam.beamsize_m is 0 m", "Beam.flux_photons_per_s", flux, exposure, beamsize)


def check_mask(name: str, mask: Any, n_fast: int | None, n_slow: int | None) -> None:
    """Check that a mask has the detector's size, where that is stated in pixels."""
    check_tensor(name, mask, ("slow", "fast"))
    if str(mask.dtype) != "torch.bool":
        raise ExperimentError(f"{name} holds {mask.dtype}, expected torch.bool: True where a pixel is computed")
    if n_fast is not None and n_slow is not None:
        limits.check_mask(name, mask.shape, n_fast, n_slow)


def check_region(name: str, region: Any) -> None:
    """Check a region: first and last pixel along fast, then along slow."""
    if not isinstance(region, tuple) or len(region) != 4 or not all(isinstance(n, Integral) for n in region):
        raise ExperimentError(f"{name} is {_shown(region)}, expected four whole numbers: xmin xmax ymin ymax")
    limits.check_region(name, region)


def _check_choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        raise ExperimentError(f"{name} is {_shown(value)}, expected one of {', '.join(allowed)}")


def _check_count(name: str, value: Any, limits_of: Range) -> None:
    if value is None:
        return
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ExperimentError(f"{name} is {_shown(value)}, expected a whole number")
    if not limits_of.contains(int(value)):
        raise ExperimentError(f"{name} is {value}, expected {limits_of.describe()}")


def _number(name: str, value: Any, limits_of: Range) -> float | None:
    """The number itself; None where it cannot be read."""
    if type(value) is float or type(value) is int:
        plain = float(value)
    elif is_tensor(value):
        if value.dim() or value.is_complex():
            raise ExperimentError(f"{name} has the shape {tuple(value.shape)}, expected one number (a 0-d tensor)")
        if not _has_value(value):
            return None
        plain = _value_of(value)
    elif isinstance(value, Real) and not isinstance(value, bool):
        plain = float(value)
    else:
        raise ExperimentError(f"{name} is {_shown(value)}, expected a number")
    if not math.isfinite(plain):
        raise ExperimentError(f"{name} is {plain}, expected a finite number")
    if not limits_of.contains(plain):
        raise ExperimentError(f"{name} is {plain:g}, expected {limits_of.describe()}")
    return plain


def _value_of(tensor: Any) -> float:
    """The value of a 0-d tensor. Raises ExperimentError where torch records operations and no value."""
    try:
        return float(tensor.detach())
    except RuntimeError as error:
        raise ExperimentError(TRACED) if "tracing tensor" in str(error) else error from error


def _vector(name: str, value: Any, limits_of: Range) -> list[float] | None:
    """Three numbers, or None where they cannot be read."""
    if is_tensor(value):
        check_tensor(name, value, (3,))
        value = value.unbind()
    if not isinstance(value, tuple | list) or len(value) != 3:
        count = f"has {len(value)} numbers" if isinstance(value, tuple | list) else f"is {_shown(value)}"
        raise ExperimentError(f"{name} {count}, expected 3")
    numbers = [_number(f"{name}[{index}]", component, limits_of) for index, component in enumerate(value)]
    asked = [component for component in numbers if component is not None]
    return asked if len(asked) == len(numbers) else None


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch.Tensor; decided without importing torch."""
    return hasattr(value, "requires_grad") and hasattr(value, "detach")


def _has_value(tensor: torch.Tensor) -> bool:
    """Whether a tensor's numbers can be read; not inside torch.vmap, on the meta device, or while it is traced."""
    from nanobrag_torch.parameters.tensors import is_mapped

    if tensor.device.type == "meta" or is_mapped(tensor):
        return False
    try:
        tensor.detach().reshape(-1)[:1].tolist()
    except RuntimeError:
        return False
    return True


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
