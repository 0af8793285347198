"""What each flag sets: values of the table in the units of `parameters`, without torch and without reading files."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nanobrag_torch.cli.tokens import Occurrence, UsageError, Value
from nanobrag_torch.cli.units import (
    degree,
    fraction,
    micrometre,
    mm,
    mrad,
    negative,
    same,
    spacing_from_A,
    wavelength_from_A,
    wavelength_from_eV,
)

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
    mask_Ybeam: tuple[str, float] | None = None  # file and BEAM_CENTER_Y (mm) of the mask where it counts


# flag -> (section, names that all get the converted value, conversion)
_NUMBERS: dict[str, tuple[str, tuple[str, ...], Callable[[Value], Any]]] = {
    "-misset_seed": ("crystal", ("misset_seed",), negative),
    "-mosaic_seed": ("crystal", ("mosaic_seed",), negative),
    "-mosaic": ("crystal", ("mosaic_spread_rad",), degree),
    "-mosaic_dom": ("crystal", ("mosaic_domains",), same),
    "-fudge": ("crystal", ("fudge",), same),
    "-default_F": ("structure_factors", ("default_F",), same),
    "-dmin": ("structure_factors", ("d_min_m",), spacing_from_A),
    "-water": ("structure_factors", ("water_size_m",), micrometre),
    "-lambda": ("beam", ("wavelength_m",), wavelength_from_A),
    "-energy": ("beam", ("wavelength_m",), wavelength_from_eV),
    "-fluence": ("beam", ("fluence_photons_per_m2",), same),
    "-flux": ("beam", ("flux_photons_per_s",), same),
    "-exposure": ("beam", ("exposure_s",), same),
    "-beamsize": ("beam", ("beamsize_m",), mm),
    "-dispersion": ("beam", ("dispersion_fraction",), fraction),
    "-dispsteps": ("beam", ("dispersion_steps",), same),
    "-divergence": ("beam", ("hdiv_range_rad", "vdiv_range_rad"), mrad),
    "-hdivrange": ("beam", ("hdiv_range_rad",), mrad),
    "-vdivrange": ("beam", ("vdiv_range_rad",), mrad),
    "-hdivstep": ("beam", ("hdiv_step_rad",), mrad),
    "-vdivstep": ("beam", ("vdiv_step_rad",), mrad),
    "-hdivsteps": ("beam", ("hdiv_steps",), same),
    "-vdivsteps": ("beam", ("vdiv_steps",), same),
    "-divsteps": ("beam", ("hdiv_steps", "vdiv_steps"), same),
    "-phi": ("spindle", ("phi_start_deg",), same),
    "-osc": ("spindle", ("osc_deg",), same),
    "-phistep": ("spindle", ("phistep_deg",), same),
    "-phisteps": ("spindle", ("phisteps",), same),
    "-distance": ("detector", ("distance_m",), mm),
    "-close_distance": ("detector", ("close_distance_m",), mm),
    "-pixel": ("detector", ("pixel_size_m",), mm),
    "-detsize": ("detector", ("size_fast_m", "size_slow_m"), mm),
    "-detsize_f": ("detector", ("size_fast_m",), mm),
    "-detsize_s": ("detector", ("size_slow_m",), mm),
    "-detpixels": ("detector", ("n_fast", "n_slow"), same),
    "-detpixels_f": ("detector", ("n_fast",), same),
    "-detpixels_s": ("detector", ("n_slow",), same),
    "-Xbeam": ("detector", ("Xbeam_m",), mm),
    "-Ybeam": ("detector", ("Ybeam_m",), mm),
    "-Xclose": ("detector", ("Xclose_m",), mm),
    "-Yclose": ("detector", ("Yclose_m",), mm),
    "-ORGX": ("detector", ("ORGX_pixels",), same),
    "-ORGY": ("detector", ("ORGY_pixels",), same),
    "-twotheta": ("detector", ("twotheta_rad",), degree),
    "-detector_rotx": ("detector", ("rotx_rad",), degree),
    "-detector_roty": ("detector", ("roty_rad",), degree),
    "-detector_rotz": ("detector", ("rotz_rad",), degree),
    "-detector_thick": ("detector", ("thickness_m",), micrometre),
    "-detector_thicksteps": ("detector", ("thick_steps",), same),
    "-oversample": ("detector", ("oversample",), same),
    "-floatfile": ("outputs", ("float_file",), same),
    "-doublefile": ("outputs", ("double_file",), same),
    "-intfile": ("outputs", ("int_file",), same),
    "-scale": ("outputs", ("int_scale",), same),
    "-adc": ("outputs", ("adc_counts",), same),
    "-seed": ("outputs", ("noise_seed",), negative),
    "-hdf5file": ("outputs", ("hdf5_file",), same),
    "-defects": ("run", ("defects",), same),
    "-hkl_column": ("run", ("hkl_column",), same),
    "-device": ("run", ("device",), same),
    "-dtype": ("run", ("dtype",), same),
}

# flag without values -> settings it makes
_SWITCHES: dict[str, tuple[str, Section]] = {
    "-square_xtal": ("crystal", {"shape": "SQUARE"}),
    "-round_xtal": ("crystal", {"shape": "ROUND"}),
    "-gauss_xtal": ("crystal", {"shape": "GAUSS"}),
    "-tophat_spots": ("crystal", {"shape": "TOPHAT"}),
    "-interpolate": ("structure_factors", {"interpolate": True}),
    "-nointerpolate": ("structure_factors", {"interpolate": False}),
    "-nopolar": ("beam", {"polarized": False}),
    "-round_div": ("beam", {"round_divergence": True}),
    "-square_div": ("beam", {"round_divergence": False}),
    "-curved_det": ("detector", {"curved": True}),
    "-point_pixel": ("detector", {"point_pixel": True}),
    "-oversample_thick": ("detector", {"oversample_thick": True}),
    "-oversample_polar": ("detector", {"oversample_polar": True}),
    "-oversample_omega": ("detector", {"oversample_omega": True}),
    "-nopgm": ("outputs", {"pgm": False}),
    "-nonoise": ("outputs", {"noise": False}),
    "-printout": ("outputs", {"printout": True}),
    "-progress": ("outputs", {"progress": True}),
    "-noprogress": ("outputs", {"progress": False}),
    "-show_config": ("run", {"show_config": True}),
}

_FILES = ("-mat", "-hkl", "-dumpfile", "-sourcefile", "-img", "-mask", "-stol", "-4stol", "-Q")
_ELSEWHERE = ("--help", "--version")  # answered before anything else is looked at
_VECTORS = ("-fdet_vector", "-sdet_vector", "-odet_vector", "-beam_vector", "-polar_vector", "-spindle_axis")
_CELL_COUNTS = {"-Na": 0, "-Nb": 1, "-Nc": 2}
_SAMPLE_EXTENTS = {"-samplesize": (0, 1, 2), "-sample_thick": (0,), "-sample_width": (1,), "-sample_height": (2,)}


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
    name, values = occurrence.name, occurrence.values
    if name in _NUMBERS:
        section, keys, convert = _NUMBERS[name]
        value = convert(values[0])
        _refuse_lost(occurrence, value)
        getattr(settings, section).update(dict.fromkeys(keys, value))
    elif name in _SWITCHES:
        section, changes = _SWITCHES[name]
        getattr(settings, section).update(changes)
    elif name in _FILES:
        settings.files[name] = str(values[0])
    elif name in _SPECIAL:
        _SPECIAL[name](settings, occurrence)
    elif not (occurrence.flag.effect or occurrence.flag.sets_convention or name in _ELSEWHERE):
        raise AssertionError(f"flag {name} of the table is not implemented")


def _refuse_lost(occurrence: Occurrence, value: Any) -> None:
    """A number that becomes infinite or zero in the program's unit although it was neither."""
    given = occurrence.values[0]
    if isinstance(value, float) and given != 0 and (not math.isfinite(value) or value == 0):
        unit = f" {occurrence.flag.unit}" if occurrence.flag.unit else ""
        raise UsageError(f"{occurrence.spelling} is {given}{unit}, expected a number of ordinary size")


def _cell(settings: Settings, occurrence: Occurrence) -> None:
    values = [float(value) for value in occurrence.values]
    a, b, c = (values + [0.0, 0.0])[:3]
    angles = (values[3:] + [0.0] * 3)[:3]
    alpha, beta, gamma = (angle or 90.0 for angle in angles)
    half = (alpha + beta + gamma) / 2.0
    if not math.prod(math.sin(degree(angle)) for angle in (half, half - alpha, half - beta, half - gamma)) > 1e-12:
        raise UsageError(
            f"{occurrence.spelling}: no cell has the angles {alpha:g} {beta:g} {gamma:g}, "
            "expected a sum below 360 deg and each angle smaller than the other two together"
        )
    settings.crystal["cell_lengths_A"] = (a, b or a, c or a)
    settings.crystal["cell_angles_deg"] = (alpha, beta, gamma)


def _misset(settings: Settings, occurrence: Occurrence) -> None:
    if occurrence.values == ("random",):
        settings.crystal.update(misset_random=True, misset_deg=None)
    else:
        settings.crystal.update(misset_random=False, misset_deg=_vector(occurrence))


def _n_cells(settings: Settings, occurrence: Occurrence) -> None:
    counts = list(settings.crystal.get("n_cells", (1, 1, 1)))
    axes = range(3) if occurrence.name == "-N" else (_CELL_COUNTS[occurrence.name],)
    for axis in axes:
        counts[axis] = int(occurrence.values[0])
    settings.crystal["n_cells"] = tuple(counts)


def _sample_size(settings: Settings, occurrence: Occurrence) -> None:
    extents = list(settings.crystal.get("sample_size_m", (0.0, 0.0, 0.0)))
    value = mm(occurrence.values[0])
    _refuse_lost(occurrence, value)
    for axis in _SAMPLE_EXTENTS[occurrence.name]:
        extents[axis] = value
    settings.crystal["sample_size_m"] = tuple(extents)


def _polar(settings: Settings, occurrence: Occurrence) -> None:
    settings.beam.update(polarization_factor=occurrence.values[0], polarized=True)


def _pivot(settings: Settings, occurrence: Occurrence) -> None:
    pivot = str(occurrence.values[0]).upper()
    settings.detector.update(pivot=pivot, pivot_explicit=pivot)


def _vector(occurrence: Occurrence) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in occurrence.values)
    return x, y, z


def _direction(settings: Settings, occurrence: Occurrence) -> None:
    vector = _vector(occurrence)
    if not 1e-100 < math.hypot(*vector) < 1e100:
        given = " ".join(f"{component:g}" for component in vector)
        raise UsageError(f"{occurrence.spelling} is {given}, expected a direction: not zero, and of ordinary size")
    settings.detector[occurrence.name[1:]] = vector


def _pix0(settings: Settings, occurrence: Occurrence) -> None:
    convert = mm if occurrence.name.endswith("_mm") else float
    settings.detector["pix0_vector_m"] = tuple(convert(value) for value in occurrence.values)


def _absorption(settings: Settings, occurrence: Occurrence) -> None:
    length = float(occurrence.values[0])
    if length == 0 or math.isinf(length):
        settings.detector.update(attenuation_per_m=0.0, thickness_m=0.0)
        return
    attenuation = 1.0 / micrometre(length)
    _refuse_lost(occurrence, attenuation)
    settings.detector["attenuation_per_m"] = attenuation


def _roi(settings: Settings, occurrence: Occurrence) -> None:
    settings.detector["roi"] = tuple(int(value) for value in occurrence.values)


def _pgm(settings: Settings, occurrence: Occurrence) -> None:
    key = "pgm_scale" if occurrence.name == "-pgmscale" else "pgm_file"
    settings.outputs.update({key: occurrence.values[0], "pgm": True})


def _noise_file(settings: Settings, occurrence: Occurrence) -> None:
    settings.outputs.update(noise_file=occurrence.values[0], noise=True)


def _printout_pixel(settings: Settings, occurrence: Occurrence) -> None:
    fast, slow = occurrence.values
    settings.outputs.update(printout=True, printout_pixel=(slow, fast))


def _trace_pixel(settings: Settings, occurrence: Occurrence) -> None:
    settings.run["trace_pixel"] = occurrence.values


_SPECIAL: dict[str, Callable[[Settings, Occurrence], None]] = {
    "-cell": _cell,
    "-misset": _misset,
    "-N": _n_cells,
    **dict.fromkeys(_CELL_COUNTS, _n_cells),
    **dict.fromkeys(_SAMPLE_EXTENTS, _sample_size),
    "-polar": _polar,
    "-pivot": _pivot,
    **dict.fromkeys(_VECTORS, _direction),
    "-twotheta_axis": _direction,
    "-pix0_vector": _pix0,
    "-pix0_vector_mm": _pix0,
    "-detector_abs": _absorption,
    "-roi": _roi,
    "-pgmfile": _pgm,
    "-pgmscale": _pgm,
    "-noisefile": _noise_file,
    "-printout_pixel": _printout_pixel,
    "-trace_pixel": _trace_pixel,
}
