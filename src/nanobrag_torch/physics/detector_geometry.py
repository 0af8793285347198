"""The geometry of a placed detector: its pixels, and the steps of the construction. Section 6 of docs/physics.md."""

from __future__ import annotations

from typing import NamedTuple

import torch

from nanobrag_torch.physics import placement
from nanobrag_torch.physics.beam_centre import BeamCentre


class Construction(NamedTuple):
    """The steps that placed the detector, for the trace and for file headers. Vectors (3,), laboratory frame."""

    convention: str
    pivot: str
    centre: BeamCentre
    twotheta_axis: torch.Tensor
    angles_rad: torch.Tensor  # (4,) rotx, roty, rotz, twotheta
    initial: placement.Axes
    turn: placement.Turn  # rotations about lab x, y and z, each (3, 3)
    rotation: torch.Tensor  # (3, 3) all three
    ratio: torch.Tensor
    close_distance_m: torch.Tensor  # before the origin is known
    distance_m: torch.Tensor
    origin_terms_m: torch.Tensor  # (3, 3): fast, slow and normal (SAMPLE) or beam (BEAM) part of the origin
    pix0_before_rotation_m: torch.Tensor | None  # SAMPLE only
    pix0_after_rotz_m: torch.Tensor | None
    pix0_after_twotheta_m: torch.Tensor | None
    after_rotz: placement.Axes
    after_twotheta: placement.Axes
    pix0_m: torch.Tensor  # where the pivot puts the origin
    ORGX_pixels: torch.Tensor
    ORGY_pixels: torch.Tensor
    dials_origin_mm: torch.Tensor


class DetectorGeometry(NamedTuple):
    """Where every pixel is. Lengths in m, vectors (3,), laboratory frame."""

    n_fast: int
    n_slow: int
    pixel_size_m: torch.Tensor
    size_fast_m: torch.Tensor
    size_slow_m: torch.Tensor
    beam_vector: torch.Tensor
    polar_vector: torch.Tensor
    spindle_axis: torch.Tensor
    fdet: torch.Tensor
    sdet: torch.Tensor
    odet: torch.Tensor
    pix0_m: torch.Tensor  # the origin: as placed, or the vector that was stated
    close_distance_m: torch.Tensor
    distance_m: torch.Tensor
    Fclose_m: torch.Tensor
    Sclose_m: torch.Tensor
    Fbeam_m: torch.Tensor
    Sbeam_m: torch.Tensor
    curved: bool
    curved_axes: bool
    point_pixel: bool
    front_face: bool
    negative_back: bool
    construction: Construction
