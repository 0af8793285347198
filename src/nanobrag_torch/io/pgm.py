"""Previews in PGM (P5), one byte a pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanobrag_torch.io.writing import write_whole


def write_pgm(path: str | Path, grey: np.ndarray, scale: float) -> None:
    """Write (slow, fast) bytes; `scale` (grey per photon) is noted as a comment. Raises WriterError."""
    n_slow, n_fast = grey.shape
    header = f"P5\n{n_fast} {n_slow}\n# pixels scaled by {scale:.6g}\n255\n".encode()
    write_whole(path, [header, np.ascontiguousarray(grey, dtype=np.uint8).tobytes()])
