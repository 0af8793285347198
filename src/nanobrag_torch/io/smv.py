"""SMV images: an ASCII header of KEY=value; lines, then pixels, fast index fastest; 16-bit counts where we write."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanobrag_torch.io.reading import ReaderError, read_bytes
from nanobrag_torch.io.smv_header import HEADER_BLOCK, parse_header, pixel_counts, pixel_type
from nanobrag_torch.io.writing import in_chunks, write_whole

_FORM_FEED = "\f"


class SmvHeader(NamedTuple):
    """The values of an SMV header other than the pixel counts. Lengths in mm, angles in deg, wavelength in A."""

    n_fast: int
    n_slow: int
    pixel_mm: float
    distance_mm: float
    wavelength_A: float
    Xbeam_mm: float
    Ybeam_mm: float
    Fbeam_mm: float
    Sbeam_mm: float
    size_slow_mm: float
    dials_origin_mm: tuple[float, float, float]
    ORGX_pixels: float
    ORGY_pixels: float
    close_distance_mm: float
    phi_deg: float
    osc_deg: float
    twotheta_deg: float
    made_by: tuple[tuple[str, str], ...] = ()  # further keys, which follow all others

    def lines(self) -> list[str]:
        """`KEY=value;` in nanoBragg's order, six significant digits."""
        half = self.pixel_mm / 2.0
        values = {
            "PIXEL_SIZE": self.pixel_mm,
            "DISTANCE": self.distance_mm,
            "WAVELENGTH": self.wavelength_A,
            "BEAM_CENTER_X": self.Xbeam_mm,
            "BEAM_CENTER_Y": self.Ybeam_mm,
            "ADXV_CENTER_X": self.Fbeam_mm,
            "ADXV_CENTER_Y": self.size_slow_mm - self.Sbeam_mm,
            "MOSFLM_CENTER_X": self.Sbeam_mm - half,
            "MOSFLM_CENTER_Y": self.Fbeam_mm - half,
            "DENZO_X_BEAM": self.Sbeam_mm,
            "DENZO_Y_BEAM": self.Fbeam_mm,
            "DIALS_ORIGIN": ",".join(f"{value:g}" for value in self.dials_origin_mm),
            "XDS_ORGX": self.ORGX_pixels,
            "XDS_ORGY": self.ORGY_pixels,
            "CLOSE_DISTANCE": self.close_distance_mm,
            "PHI": self.phi_deg,
            "OSC_START": self.phi_deg,
            "OSC_RANGE": self.osc_deg,
            "TWOTHETA": self.twotheta_deg,
            "DETECTOR_SN": "000",
            "BEAMLINE": "fake",
            **{key: re.sub(r"[^ -:<-~]", "_", text) for key, text in self.made_by},
        }
        order = "little_endian" if sys.byteorder == "little" else "big_endian"
        fixed = [
            "DIM=2;",
            f"BYTE_ORDER={order};",
            "TYPE=unsigned_short;",
            f"SIZE1={self.n_fast};",
            f"SIZE2={self.n_slow};",
        ]
        shown = [f"{key}={value if isinstance(value, str) else format(value, 'g')};" for key, value in values.items()]
        return fixed + shown


def header_bytes(header: SmvHeader) -> bytes:
    """The header, padded with blanks to the multiple of 512 bytes that it states (512 wherever the text fits)."""
    body = "\n".join(header.lines()) + "\n}" + _FORM_FEED
    size = HEADER_BLOCK
    while True:
        text = f"{{\nHEADER_BYTES={size};\n{body}"
        if len(text) <= size:
            return text.ljust(size).encode("ascii")
        size += HEADER_BLOCK


def write_smv(path: str | Path, header: SmvHeader, rows: Iterable[np.ndarray]) -> None:
    """Write an image of unsigned 16-bit counts in native byte order: the image (slow, fast), or parts of it in order.

    Raises WriterError.
    """
    write_whole(path, chain([header_bytes(header)], in_chunks(rows, np.uint16)))


def read_smv_header(path: str | Path) -> dict[str, str]:
    """Keys, in capitals, and values of an SMV header; the last value of a repeated key counts.

    Raises ReaderError.
    """
    return parse_header(path, read_bytes(path)).fields


def read_smv(path: str | Path) -> tuple[dict[str, str], np.ndarray]:
    """Header, and pixels as (slow, fast) of the type that the header names, else uint16. Raises ReaderError."""
    data = read_bytes(path)
    header = parse_header(path, data)
    n_fast, n_slow = pixel_counts(path, header.fields)
    kind, named = pixel_type(path, header.fields)
    expected, available = kind.itemsize * n_fast * n_slow, len(data) - header.size
    if available < expected or (available > expected and not named):
        hint = "" if named else "; the header names no TYPE"
        raise ReaderError(path, f"holds {available} bytes of pixels, expected {expected} for {n_fast} x {n_slow}{hint}")
    pixels = np.frombuffer(data, dtype=kind, count=n_fast * n_slow, offset=header.size)
    return header.fields, pixels.astype(kind.newbyteorder("=")).reshape(n_slow, n_fast)
