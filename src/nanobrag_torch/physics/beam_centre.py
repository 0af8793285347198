"""The beam centre: from the two numbers of a convention to fast and slow coordinates of the detector.

Section 6 of docs/physics.md.

(6.2)  Fclose = (ORGX - 1/2) p, Sclose = (ORGY - 1/2) p where given, else sizeF/2 and sizeS/2     [m]
       from Xclose, Yclose as (6.3) where these are given, without close_beam_ignored
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
    near_point_leads: tuple[bool, bool]  # fast, slow: stated by -Xclose or -Yclose, and no beam spot is


def beam_centre(
    detector: Detector, size_fast_m: Scalar, size_slow_m: Scalar, defects: frozenset[str], device: torch.device
) -> BeamCentre:
    """Map the stated centre to fast and slow coordinates by the rules of the convention (6.2) (6.3).

    MOSFLM and DENZO count X along slow; MOSFLM adds half a pixel; ADXV counts Y from the other edge. With the defect
    `close_beam_ignored` off, -Xclose and -Yclose give the near point, mapped in the same way, or with the defect
    `close_axes_as_fast_slow` on as fast and slow. With it on, they are only the default of the beam centre.
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
    leads = [False, False]
    if "close_beam_ignored" not in defects:
        near = _stated_near_point(detector, p, size_slow, defects)
        beam = [detector.Xbeam_m, detector.Ybeam_m]
        spot = beam[::-1] if name in ("MOSFLM", "DENZO") else beam
        leads = [n is not None and b is None for n, b in zip(near, spot, strict=True)]
        fclose, sclose = or_default(near[0], fclose), or_default(near[1], sclose)
    return BeamCentre(x, y, xclose, yclose, fbeam, sbeam, fclose, sclose, (leads[0], leads[1]))


def _stated_near_point(
    detector: Detector, pixel_m: torch.Tensor, size_slow_m: torch.Tensor, defects: frozenset[str]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Fast and slow of the near point, if -Xclose and -Yclose state them."""
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
