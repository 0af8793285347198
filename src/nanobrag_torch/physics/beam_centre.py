"""The beam centre: from the two numbers of a convention to fast and slow coordinates of the detector.

Section 6 of docs/physics.md.

(6.2)  Fclose = (ORGX - 1/2) p, Sclose = (ORGY - 1/2) p where given, else sizeF/2 and sizeS/2     [m]
       from Xclose, Yclose as (6.3) where these are given, without close_beam_ignored
(6.3)  Fbeam, Sbeam from Xbeam, Ybeam by the table of the conventions     [m]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from nanobrag_torch.parameters import Detector, Scalar
from nanobrag_torch.physics.tensors import Array, home, scalar

if TYPE_CHECKING:
    from jaxtyping import Float

_STATED = ("pixel_size_m", "Xbeam_m", "Ybeam_m", "Xclose_m", "Yclose_m", "ORGX_pixels", "ORGY_pixels")


class BeamCentre(NamedTuple):
    """The beam centre as stated or by default (m), and the two points of the detector that the pivots use."""

    Xbeam_m: Float[Array, ""]
    Ybeam_m: Float[Array, ""]
    Xclose_m: Float[Array, ""]
    Yclose_m: Float[Array, ""]
    Fbeam_m: Float[Array, ""]
    Sbeam_m: Float[Array, ""]
    Fclose_m: Float[Array, ""]
    Sclose_m: Float[Array, ""]
    near_point_leads: tuple[bool, bool]  # fast, slow: stated by -Xclose or -Yclose, and no beam spot is


def beam_centre(
    detector: Detector,
    size_fast_m: float | Float[torch.Tensor, ""],
    size_slow_m: float | Float[torch.Tensor, ""],
    defects: frozenset[str],
    device: torch.device | None,
) -> BeamCentre:
    """Map the stated centre to fast and slow coordinates (m) by the rules of the convention (6.2) (6.3).

    sizeF and sizeS (m) are the lengths of the panel along fast and slow, from `parameters.conventions.pixel_counts`.
    MOSFLM and DENZO count X along slow; MOSFLM adds half a pixel; ADXV counts Y from the other edge. With the defect
    `close_beam_ignored` off, -Xclose and -Yclose give the near point, mapped in the same way, or with the defect
    `close_axes_as_fast_slow` on as fast and slow. With it on, they are only the default of the beam centre.
    """
    device = home(device, *(getattr(detector, name) for name in _STATED), size_fast_m, size_slow_m)
    p = scalar(detector.pixel_size_m, device)
    size_fast, size_slow = scalar(size_fast_m, device), scalar(size_slow_m, device)

    def or_default(value: Scalar | None, default: Array) -> Array:
        return default if value is None else scalar(value, device)

    fclose = size_fast / 2.0 if detector.ORGX_pixels is None else (scalar(detector.ORGX_pixels, device) - 0.5) * p
    sclose = size_slow / 2.0 if detector.ORGY_pixels is None else (scalar(detector.ORGY_pixels, device) - 0.5) * p
    xclose, yclose = or_default(detector.Xclose_m, fclose), or_default(detector.Yclose_m, sclose)
    name = detector.convention
    if name in ("MOSFLM", "DENZO"):
        x, y = or_default(detector.Xbeam_m, (size_slow + p) / 2.0), or_default(detector.Ybeam_m, (size_fast + p) / 2.0)
        half = p / 2.0 if name == "MOSFLM" else scalar(0.0, device)
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
        near = _stated_near_point(detector, p, size_slow, defects, device)
        beam = [detector.Xbeam_m, detector.Ybeam_m]
        spot = beam[::-1] if name in ("MOSFLM", "DENZO") else beam
        leads = [n is not None and b is None for n, b in zip(near, spot, strict=True)]
        fclose, sclose = or_default(near[0], fclose), or_default(near[1], sclose)
    return BeamCentre(x, y, xclose, yclose, fbeam, sbeam, fclose, sclose, (leads[0], leads[1]))


def _stated_near_point(
    detector: Detector,
    pixel_m: Array,
    size_slow_m: Array,
    defects: frozenset[str],
    device: torch.device | None,
) -> tuple[Array | None, Array | None]:
    """Fast and slow of the near point, if -Xclose and -Yclose state them."""
    x, y = (None if value is None else scalar(value, device) for value in (detector.Xclose_m, detector.Yclose_m))
    name = detector.convention
    if "close_axes_as_fast_slow" in defects or name not in ("MOSFLM", "DENZO", "ADXV"):
        return x, y
    if name == "ADXV":
        return x, None if y is None else size_slow_m - y
    half = pixel_m / 2.0 if name == "MOSFLM" else scalar(0.0, device)
    return None if y is None else y + half, None if x is None else x + half
