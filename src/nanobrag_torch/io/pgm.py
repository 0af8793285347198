"""Previews in PGM (P5), one byte a pixel."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np

from nanobrag_torch.io.writing import in_chunks, write_whole


def write_pgm(path: str | Path, shape: tuple[int, int], rows: Iterable[np.ndarray], scale: float) -> None:
    """Write an image of `shape` (slow, fast) in bytes, given whole or in parts in order.

    `scale` (grey per photon) is noted as a comment. Raises WriterError.
    """
    n_slow, n_fast = shape
    header = f"P5\n{n_fast} {n_slow}\n# pixels scaled by {scale:.6g}\n255\n".encode()
    write_whole(path, chain([header], in_chunks(rows, np.uint8)))
