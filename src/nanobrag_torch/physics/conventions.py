"""Detector conventions: basis vectors, beam centre mapping and pivot of each program's habit."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.parameters import Detector, Scalar
from nanobrag_torch.physics.tensors import number, scalar

DEFAULT_DETECTOR_SIZE_M = 0.1024


class Convention(NamedTuple):
    """Vectors that a convention prescribes, and the pivot it forces (None: the user's choice stands)."""

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

# Beyond this a 64-bit index would still hold, but no machine's memory would.
MAX_PIXELS_PER_SIDE = 1_000_000


def pixel_counts(detector: Detector) -> tuple[int, int, Scalar, Scalar]:
    """(n_fast, n_slow, size_fast_m, size_slow_m); a count given sets the size, half a pixel rounds down."""
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


class BeamCentre(NamedTuple):
    """The beam centre as stated or by default (m), and the two points of the detector that the pivots use."""

    Xbeam_m: torch.Tensor
    Ybeam_m: torch.Tensor
    Xclose_m: torch.Tensor
    Yclose_m: torch.Tensor
    Fbeam_m: torch.Tensor
    Sbeam_m: torch.Tensor
    Fclose_m: torch.Tensor
    Sclose_m: torch.Tensor
    near_point_leads: tuple[bool, bool]  # fast, slow: stated by -Xclose or -Yclose, and no beam spot is


def beam_centre(
    detector: Detector, size_fast_m: Scalar, size_slow_m: Scalar, defects: frozenset[str], device: torch.device
) -> BeamCentre:
    """Map the stated centre to fast and slow coordinates the way the convention does.

    MOSFLM and DENZO count X along slow; MOSFLM adds half a pixel; ADXV counts Y from the other edge. With the defect
    `close_beam_ignored` off, -Xclose and -Yclose are the near point, mapped in the same way, or with the defect
    `close_axes_as_fast_slow` on as fast and slow; on, they only default the beam centre.
    """
    p = scalar(detector.pixel_size_m, device)
    size_fast, size_slow = scalar(size_fast_m, device), scalar(size_slow_m, device)

    def or_default(value: Scalar | None, default: torch.Tensor) -> torch.Tensor:
        return default if value is None else scalar(value, device)

    fclose = size_fast / 2.0 if detector.ORGX_pixels is None else (scalar(detector.ORGX_pixels, device) - 0.5) * p
    sclose = size_slow / 2.0 if detector.ORGY_pixels is None else (scalar(detector.ORGY_pixels, device) - 0.5) * p
    xclose, yclose = or_default(detector.Xclose_m, fclose), or_default(detector.Yclose_m, sclose)
    name = detector.convention
    if name in ("MOSFLM", "DENZO"):
        x, y = or_default(detector.Xbeam_m, (size_slow + p) / 2.0), or_default(detector.Ybeam_m, (size_fast + p) / 2.0)
        half = p / 2.0 if name == "MOSFLM" else torch.zeros_like(p)
        fbeam, sbeam = y + half, x + half
    elif name == "ADXV":
        x, y = or_default(detector.Xbeam_m, (size_fast + p) / 2.0), or_default(detector.Ybeam_m, (size_slow - p) / 2.0)
        fbeam, sbeam = x, size_slow - y
    else:
        x, y = or_default(detector.Xbeam_m, xclose), or_default(detector.Ybeam_m, yclose)
        fbeam, sbeam = x, y
        if name == "CUSTOM":
            fclose, sclose = x, y
    leads = (False, False)
    if "close_beam_ignored" not in defects:
        near = _stated_near_point(detector, p, size_slow, defects)
        fclose, sclose = (
            stated if stated is not None else was for stated, was in zip(near, (fclose, sclose), strict=True)
        )
        beam = (detector.Xbeam_m, detector.Ybeam_m)
        fast_and_slow = reversed(beam) if name in ("MOSFLM", "DENZO") else beam
        leads = tuple(n is not None and b is None for n, b in zip(near, fast_and_slow, strict=True))
    return BeamCentre(x, y, xclose, yclose, fbeam, sbeam, fclose, sclose, leads)


def _stated_near_point(
    detector: Detector, pixel_m: torch.Tensor, size_slow_m: torch.Tensor, defects: frozenset[str]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Fast and slow of the near point where -Xclose and -Yclose state them."""
    x, y = (
        None if value is None else scalar(value, pixel_m.device) for value in (detector.Xclose_m, detector.Yclose_m)
    )
    name = detector.convention
    if "close_axes_as_fast_slow" in defects or name not in ("MOSFLM", "DENZO", "ADXV"):
        return x, y
    if name == "ADXV":
        return x, None if y is None else size_slow_m - y
    half = pixel_m / 2.0 if name == "MOSFLM" else torch.zeros_like(pixel_m)
    return None if y is None else y + half, None if x is None else x + half


def effective_pivot(detector: Detector, defects: frozenset[str]) -> str:
    """BEAM or SAMPLE. With the defect `pivot_overwritten` off, an explicit -pivot wins over the convention."""
    if "pivot_overwritten" not in defects and detector.pivot_explicit is not None:
        return detector.pivot_explicit
    return CONVENTIONS[detector.convention].forced_pivot or detector.pivot or "BEAM"
