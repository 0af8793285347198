"""Measured images in photons, and the pixels that may be used."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanobrag_torch.io.float_image import read_double_image, read_float_image
from nanobrag_torch.io.reading import ReaderError, open_plain
from nanobrag_torch.io.smv import read_smv
from nanobrag_torch.refine.config import ConfigError, ImageFile

SMV_OFFSET_COUNTS = 40.0
_SATURATED = 65535
_MOST_PHOTONS = 1e15  # beyond this a double cannot represent one photon more
_NAMED = 5  # pixels of a message
_HDF5_SUFFIXES = (".h5", ".hdf5", ".nxs")


class Measured(NamedTuple):
    """Photons (slow, fast) in float64, and a mask (slow, fast) of the pixels that are used."""

    photons: np.ndarray
    used: np.ndarray


def read_measured(image: ImageFile, folder: Path, shape: tuple[int, int]) -> Measured:
    """Read an image of `shape` (slow, fast); overloaded, masked and non-finite pixels are not used.

    Raises ConfigError or ReaderError.
    """
    path = folder / image.file
    counts, used = _counts(image, path, shape)
    if counts.shape != shape:
        raise ConfigError(f"{path}: has {counts.shape[1]} x {counts.shape[0]} pixels, expected {shape[1]} x {shape[0]}")
    if image.mask is not None:
        mask = read_smv(folder / image.mask)[1]
        if mask.shape != shape:
            has, expected = f"{mask.shape[1]} x {mask.shape[0]}", f"{shape[1]} x {shape[0]}"
            raise ConfigError(f"{folder / image.mask}: has {has} pixels, expected {expected} as {path} has")
        used = used & (mask != 0)
    offset = image.offset_counts
    if offset is None:
        offset = SMV_OFFSET_COUNTS if path.suffix == ".img" else 0.0
    photons = (counts - offset) * image.photons_per_count
    used = used & np.isfinite(photons)
    _check_counts(path, np.where(used, photons, 0.0))
    if not used.any():
        raise ConfigError(f"{path}: no pixel can be used: all are masked or overloaded")
    return Measured(np.where(used, photons, 0.0), used)


def _check_counts(path: Path, photons: np.ndarray) -> None:
    """Check that no pixel holds more photons than a double can count one by one."""
    slow, fast = np.nonzero(photons > _MOST_PHOTONS)
    if len(slow):
        shown = ", ".join(f"fast {x} slow {y}" for x, y in list(zip(fast, slow, strict=True))[:_NAMED])
        more = f" and {len(slow) - _NAMED} more" if len(slow) > _NAMED else ""
        raise ConfigError(
            f"{path}: {shown}{more}: {photons.max():.4g} photons, expected at most {_MOST_PHOTONS:.0e} in a pixel; "
            "mask what is wrong with the key mask"
        )


def _counts(image: ImageFile, path: Path, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    if path.suffix == ".img":
        counts = read_smv(path)[1]
        return counts.astype(np.float64), counts < _SATURATED
    if path.suffix in _HDF5_SUFFIXES:
        counts = _read_hdf5(path, image.dataset, image.frame)
    elif path.suffix == ".f64":
        counts = read_double_image(path, shape)
    else:
        counts = read_float_image(path, shape).astype(np.float64)
    return counts, np.isfinite(counts)


def _read_hdf5(path: Path, dataset: str, frame: int) -> np.ndarray:
    """One frame; integers at their largest value are overloads or dead pixels, and become NaN."""
    import h5py
    import hdf5plugin  # noqa: F401 - registers the compressions that detectors use

    open_plain(path, math.inf).close()
    try:
        with h5py.File(path, "r") as file:
            if dataset not in file:
                raise ConfigError(f"{path}: has no dataset {dataset}; name it with the key dataset")
            data = file[dataset]
            stack = data if data.ndim == 3 else data[()][np.newaxis]
            if frame >= stack.shape[0]:
                raise ConfigError(f"{path}: {dataset} has {stack.shape[0]} frames, expected more than {frame}")
            values = np.asarray(stack[frame])
    except OSError as error:
        raise ReaderError(path, f"cannot be read as HDF5 ({' '.join(str(error).split())})") from None
    counts = values.astype(np.float64)
    if np.issubdtype(values.dtype, np.integer):
        counts[values == np.iinfo(values.dtype).max] = np.nan
    return counts
