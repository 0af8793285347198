"""-img and -mask: values from SMV headers, read before all other flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.tokens import UsageError, one_line
from nanobrag_torch.cli.units import mm, wavelength_A
from nanobrag_torch.io.smv import read_smv_header
from nanobrag_torch.io.smv_header import header_number, pixel_counts

_DEFAULT_PIXEL_M = 1e-4
_BY_ORIGIN = ("XDS", "DIALS")  # conventions that the beam centre of a header does not move


class _Length(NamedTuple):
    """A key whose value must be above 0, the field it sets, flags that can replace it, and d*TREK's key for it."""

    key: str
    section: str
    name: str
    convert: Callable[[float], float]
    flags: tuple[str, ...]
    dtrek_key: str


_LENGTHS = (
    _Length("PIXEL_SIZE", "detector", "pixel_size_m", mm, ("-pixel",), "SPATIAL_DISTORTION_INFO"),
    _Length("DISTANCE", "detector", "distance_m", mm, ("-distance", "-close_distance"), "GONIO_VALUES"),
    _Length("WAVELENGTH", "beam", "wavelength_m", wavelength_A, ("-lambda", "-energy"), "SOURCE_WAVELENGTH"),
)


class _Dtrek(NamedTuple):
    """How the d*TREK keywords end that correspond to `standard`, and flags that set the same, the advised one first."""

    tail: str
    standard: str
    advice: str
    flags: tuple[str, ...]


_DTREK = (
    _Dtrek(
        "SPATIAL_DISTORTION_INFO",
        "BEAM_CENTER_X",
        "-Xbeam and -Ybeam",
        ("-Xbeam", "-Ybeam", "-Xclose", "-Yclose", "-ORGX", "-ORGY"),
    ),
    _Dtrek("ROTATION", "PHI", "-phi and -osc", ("-phi", "-osc")),
    _Dtrek(
        "GONIO_VALUES",
        "TWOTHETA",
        "-twotheta",
        ("-twotheta", "-detector_rotx", "-detector_roty", "-detector_rotz"),
    ),
)


def apply_header(flag: str, path: str, settings: Settings) -> None:
    """Set detector, wavelength and spindle from the header of an SMV image.

    BEAM_CENTER_Y of a mask is counted from the other edge: Ybeam = size_slow - value. Neither convention nor pivot
    change. What a header leaves open is kept for `settle_headers`. Raises ReaderError.
    """
    header = read_smv_header(path)
    panel = settings.detector
    panel["n_fast"], panel["n_slow"] = pixel_counts(path, header)
    for length in _LENGTHS:
        _take_length(flag, path, header, length, settings)
    for name, key in {"close_distance_m": "CLOSE_DISTANCE", "Xbeam_m": "BEAM_CENTER_X"}.items():
        value = header_number(path, header, key)
        if value == 0 and key == "CLOSE_DISTANCE":  # no detector is there: the program that wrote it knew of none
            settings.remarks.append(f"{flag}: header of '{one_line(path)}': CLOSE_DISTANCE is 0 and is not used")
        elif value is not None:
            panel[name] = mm(value)
    _take_Ybeam(flag, path, header, settings)
    for name, spellings in {"ORGX_pixels": ("ORGX", "XDS_ORGX"), "ORGY_pixels": ("ORGY", "XDS_ORGY")}.items():
        value = header_number(path, header, *spellings)
        if value is not None:
            panel[name] = value
    if header_number(path, header, "TWOTHETA"):
        settings.no_effect.append(f"TWOTHETA={header['TWOTHETA']} in the header of {flag}")
    for dtrek in _DTREK:
        _note_dtrek(flag, path, header, dtrek, settings)
    for name, key in {"phi_start_deg": "PHI", "osc_deg": "OSC_RANGE"}.items():
        value = header_number(path, header, key)
        if value is not None:
            settings.spindle[name] = value


def _take_length(flag: str, path: str, header: dict[str, str], length: _Length, settings: Settings) -> None:
    value = header_number(path, header, length.key)
    where = f"{flag} {one_line(path)}: "
    if value is not None and value > 0:
        settings.open_lengths.pop(length.key, None)
        getattr(settings, length.section)[length.name] = length.convert(value)
    elif value is not None:
        settings.open_lengths[length.key] = f"{where}has {length.key}={value:g}, expected more than 0"
    elif any(key.endswith(length.dtrek_key) for key in header):
        problem = f"has {length.dtrek_key} of d*TREK, which is not read, and no {length.key}"
        settings.open_lengths[length.key] = where + problem


def _note_dtrek(flag: str, path: str, header: dict[str, str], dtrek: _Dtrek, settings: Settings) -> None:
    """Keep what a keyword of d*TREK says where the header has no key of nanoBragg that says it."""
    if dtrek.standard in header:
        settings.dtrek.pop(dtrek.tail, None)
        return
    values = [value for key, value in header.items() if key.endswith(dtrek.tail) and not key.startswith("CRYSTAL")]
    if not values or (dtrek.tail == "GONIO_VALUES" and not _turns(values[0])):
        return
    problem = f"has {dtrek.tail}={one_line(values[0])[:60]} of d*TREK, which is not read, and no {dtrek.standard}"
    settings.dtrek[dtrek.tail] = f"{flag} {one_line(path)}: {problem}"


def _turns(values: str) -> bool:
    """Whether one of the first three numbers, the rotations of a goniometer, differs from 0."""
    try:
        angles = [float(number) for number in values.split()[:3]]
    except ValueError:
        return True
    return len(angles) < 3 or any(angles)


def _take_Ybeam(flag: str, path: str, header: dict[str, str], settings: Settings) -> None:
    value = header_number(path, header, "BEAM_CENTER_Y")
    if value is None:
        return
    panel = settings.detector
    panel["Ybeam_m"] = mm(value)
    settings.mask_Ybeam = None
    if flag == "-mask":
        panel["Ybeam_m"] = panel.get("pixel_size_m", _DEFAULT_PIXEL_M) * panel["n_slow"] - mm(value)
        settings.mask_Ybeam = (path, value)


def settle_headers(settings: Settings) -> None:
    """After all flags: check that flags supply what a header lacks, and warn about header values that have no effect.

    Raises UsageError.
    """
    for length in _LENGTHS:
        if length.key not in settings.open_lengths:
            continue
        problem = settings.open_lengths[length.key]
        wins = next((flag for flag in length.flags if flag in settings.given), None)
        edge = length.key == "PIXEL_SIZE" and settings.mask_Ybeam is not None and "-Ybeam" not in settings.given
        if wins is None or edge:
            raise UsageError(f"{problem}; add {length.flags[0]}{' and -Ybeam' if edge else ''}")
        settings.remarks.append(f"{problem}; {wins} counts")
    for dtrek in _DTREK:
        if dtrek.tail in settings.dtrek and not settings.given.intersection(dtrek.flags):
            settings.remarks.append(f"{settings.dtrek[dtrek.tail]}; give {dtrek.advice}")
    convention = settings.detector.get("convention", "MOSFLM")
    if settings.mask_Ybeam is not None and convention not in _BY_ORIGIN and "-Ybeam" not in settings.given:
        path, value = settings.mask_Ybeam
        settings.remarks.append(
            f"-mask: BEAM_CENTER_Y={value:g} of {path} is counted from the other edge than that of -img (historic), so "
            f"Ybeam is {1000 * settings.detector['Ybeam_m']:g} mm; give -Ybeam to set it"
        )
    _tell_unused(settings, convention)


def _tell_unused(settings: Settings, convention: str) -> None:
    panel, stated = settings.detector, settings.given
    path = settings.files.get("-img", settings.files.get("-mask"))
    if path is None:
        return
    flag = "-img" if "-img" in settings.files else "-mask"
    header_beam = any(f"{axis}beam_m" in panel and f"-{axis}beam" not in stated for axis in "XY")
    if convention in _BY_ORIGIN and header_beam and not {"ORGX_pixels", "ORGY_pixels"} & set(panel):
        settings.remarks.append(
            f"{flag}: the beam centre in the header of {path} has no effect in the {convention} convention; "
            "give -ORGX and -ORGY"
        )
    if "-distance" in stated and "-close_distance" not in stated and panel.get("close_distance_m") is not None:
        settings.remarks.append(
            f"-distance is not used: CLOSE_DISTANCE={1000 * panel['close_distance_m']:g} in the header of {path} comes "
            "first (historic); give -close_distance"
        )
