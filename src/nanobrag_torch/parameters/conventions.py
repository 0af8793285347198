"""Detector conventions: the basis vectors and pivot of each program's convention, and the pixel counts.

Section 6 of docs/physics.md.

(6.1)  nF = ceil(sizeF/p - 1/2),  nS = ceil(sizeS/p - 1/2)
"""

from __future__ import annotations

import math
from typing import NamedTuple

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.parameters.experiment import Detector, Scalar, number

DEFAULT_DETECTOR_SIZE_M = 0.1024


class Convention(NamedTuple):
    """Vectors of a convention, and the pivot that it forces (None: the user chooses)."""

    beam_vector: tuple[float, float, float]
    fdet_vector: tuple[float, float, float]
    sdet_vector: tuple[float, float, float]
    odet_vector: tuple[float, float, float]
    twotheta_axis: tuple[float, float, float]
    polar_vector: tuple[float, float, float]
    spindle_axis: tuple[float, float, float]
    forced_pivot: str | None


_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_MINUS_X, _MINUS_Y, _MINUS_Z = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)

CONVENTIONS = {
    "MOSFLM": Convention(_X, _Z, _MINUS_Y, _X, _MINUS_Z, _Z, _Z, "BEAM"),
    "DENZO": Convention(_X, _Z, _MINUS_Y, _X, _MINUS_Z, _Z, _Z, "BEAM"),
    "ADXV": Convention(_Z, _X, _MINUS_Y, _Z, _MINUS_X, _X, _X, "BEAM"),
    "XDS": Convention(_Z, _X, _Y, _Z, _X, _X, _X, "SAMPLE"),
    "DIALS": Convention(_Z, _X, _Y, _Z, _Y, _Y, _Y, "SAMPLE"),
    "CUSTOM": Convention(_X, _Z, _MINUS_Y, _X, _Y, _Z, _Z, None),
}

# more than this would not fit into memory
MAX_PIXELS_PER_SIDE = 1_000_000


def pixel_counts(detector: Detector) -> tuple[int, int, Scalar, Scalar]:
    """(n_fast, n_slow, size_fast_m, size_slow_m); a stated count sets the size, and half a pixel rounds down."""
    p = detector.pixel_size_m
    sizes, counts = [], []
    for count, size_m in ((detector.n_fast, detector.size_fast_m), (detector.n_slow, detector.size_slow_m)):
        if count is not None and count > 0:
            size = p * count
        else:
            size = DEFAULT_DETECTOR_SIZE_M if size_m is None else size_m
        n = math.ceil(number(size) / number(p) - 0.5)
        if not 0 < n <= MAX_PIXELS_PER_SIDE:
            raise ExperimentError(
                f"detector of {n} pixels a side; expected 1 to {MAX_PIXELS_PER_SIDE}, check -pixel and -detpixels"
            )
        sizes.append(size)
        counts.append(n)
    return counts[0], counts[1], sizes[0], sizes[1]


def effective_pivot(detector: Detector, defects: frozenset[str]) -> str:
    """BEAM or SAMPLE. With the defect `pivot_overwritten` off, an explicit -pivot wins over the convention."""
    if "pivot_overwritten" not in defects and detector.pivot_explicit is not None:
        return detector.pivot_explicit
    return CONVENTIONS[detector.convention].forced_pivot or detector.pivot or "BEAM"
