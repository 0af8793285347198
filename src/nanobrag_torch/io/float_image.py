"""Float images: bare single-precision numbers in native byte order, fast index fastest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanobrag_torch.io.reading import ReaderError, read_bytes
from nanobrag_torch.io.writing import write_whole


def write_float_image(path: str | Path, image: np.ndarray) -> None:
    """Write an image (slow, fast) of photons as float32; raises WriterError."""
    write_whole(path, [memoryview(np.ascontiguousarray(image, dtype=np.float32)).cast("B")])


def read_float_image(path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """Read an image of `shape` (slow, fast). Raises ReaderError when the size is another."""
    data = read_bytes(path)
    if len(data) != 4 * shape[0] * shape[1]:
        raise ReaderError(path, f"holds {len(data)} bytes, expected {4 * shape[0] * shape[1]} for {shape} pixels")
    return np.frombuffer(data, dtype=np.float32).reshape(shape)
