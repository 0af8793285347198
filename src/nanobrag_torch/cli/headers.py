"""-img and -mask: values from SMV headers, read before all other flags."""

from __future__ import annotations

from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.tokens import UsageError
from nanobrag_torch.cli.units import mm, wavelength_A
from nanobrag_torch.io.smv import header_number, pixel_counts, read_smv_header

_POSITIVE = ("PIXEL_SIZE", "WAVELENGTH", "DISTANCE")
_DEFAULT_PIXEL_M = 1e-4


def apply_header(flag: str, path: str, settings: Settings) -> None:
    """Set detector, wavelength and spindle from the header of an SMV image.

    BEAM_CENTER_Y of a mask is counted from the other edge: Ybeam = size_slow - value. Neither convention nor pivot
    change. Raises ReaderError, or UsageError where a value is out of range.
    """
    header = read_smv_header(path)
    panel = settings.detector
    panel["n_fast"], panel["n_slow"] = pixel_counts(path, header)
    for key in _POSITIVE:
        value = header_number(path, header, key)
        if value is not None and value <= 0:
            raise UsageError(f"{flag} {path}: has {key}={header[key]}, expected more than 0")
    keys: dict[str, tuple[str, ...]] = {
        "pixel_size_m": ("PIXEL_SIZE",),
        "distance_m": ("DISTANCE",),
        "close_distance_m": ("CLOSE_DISTANCE",),
        "Xbeam_m": ("BEAM_CENTER_X",),
        "Ybeam_m": ("BEAM_CENTER_Y",),
    }
    for name, spellings in keys.items():
        value = header_number(path, header, *spellings)
        if value is not None:
            panel[name] = mm(value)
    if flag == "-mask" and "BEAM_CENTER_Y" in header:
        size_slow_m = panel.get("pixel_size_m", _DEFAULT_PIXEL_M) * panel["n_slow"]
        panel["Ybeam_m"] = size_slow_m - panel["Ybeam_m"]
    for name, spellings in {"ORGX_pixels": ("ORGX", "XDS_ORGX"), "ORGY_pixels": ("ORGY", "XDS_ORGY")}.items():
        value = header_number(path, header, *spellings)
        if value is not None:
            panel[name] = value
    if header_number(path, header, "TWOTHETA"):
        settings.no_effect.append(f"TWOTHETA={header['TWOTHETA']} in the header of {flag}")
    wavelength = header_number(path, header, "WAVELENGTH")
    if wavelength is not None:
        settings.beam["wavelength_m"] = wavelength_A(wavelength)
    for name, key in {"phi_start_deg": "PHI", "osc_deg": "OSC_RANGE"}.items():
        value = header_number(path, header, key)
        if value is not None:
            settings.spindle[name] = value
