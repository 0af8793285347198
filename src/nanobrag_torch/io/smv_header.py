"""Headers of SMV images as ADSC, d*TREK, fabio and nanoBragg write them: `{`, KEY=value; ... `}`, then pixels.

A field ends with `;` or with its line. A value that begins with `{` ends with the brace that closes it (d*TREK), so
the header ends with the first `}` that stands where a field would begin, or behind which the header holds no more.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanobrag_torch.io.reading import ReaderError, number, shorten

HEADER_BLOCK = 512
MAX_HEADER_BYTES = 1_048_576
MAX_PIXELS_PER_SIDE = 100_000
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_MAGIC = b"{\nHEADER_BYT"
_BLANKS = " \t\r\n\v\f"
_NO_MORE = re.compile(r"\}(\f|[ \t\r\n\v\f\0]*\Z)")

# Words of TYPE and Data_type, in small letters, `_` being a blank, and the type of the pixels without its byte order.
PIXEL_TYPES = {
    "unsigned short": "u2",
    "unsigned short int": "u2",
    "short": "i2",
    "short int": "i2",
    "signed short": "i2",
    "signed short int": "i2",
    "unsigned char": "u1",
    "signed char": "i1",
    "char": "i1",
    "long": "i4",
    "long int": "i4",
    "signed long": "i4",
    "signed long int": "i4",
    "int": "i4",
    "unsigned long": "u4",
    "unsigned long int": "u4",
    "unsigned int": "u4",
    "float": "f4",
    "float ieee": "f4",
}
_LAYOUT = {"DIM": ("2",), "COMPRESSION": ("none", ""), "BYTE_ORDER": ("little endian", "big endian")}


class Header(NamedTuple):
    """Keys, in capitals, with their values; the last value of a repeated key counts."""

    fields: dict[str, str]
    size: int  # where the pixels begin


def parse_header(path: str | Path, data: bytes) -> Header:
    """The header of an image of these bytes. Raises ReaderError."""
    if not data.startswith(_MAGIC):
        raise ReaderError(path, "does not begin with { and HEADER_BYTES, expected an SMV image")
    if len(data) < HEADER_BLOCK:
        raise ReaderError(path, f"holds {len(data)} bytes, expected a header of at least {HEADER_BLOCK}")
    size = _stated_size(path, data)
    if len(data) < size:
        raise ReaderError(path, f"holds {len(data)} bytes, expected a header of {size}")
    fields, end = _fields(path, data[:size].decode("latin-1"))
    if end is None:  # nanoBragg once wrote headers that are longer than they say
        text = data[: size + HEADER_BLOCK].decode("latin-1")
        fields, end = _fields(path, text)
        if end is None or not text[size:end].isascii() or not text[size:end].replace("\n", "").isprintable():
            raise ReaderError(path, f"has a header that is not closed with }} in its {size} bytes (HEADER_BYTES)")
        size = end + 1  # the form feed
    return Header(fields, size)


def _stated_size(path: str | Path, data: bytes) -> int:
    first = re.match(rb"\{\s*HEADER_BYTES\s*=([^;\n]*)", data[:HEADER_BLOCK])
    stated = first[1].decode("latin-1").strip(_BLANKS) if first else ""
    if not _COUNT.fullmatch(stated) or not HEADER_BLOCK <= int(stated) <= MAX_HEADER_BYTES:
        raise ReaderError(path, f"has HEADER_BYTES={shorten(stated)}, expected {HEADER_BLOCK} or more")
    return int(stated)


def _fields(path: str | Path, text: str) -> tuple[dict[str, str], int | None]:
    """The fields, and the position after the closing brace; None without a closing brace."""
    fields: dict[str, str] = {}
    position = 1  # behind the opening brace
    while position < len(text):
        if text[position] in _BLANKS or text[position] == ";":
            position += 1
        elif text[position] == "}":
            return fields, position + 1
        else:
            key, value, position, closed = _field(path, text, position)
            if key is not None:
                fields[key.upper()] = value
            if closed:
                return fields, position
    return fields, None


def _field(path: str | Path, text: str, start: int) -> tuple[str | None, str, int, bool]:
    """Key (None: text without `=`), value, the position after the field, and whether the header ends there."""
    end = _end_of_field(text, start)
    equals = text.find("=", start, end)
    if equals < 0:
        return _plain(None, text, start, end)
    key = text[start:equals].strip(_BLANKS)
    value_start = equals + 1
    while value_start < end and text[value_start] in " \t":
        value_start += 1
    if text[value_start : value_start + 1] != "{":
        return _plain(key, text, equals + 1, end)
    closing = _closing_brace(text, value_start)
    if closing is None:
        raise ReaderError(path, f"has {shorten(key)}={{ without its closing brace in the header")
    end = _end_of_field(text, closing)
    return key, text[value_start:end].strip(_BLANKS), end, False


def _plain(key: str | None, text: str, start: int, end: int) -> tuple[str | None, str, int, bool]:
    brace = text.find("}", start, end)
    while brace >= 0:
        if _NO_MORE.match(text, brace):
            return key, text[start:brace].strip(_BLANKS), brace + 1, True
        brace = text.find("}", brace + 1, end)
    return key, text[start:end].strip(_BLANKS), end, False


def _end_of_field(text: str, start: int) -> int:
    ends = [end for end in (text.find(";", start), text.find("\n", start)) if end >= 0]
    return min(ends, default=len(text))


def _closing_brace(text: str, opening: int) -> int | None:
    depth = 0
    for brace in re.finditer(r"[{}]", text[opening:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return opening + brace.start()
    return None


def pixel_counts(path: str | Path, fields: dict[str, str]) -> tuple[int, int]:
    """(n_fast, n_slow) from SIZE1 and SIZE2, or both from DETECTOR_DIMENSIONS where SIZE1 is absent or 0."""
    names = ("SIZE1", "SIZE2")
    if _count(path, fields, "SIZE1") == 0:
        names = ("DETECTOR_DIMENSIONS", "DETECTOR_DIMENSIONS")
    n_fast, n_slow = (_count(path, fields, name) for name in names)
    if min(n_fast, n_slow) < 1 or max(n_fast, n_slow) > MAX_PIXELS_PER_SIDE:
        raise ReaderError(
            path, f"has {n_fast} x {n_slow} pixels, expected 1 to {MAX_PIXELS_PER_SIDE} a side (SIZE1, SIZE2)"
        )
    return n_fast, n_slow


def _count(path: str | Path, fields: dict[str, str], key: str) -> int:
    text = fields.get(key, "0")
    if not _COUNT.fullmatch(text):
        raise ReaderError(path, f"has {key}={shorten(text)}, expected a whole number")
    return int(text)


def pixel_type(path: str | Path, fields: dict[str, str]) -> tuple[np.dtype, bool]:
    """The type of the pixels in the file's byte order, and whether the header names it. Raises ReaderError."""
    named = {key: fields[key] for key in ("TYPE", "DATA_TYPE") if key in fields}
    kinds = {key: PIXEL_TYPES.get(_plain_words(value)) for key, value in named.items()}
    for key, kind in kinds.items():
        if kind is None:
            raise ReaderError(path, f"has {key}={shorten(named[key])}, expected unsigned_short or a type of d*TREK")
    if len(set(kinds.values())) > 1:
        both = " and ".join(f"{key}={shorten(value)}" for key, value in named.items())
        raise ReaderError(path, f"has {both}, which contradict each other")
    for name, expected in _LAYOUT.items():
        if _plain_words(fields.get(name, expected[0])) not in expected:
            raise ReaderError(
                path, f"has {name}={shorten(fields[name])}, expected {' or '.join(filter(None, expected))}"
            )
    order = _plain_words(fields.get("BYTE_ORDER", "little endian"))
    kind = next(iter(kinds.values()), None) or "u2"
    return np.dtype((">" if order[0] == "b" else "<") + kind), bool(named)


def _plain_words(text: str) -> str:
    """Small letters, `_` read as a blank, single blanks between words."""
    return re.sub(r"[_ \t]+", " ", text.lower()).strip(" ")


def header_number(path: str | Path, fields: dict[str, str], *keys: str) -> float | None:
    """The number under the first of `keys` that the header has; None without any. Raises ReaderError."""
    values = [number(path, fields[key], key) for key in keys if key in fields]
    return values[0] if values else None
