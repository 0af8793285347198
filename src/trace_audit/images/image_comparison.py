"""Two float images, pixel by pixel: how far apart, where most, and which simple operation would explain it."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from trace_audit.core.errors import InputError
from trace_audit.core.files import sha256_of_bytes

WORST_PIXELS = 5


@cache
def _text() -> str:
    return files("trace_audit").joinpath("data/image_tolerances.json").read_text(encoding="utf-8")


@cache
def bars() -> dict[str, Any]:
    """The data file of the image tolerances."""
    content: dict[str, Any] = json.loads(_text())
    return content


def bars_sha256() -> str:
    """Hash of the file of tolerances, recorded with each comparison."""
    return sha256_of_bytes(_text().encode())


def allowed_of_peak(dtype: str) -> float:
    """Largest |dI| over the peak for torch's `dtype`."""
    return next(float(row["of_peak"]) for row in bars()["dtypes"] if row["dtype"] == dtype)


def read_image(path: Path, shape: tuple[int, int], program: str) -> np.ndarray:
    """A headerless float image as float64 (slow, fast). Raises InputError for a wrong size or a value not finite."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{program} image {path}: {error.strerror}; run the program with -floatfile") from error
    expected = 4 * shape[0] * shape[1]
    if len(data) != expected:
        raise InputError(
            f"{program} image {path}: {len(data)} bytes, expected {expected} "
            f"({shape[0]} x {shape[1]} single-precision pixels); run the program again"
        )
    image = np.frombuffer(data, np.float32).reshape(shape).astype(float)
    if not np.isfinite(image).all():
        slow, fast = np.argwhere(~np.isfinite(image))[0]
        raise InputError(
            f"{program} image {path}: pixel ({slow}, {fast}) (slow, fast) is {image[slow, fast]}, expected finite "
            "numbers; trace that pixel with -trace_pixel"
        )
    return image


@dataclass(frozen=True)
class PixelDifference:
    """One pixel on both sides. `of_peak` is |dI| over the highest intensity of either image."""

    slow: int
    fast: int
    c: float
    py: float
    of_peak: float
    relative: float


@dataclass(frozen=True)
class ImageComparison:
    """Figures of two images; `correlation` is for information only, since it misses a constant factor."""

    peak: float
    of_peak: float
    relative: float
    relative_pixel: tuple[int, int] | None
    judged_relative: int
    correlation: float | None
    worst: tuple[PixelDifference, ...]
    remarks: tuple[str, ...]

    def agrees(self, dtype: str) -> bool:
        """Whether no pixel differs by more than the tolerance of `dtype`."""
        return self.of_peak <= allowed_of_peak(dtype)


def compare_images(c: np.ndarray, py: np.ndarray, names: tuple[str, str] = ("C", "torch")) -> ImageComparison:
    """Compare two images of one shape, each finite."""
    difference = np.abs(py - c)
    level = np.maximum(np.abs(c), np.abs(py))
    peak = float(level.max())
    relative = np.divide(difference, level, out=np.zeros_like(level), where=level > bars()["faint_of_peak"] * peak)
    order = np.lexsort((-level.ravel(), -difference.ravel()))[:WORST_PIXELS]
    worst = []
    for index in order:
        slow, fast = (int(i) for i in np.unravel_index(index, c.shape))
        of_peak = float(difference[slow, fast] / peak) if peak else 0.0
        own = float(difference[slow, fast] / level[slow, fast]) if level[slow, fast] else 0.0
        worst.append(PixelDifference(slow, fast, float(c[slow, fast]), float(py[slow, fast]), of_peak, own))
    worst_pixel = np.unravel_index(relative.argmax(), c.shape)
    return ImageComparison(
        peak,
        worst[0].of_peak,
        float(relative.max()),
        (int(worst_pixel[0]), int(worst_pixel[1])) if relative.any() else None,
        int((level > bars()["faint_of_peak"] * peak).sum()) if peak else 0,
        _correlation(c, py),
        tuple(worst),
        tuple(_remarks(c, py, names)),
    )


def _correlation(c: np.ndarray, py: np.ndarray) -> float | None:
    """Pearson's coefficient; None for an image without contrast."""
    a, b = c - c.mean(), py - py.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else None


def _remarks(c: np.ndarray, py: np.ndarray, names: tuple[str, str]) -> list[str]:
    """Simple operations that turn the candidate's image into the reference's, as text; none if they agree."""
    before = _distance(c, py)
    if before <= allowed_of_peak("float32"):
        return []
    n_slow, n_fast = c.shape
    changed = {
        "with its slow and fast axes swapped": py.reshape(n_fast, n_slow).T,
        "with its slow axis reversed": py[::-1],
        "with its fast axis reversed": py[:, ::-1],
        "with both axes reversed": py[::-1, ::-1],
    }
    weight = float((py * py).sum())
    factor = float((c * py).sum()) / weight if weight else 1.0
    changed[f"multiplied by {factor:.9g}"] = factor * py
    return [
        f"the image of {names[1]} {change} is that of {names[0]} to {after:.1e} of the peak"
        for change, image in changed.items()
        if (after := _distance(c, image)) <= 1e-3 * before or after <= allowed_of_peak("float64")
    ]


def _distance(c: np.ndarray, py: np.ndarray) -> float:
    peak = max(float(np.abs(c).max()), float(np.abs(py).max()))
    return float(np.abs(py - c).max()) / peak if peak else 0.0
