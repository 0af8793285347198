"""Orientation matrices: nine numbers, row by row; columns are a*, b*, c* times the wavelength."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from nanobrag_torch.io.reading import LONGEST_NUMBER, NUMBER, ReaderError, number, read_ascii

SMALLEST_RELATIVE_VOLUME = 1e-9


def read_matrix(path: str | Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """The first nine numbers of a file as a (3, 3) float64 matrix, and the next three if there are three.

    Comments (#) and any further text are ignored.

    Raises ReaderError for fewer than nine numbers, for a value that is not finite, and for a singular matrix.
    """
    lines = (line.partition("#")[0] for line in read_ascii(path).split("\n"))
    texts = list(islice((text for line in lines for text in line.split()), 12))
    if len(texts) < 9:
        raise ReaderError(path, f"holds {len(texts)} words, expected nine numbers (a*, b*, c* as columns)")
    values = [number(path, text, f"number {index} of 9") for index, text in enumerate(texts[:9], start=1)]
    matrix = np.array(values, dtype=np.float64).reshape(3, 3)
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(matrix, axis=0)
        volume = abs(np.linalg.det(matrix / np.where(lengths > 0, lengths, 1.0)))
    if not (lengths > 0).all() or not np.isfinite(volume) or volume <= SMALLEST_RELATIVE_VOLUME:
        raise ReaderError(path, "is singular: its columns a*, b*, c* lie in a plane, expected a crystal's matrix")
    further = texts[9:]
    missets = len(further) == 3 and all(len(text) <= LONGEST_NUMBER and NUMBER.fullmatch(text) for text in further)
    return matrix, tuple(map(float, further)) if missets else ()
