"""The beam centre: from the two numbers of a convention to fast and slow coordinates of the detector.

Section 6 of docs/physics.md.

(6.2)  Fclose = (ORGX - 1/2) p, Sclose = (ORGY - 1/2) p where given, else sizeF/2 and sizeS/2     [m]
(6.3)  Fbeam, Sbeam from Xbeam, Ybeam by the table of the conventions     [m]
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from nanobrag_torch.parameters import Detector, Scalar
from nanobrag_torch.physics.tensors import scalar


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


def beam_centre(
    detector: Detector, size_fast_m: Scalar, size_slow_m: Scalar, defects: frozenset[str], device: torch.device
) -> BeamCentre:
    """Map the stated centre to fast and slow coordinates the way the convention does.

    MOSFLM and DENZO count X along slow; MOSFLM adds half a pixel; ADXV counts Y from the other edge. With the defect
    `close_beam_ignored` off, -Xclose and -Yclose are the near point; on, they only default the beam centre.
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
    if "close_beam_ignored" not in defects:
        fclose, sclose = or_default(detector.Xclose_m, fclose), or_default(detector.Yclose_m, sclose)
    return BeamCentre(x, y, xclose, yclose, fbeam, sbeam, fclose, sclose)
