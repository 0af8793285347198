"""Structure factor amplitudes as text: lines of h k l F."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanobrag_torch.io.decimals import find_words, numbers
from nanobrag_torch.io.reading import (
    LARGEST_NUMBER,
    LONGEST_NUMBER,
    NUMBER,
    SMALLEST_NUMBER,
    ReaderError,
    is_ordinary,
    read_ascii,
    shorten,
)

MAX_BOX_CELLS = 2**29
_LARGEST_INDEX = 10**8
_MOST = 0.9  # of the lines, for a table
_COMMENT = re.compile(r"#[^\n]*")
_CHARACTERS = b"0123456789eE+-. \t\n\r\v\f"


class Reflections(NamedTuple):
    """Amplitudes (electrons) of Miller indices, in file order; a later duplicate replaces an earlier one."""

    hkl: np.ndarray  # (n, 3) int64
    F_electrons: np.ndarray  # (n,) float64


class Box(NamedTuple):
    """Amplitudes on the smallest box that holds all indices: `F_electrons[h - h_min, k - k_min, l - l_min]`."""

    F_electrons: np.ndarray
    h_min: int
    k_min: int
    l_min: int


def read_hkl(path: str | Path) -> Reflections:
    """Read groups of h k l F, on any number of lines; blank lines and text after # are skipped.

    Raises ReaderError that names the line for what is no number, for a last reflection of fewer than four, for indices
    that are not whole numbers, for a table of three, five or more columns, and for a file without a reflection.
    """
    return parse_hkl(path, read_ascii(path))


def parse_hkl(path: str | Path, text: str) -> Reflections:
    """As `read_hkl`, from text already read; `path` is for messages."""
    plain = (_COMMENT.sub("", text) if "#" in text else text).encode("ascii", "replace")
    if plain.translate(None, _CHARACTERS):
        raise _complaint(path, plain)
    fields = find_words(plain)
    if not fields.first.size:
        raise ReaderError(path, "holds no reflection, expected lines of h k l F")
    if _is_other_table(fields.in_line) or fields.first.size % 4 or fields.length.max() > LONGEST_NUMBER:
        raise _complaint(path, plain)
    try:
        values = numbers(fields).reshape(-1, 4)
    except ValueError:
        raise _complaint(path, plain) from None
    indices, size = values[:, :3], np.abs(values)
    good = (size == 0) | ((size >= SMALLEST_NUMBER) & (size <= LARGEST_NUMBER))
    if not good.all() or (indices != np.rint(indices)).any() or (size[:, :3] > _LARGEST_INDEX).any():
        raise _complaint(path, plain)
    return Reflections(indices.astype(np.int64), values[:, 3].copy())


def _is_other_table(in_line: np.ndarray) -> bool:
    """All lines have the same number of columns, and it is not that of a reflection nor of a part of one."""
    columns = in_line[0]
    return bool(in_line.size > 1 and columns > 2 and columns != 4 and (in_line == columns).all())


def _complaint(path: str | Path, plain: bytes) -> ReaderError:
    """The error for the layout, or for the first bad word."""
    rows = [line.split() for line in plain.decode("ascii").split("\n")]
    layout = _complaint_of_layout(path, rows)
    if layout is not None:
        return layout
    count = 0
    for number, row in enumerate(rows, start=1):
        for text in row:
            name = "hklF"[count % 4]
            count += 1
            shown = f"line {number}: {name} is '{shorten(text)}'"
            if len(text) > LONGEST_NUMBER or not NUMBER.fullmatch(text):
                return ReaderError(path, f"{shown}, expected a number")
            if not is_ordinary(float(text)):
                return ReaderError(path, f"{shown}, expected a number of ordinary size")
            if name != "F" and (float(text) != round(float(text)) or abs(float(text)) > _LARGEST_INDEX):
                return ReaderError(path, f"{shown}, expected a whole number up to {_LARGEST_INDEX}")
    return ReaderError(path, f"holds {count} numbers, expected four for each reflection: h k l F")


def _complaint_of_layout(path: str | Path, rows: list[list[str]]) -> ReaderError | None:
    """Nearly all lines have the same number of columns, and it is not four."""
    ((columns, lines),) = Counter(len(row) for row in rows if row).most_common(1)
    total = sum(1 for row in rows if row)
    if total < 2 or columns <= 2 or columns == 4 or lines < _MOST * total:
        return None
    number, row = next((number, row) for number, row in enumerate(rows, start=1) if len(row) == columns)
    hint = "; keep the first four: awk '{print $1, $2, $3, $4}'" if columns > 4 else ""
    shown = shorten(" ".join(row), 60)
    return ReaderError(path, f"has {columns} columns (line {number} is '{shown}'), expected four: h k l F{hint}")


def fill_box(path: str | Path, reflections: Reflections, default_F: float) -> Box:
    """Put reflections into their index box, gaps filled with `default_F`. Raises ReaderError if it is too large."""
    if len(reflections.hkl) == 0:
        raise ReaderError(path, "gives no reflection at all, expected some; check its cell and -dmin")
    low, high = reflections.hkl.min(axis=0), reflections.hkl.max(axis=0)
    shape = tuple(int(extent) for extent in high - low + 1)
    cells = shape[0] * shape[1] * shape[2]
    if cells > MAX_BOX_CELLS:
        limits = ", ".join(f"{a}..{b}" for a, b in zip(low.tolist(), high.tolist(), strict=True))
        raise ReaderError(path, f"spans the indices {limits}: {cells} cells, expected at most {MAX_BOX_CELLS}")
    box = np.full(shape, default_F, dtype=np.float64)
    h, k, l = (reflections.hkl - low).T
    box[h, k, l] = reflections.F_electrons
    return Box(box, *(int(index) for index in low))
