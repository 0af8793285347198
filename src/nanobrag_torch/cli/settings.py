"""The value that each flag sets, in the units of `parameters`. Reads no files and does not need torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nanobrag_torch import limits
from nanobrag_torch.cli.tokens import Occurrence, UsageError, Value
from nanobrag_torch.cli.units import CONVERSIONS, mm, um
from nanobragg_tables import Flag, Setting

Section = dict[str, Any]


@dataclass
class Settings:
    """Keyword arguments of each dataclass of `parameters`, files to read, and what to do with the image."""

    crystal: Section = field(default_factory=dict)
    beam: Section = field(default_factory=dict)
    spindle: Section = field(default_factory=dict)
    detector: Section = field(default_factory=dict)
    structure_factors: Section = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    outputs: Section = field(default_factory=dict)
    run: Section = field(default_factory=dict)
    no_effect: list[str] = field(default_factory=list)  # spellings of flags that were given and do nothing
    remarks: list[str] = field(default_factory=list)  # what else the user should know, a line each
    given: set[str] = field(default_factory=set)  # names of the flags of the command line
    open_lengths: dict[str, str] = field(default_factory=dict)  # key of an image header: what is wrong with it
    dtrek: dict[str, str] = field(default_factory=dict)  # keyword of d*TREK in an image header: what is not read of it
    mask_Ybeam: tuple[str, float] | None = None  # file and BEAM_CENTER_Y (mm) of the mask where it counts


# parameters of which a flag sets one of three numbers, with what the others are until a flag sets them
_TRIPLES: dict[str, tuple[float, ...]] = {"crystal.n_cells": (1, 1, 1), "crystal.sample_size_m": (0.0, 0.0, 0.0)}
_FILES = ("-mat", "-hkl", "-dumpfile", "-sourcefile", "-img", "-mask", "-stol", "-4stol", "-Q")
_ELSEWHERE = ("--help", "--version")  # answered before anything else is looked at
_VECTORS = ("-fdet_vector", "-sdet_vector", "-odet_vector", "-beam_vector", "-polar_vector", "-spindle_axis")


def apply(occurrences: list[Occurrence], settings: Settings) -> Settings:
    """Apply the flags in order on top of `settings` (which may already hold what image headers say)."""
    for occurrence in occurrences:
        _apply_one(occurrence, settings)
        flag = occurrence.flag
        settings.given.add(flag.name)
        if flag.sets_convention:
            settings.detector["convention"] = flag.sets_convention
        if flag.sets_pivot:
            settings.detector["pivot"] = flag.sets_pivot
        if flag.effect:
            settings.no_effect.append(occurrence.spelling)
    return settings


def _apply_one(occurrence: Occurrence, settings: Settings) -> None:
    name, effects = occurrence.name, occurrence.flag.sets["torch"]
    if not effects.by_code:
        for setting in effects.settings:
            value = setting.constant if setting.constant is not None else _converted(occurrence, setting)
            _assign(settings, setting.name, value)
    elif name in _FILES:
        settings.files[name] = str(occurrence.values[0])
    elif name in _BY_CODE:
        _BY_CODE[name](settings, occurrence)
    elif name not in _ELSEWHERE:
        raise AssertionError(f"flag {name} of the table is not implemented")


def _converted(occurrence: Occurrence, setting: Setting) -> Any:
    """The value of the flag in the unit of the parameter."""
    convert = conversion(occurrence.flag, setting)
    if convert is None:
        return occurrence.values[0]
    value = convert(occurrence.values[0])
    _refuse_lost(occurrence, value)
    return value


def conversion(flag: Flag, setting: Setting) -> Callable[[Value], Any] | None:
    """The conversion from the flag's unit to the parameter's; None where both are the same."""
    if flag.convert is None or (flag.convert == "deg" and setting.name.endswith("_deg")):
        return None
    return CONVERSIONS[flag.convert]


def _assign(settings: Settings, name: str, value: Any) -> None:
    """Set `section.field`, or one of its three numbers: `section.field[axis]`."""
    section, field_name = name.split(".")
    target: Section = getattr(settings, section)
    if not field_name.endswith("]"):
        target[field_name] = value
        return
    field_name, axis = field_name[:-3], int(field_name[-2])
    numbers = list(target.get(field_name, _TRIPLES[f"{section}.{field_name}"]))
    numbers[axis] = value
    target[field_name] = tuple(numbers)


def _refuse_lost(occurrence: Occurrence, value: Any) -> None:
    """Refuse a number that becomes infinite or 0 in the unit of the parameter."""
    stated = occurrence.values[0]
    if isinstance(value, float) and stated != 0 and (not math.isfinite(value) or value == 0):
        unit = f" {occurrence.flag.unit}" if occurrence.flag.unit else ""
        raise UsageError(f"{occurrence.spelling} is {stated}{unit}, expected a number of ordinary size")


def _cell(settings: Settings, occurrence: Occurrence) -> None:
    values = [float(value) for value in occurrence.values]
    a, b, c = (values + [0.0, 0.0])[:3]
    angles = (values[3:] + [0.0] * 3)[:3]
    alpha, beta, gamma = (angle or 90.0 for angle in angles)
    limits.check_angles(occurrence.spelling, (alpha, beta, gamma))
    settings.crystal["cell_lengths_A"] = (a, b or a, c or a)
    settings.crystal["cell_angles_deg"] = (alpha, beta, gamma)


def _misset(settings: Settings, occurrence: Occurrence) -> None:
    if occurrence.values == ("random",):
        settings.crystal.update(misset_random=True, misset_deg=None)
    else:
        settings.crystal.update(misset_random=False, misset_deg=_vector(occurrence))


def _pivot(settings: Settings, occurrence: Occurrence) -> None:
    pivot = str(occurrence.values[0]).upper()
    settings.detector.update(pivot=pivot, pivot_explicit=pivot)


def _vector(occurrence: Occurrence) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in occurrence.values)
    return x, y, z


def _direction(settings: Settings, occurrence: Occurrence) -> None:
    vector = _vector(occurrence)
    limits.check_direction(occurrence.spelling, vector)
    settings.detector[occurrence.name[1:]] = vector


def _pix0(settings: Settings, occurrence: Occurrence) -> None:
    convert = mm if occurrence.name.endswith("_mm") else float
    settings.detector["pix0_vector_m"] = tuple(convert(value) for value in occurrence.values)


def _absorption(settings: Settings, occurrence: Occurrence) -> None:
    length = float(occurrence.values[0])
    if length == 0 or math.isinf(length):
        settings.detector.update(attenuation_per_m=0.0, thickness_m=0.0)
        return
    attenuation = 1.0 / um(length)
    _refuse_lost(occurrence, attenuation)
    settings.detector["attenuation_per_m"] = attenuation


def _roi(settings: Settings, occurrence: Occurrence) -> None:
    settings.detector["roi"] = tuple(int(value) for value in occurrence.values)


def _printout_pixel(settings: Settings, occurrence: Occurrence) -> None:
    fast, slow = occurrence.values
    settings.outputs.update(printout=True, printout_pixel=(slow, fast))


def _trace_pixel(settings: Settings, occurrence: Occurrence) -> None:
    settings.run["trace_pixel"] = occurrence.values


_BY_CODE: dict[str, Callable[[Settings, Occurrence], None]] = {
    "-cell": _cell,
    "-misset": _misset,
    "-pivot": _pivot,
    **dict.fromkeys(_VECTORS, _direction),
    "-twotheta_axis": _direction,
    "-pix0_vector": _pix0,
    "-pix0_vector_mm": _pix0,
    "-detector_abs": _absorption,
    "-roi": _roi,
    "-printout_pixel": _printout_pixel,
    "-trace_pixel": _trace_pixel,
}
