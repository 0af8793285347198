"""SMV images (ADSC): an ASCII header of KEY=value; lines, then unsigned 16-bit pixels, fast index fastest."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanobrag_torch.io.reading import ReaderError, number, read_bytes, shorten
from nanobrag_torch.io.writing import in_chunks, write_whole

HEADER_BLOCK = 512
MAX_HEADER_BYTES = 1_048_576
MAX_PIXELS_PER_SIDE = 100_000
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_MAGIC = b"{\nHEADER_BYT"
_FORM_FEED = "\f"
_BLANKS = " \t\r\n\v\f"


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
    """Keys and values of an SMV header; the last value of a repeated key counts. Raises ReaderError."""
    return _parse_header(path, read_bytes(path))[0]


def read_smv(path: str | Path) -> tuple[dict[str, str], np.ndarray]:
    """Header and pixels, (slow, fast) uint16 in the byte order that the header states. Raises ReaderError."""
    data = read_bytes(path)
    header, size = _parse_header(path, data)
    n_fast, n_slow = pixel_counts(path, header)
    kind = header.get("TYPE", "unsigned_short").lower()
    if kind not in ("unsigned_short", "unsigned short int"):
        raise ReaderError(path, f"has pixels of TYPE '{shorten(kind)}', expected unsigned_short")
    order = header.get("BYTE_ORDER", "little_endian").lower()
    if order not in ("little_endian", "big_endian"):
        raise ReaderError(path, f"has BYTE_ORDER '{shorten(order)}', expected little_endian or big_endian")
    expected = 2 * n_fast * n_slow
    if len(data) - size < expected:
        raise ReaderError(
            path, f"holds {len(data) - size} bytes of pixels, expected {expected} for {n_fast} x {n_slow}"
        )
    stored = np.dtype("<u2" if order == "little_endian" else ">u2")
    pixels = np.frombuffer(data, dtype=stored, count=n_fast * n_slow, offset=size)
    return header, pixels.astype(np.uint16).reshape(n_slow, n_fast)


def _parse_header(path: str | Path, data: bytes) -> tuple[dict[str, str], int]:
    if not data.startswith(_MAGIC):
        raise ReaderError(path, "does not begin with { and HEADER_BYTES, expected an SMV image")
    if len(data) < HEADER_BLOCK:
        raise ReaderError(path, f"holds {len(data)} bytes, expected a header of at least {HEADER_BLOCK}")
    stated = _fields(data[:HEADER_BLOCK]).get("HEADER_BYTES", "")
    if not _COUNT.fullmatch(stated) or not HEADER_BLOCK <= int(stated) <= MAX_HEADER_BYTES:
        raise ReaderError(path, f"has HEADER_BYTES={shorten(stated)}, expected {HEADER_BLOCK} or more")
    size = int(stated)
    if len(data) < size:
        raise ReaderError(path, f"holds {len(data)} bytes, expected a header of {size}")
    return _fields(data[:size]), size


def _fields(header: bytes) -> dict[str, str]:
    text = header.decode("latin-1").partition("}")[0].lstrip("{")
    parts = re.split(r"[;\n]", text)
    pairs = (part.partition("=") for part in parts)
    return {key.strip(_BLANKS): value.strip(_BLANKS) for key, equals, value in pairs if equals}


def pixel_counts(path: str | Path, header: dict[str, str]) -> tuple[int, int]:
    """(n_fast, n_slow) from SIZE1 and SIZE2, or both from DETECTOR_DIMENSIONS where SIZE1 is absent or 0."""
    names = ("SIZE1", "SIZE2")
    if _count(path, header, "SIZE1") == 0:
        names = ("DETECTOR_DIMENSIONS", "DETECTOR_DIMENSIONS")
    n_fast, n_slow = (_count(path, header, name) for name in names)
    if min(n_fast, n_slow) < 1 or max(n_fast, n_slow) > MAX_PIXELS_PER_SIDE:
        raise ReaderError(
            path, f"has {n_fast} x {n_slow} pixels, expected 1 to {MAX_PIXELS_PER_SIDE} a side (SIZE1, SIZE2)"
        )
    return n_fast, n_slow


def _count(path: str | Path, header: dict[str, str], key: str) -> int:
    text = header.get(key, "0")
    if not _COUNT.fullmatch(text):
        raise ReaderError(path, f"has {key}={shorten(text)}, expected a whole number")
    return int(text)


def header_number(path: str | Path, header: dict[str, str], *keys: str) -> float | None:
    """The number of the first of `keys` that the header has; None if it has none of them. Raises ReaderError."""
    values = [number(path, header[key], key) for key in keys if key in header]
    return values[0] if values else None
