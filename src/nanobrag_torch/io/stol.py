"""Tables of solvent scattering: two columns. nanoBragg reads them but does not use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanobrag_torch.io.reading import ReaderError, number, read_ascii
from nanobrag_torch.io.source_table import SEPARATORS


def read_stol(path: str | Path) -> np.ndarray:
    """Two columns of numbers as an (n, 2) float64 array, separated as in source files.

    Blank lines and text after # are skipped.

    Raises ReaderError for any other line and for a file without a row.
    """
    rows = []
    for index, line in enumerate(read_ascii(path).split("\n"), start=1):
        texts = [text for text in SEPARATORS.split(line.partition("#")[0]) if text]
        if not texts:
            continue
        if len(texts) != 2:
            raise ReaderError(path, f"line {index} has {len(texts)} columns, expected 2: position and amplitude")
        rows.append([number(path, text, f"line {index}") for text in texts])
    if not rows:
        raise ReaderError(path, "holds no row, expected two columns: position and amplitude")
    return np.array(rows, dtype=np.float64)
