"""Structure factor amplitudes as text: lines of h k l F."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanobrag_torch.io.reading import NUMBER, ReaderError, read_text, shorten

MAX_BOX_CELLS = 2**28
_LARGEST_INDEX = 2**31 - 1
_STRANGE = re.compile(r"[^0-9eE+\-.\s]")


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
    """Read h k l F; blank lines and text after # are skipped.

    Raises ReaderError that names the line for anything but groups of four numbers, for indices that are not whole
    numbers, and for a file without a reflection.
    """
    return parse_hkl(path, read_text(path))


def parse_hkl(path: str | Path, text: str) -> Reflections:
    """As `read_hkl`, from text already read; `path` is for messages."""
    lines = text.split("\n")
    if "#" in text:
        lines = [line.partition("#")[0] for line in lines]
    rows = [line.split() for line in lines]
    words = [word for row in rows for word in row]
    if not words:
        raise ReaderError(path, "holds no reflection, expected lines of h k l F")
    if any(len(row) % 4 for row in rows) or _STRANGE.search(" ".join(words)):
        raise _complaint(path, rows)
    try:
        values = np.array(words, dtype=np.float64).reshape(-1, 4)
    except ValueError:
        raise _complaint(path, rows) from None
    indices = values[:, :3]
    bad = ~(np.isfinite(values).all(axis=1) & (indices == np.rint(indices)).all(axis=1))
    bad |= (np.abs(indices) > _LARGEST_INDEX).any(axis=1)
    if bad.any():
        raise _complaint(path, rows)
    return Reflections(indices.astype(np.int64), values[:, 3].copy())


def _complaint(path: str | Path, rows: list[list[str]]) -> ReaderError:
    """The error for the first bad line."""
    for number, row in enumerate(rows, start=1):
        shown = shorten(" ".join(row), 60)
        if len(row) % 4:
            return ReaderError(path, f"line {number} is '{shown}', expected four numbers: h k l F")
        for place, word in enumerate(row):
            name = "hklF"[place % 4]
            if not NUMBER.fullmatch(word) or not np.isfinite(float(word)):
                return ReaderError(path, f"line {number}: {name} is '{shorten(word)}', expected a number")
            if name != "F" and (float(word) != round(float(word)) or abs(float(word)) > _LARGEST_INDEX):
                return ReaderError(path, f"line {number}: {name} is {shorten(word)}, expected a whole number")
    return ReaderError(path, "expected lines of h k l F")


def fill_box(path: str | Path, reflections: Reflections, default_F: float) -> Box:
    """Put reflections into their index box, gaps filled with `default_F`. Raises ReaderError if it is too large."""
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
