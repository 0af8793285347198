"""Source files: each line holds X Y Z weight wavelength, separated by blanks , ; : or !"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from nanobrag_torch.io.reading import ReaderError, number, read_ascii
from nanobrag_torch.limits import LONGEST_M, MAX_SOURCES, SHORTEST_M
from nanobrag_torch.physics.constants import SOURCE_DISTANCE_M

COLUMNS = ("X", "Y", "Z", "weight", "wavelength")
SEPARATORS = re.compile(r"[\s,;:!]+")


def read_sources(path: str | Path, beam_vector: tuple[float, float, float], wavelength_m: float) -> np.ndarray:
    """Sources as an (n, 5) float64 array: X, Y, Z (m, from the sample to the source), weight, wavelength (m).

    Missing trailing columns are -10 times the components of the unit beam vector, weight 1 and `wavelength_m`.
    Blank lines are skipped. Raises ReaderError for anything else, a source at the sample, and an empty file.
    """
    defaults = [*(-SOURCE_DISTANCE_M * component for component in beam_vector), 1.0, wavelength_m]
    rows = []
    for index, line in enumerate(read_ascii(path).split("\n"), start=1):
        texts = [text for text in SEPARATORS.split(line) if text]
        if texts:
            rows.append(_row(path, index, texts, defaults))
            if len(rows) > MAX_SOURCES:
                raise ReaderError(path, f"holds more than {MAX_SOURCES} sources, expected at most that many")
    if not rows:
        raise ReaderError(path, "holds no source, expected lines of X Y Z weight wavelength (m)")
    return np.array(rows, dtype=np.float64)


def _row(path: str | Path, index: int, texts: list[str], defaults: list[float]) -> list[float]:
    if len(texts) > len(COLUMNS):
        raise ReaderError(path, f"line {index} has {len(texts)} columns, expected at most 5: X Y Z weight wavelength")
    stated = [number(path, text, f"line {index}: {name}") for name, text in zip(COLUMNS, texts, strict=False)]
    row = stated + defaults[len(stated) :]
    if not SHORTEST_M <= math.hypot(*row[:3]) <= LONGEST_M:
        raise ReaderError(
            path, f"line {index}: source at {row[0]:g} {row[1]:g} {row[2]:g}, expected a source away from the sample"
        )
    if row[3] < 0:
        raise ReaderError(path, f"line {index}: weight is {row[3]:g}, expected 0 or more")
    if not SHORTEST_M <= row[4] <= LONGEST_M:
        raise ReaderError(path, f"line {index}: wavelength is {row[4]:g} m, expected more than 0")
    return row
