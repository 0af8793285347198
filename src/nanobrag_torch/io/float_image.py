"""Float images: single- or double-precision numbers in native byte order without a header, fast index fastest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanobrag_torch.io.pixel_values import blocks_of_rows
from nanobrag_torch.io.reading import ReaderError, read_bytes
from nanobrag_torch.io.writing import in_chunks, write_whole


def write_float_image(path: str | Path, image: np.ndarray) -> None:
    """Write an image (slow, fast) of photons as float32; raises WriterError."""
    _write(path, image, np.float32)


def write_double_image(path: str | Path, image: np.ndarray) -> None:
    """As `write_float_image`, in double precision."""
    _write(path, image, np.float64)


def _write(path: str | Path, image: np.ndarray, dtype: type[np.floating]) -> None:
    write_whole(path, in_chunks((image[rows] for rows in blocks_of_rows(image.shape)), dtype))


def read_float_image(path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a single-precision image of `shape` (slow, fast). Raises ReaderError if the file has another size."""
    return _read(path, shape, np.dtype(np.float32))


def read_double_image(path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a double-precision image of `shape` (slow, fast). Raises ReaderError if the file has another size."""
    return _read(path, shape, np.dtype(np.float64))


def _read(path: str | Path, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    data = read_bytes(path)
    expected = dtype.itemsize * shape[0] * shape[1]
    if len(data) != expected:
        raise ReaderError(path, f"holds {len(data)} bytes, expected {expected} for {shape} pixels")
    return np.frombuffer(data, dtype=dtype).reshape(shape)
