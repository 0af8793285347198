"""The geometry of a placed detector: its pixels, and the steps of the construction. Section 6 of docs/physics.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nanobrag_torch.physics import placement
from nanobrag_torch.physics.beam_centre import BeamCentre

if TYPE_CHECKING:
    from jaxtyping import Float

    from nanobrag_torch.physics.tensors import Array


class Construction(NamedTuple):
    """The steps that placed the detector, for the trace and for file headers. Vectors in the laboratory frame."""

    convention: str
    pivot: str
    centre: BeamCentre
    twotheta_axis: Float[Array, "3"]
    angles_rad: Float[Array, "4"]  # rotx, roty, rotz, twotheta
    initial: placement.Axes
    turn: placement.Turn  # rotations about lab x, y and z
    rotation: Float[Array, "3 3"]  # all three
    ratio: Float[Array, ""]
    close_distance_m: Float[Array, ""]  # before the origin is known
    distance_m: Float[Array, ""]
    origin_terms_m: Float[Array, "3 3"]  # fast, slow and normal (SAMPLE) or beam (BEAM) part of the origin
    pix0_before_rotation_m: Float[Array, "3"] | None  # SAMPLE only
    pix0_after_rotz_m: Float[Array, "3"] | None
    pix0_after_twotheta_m: Float[Array, "3"] | None
    after_rotz: placement.Axes
    after_twotheta: placement.Axes
    pix0_m: Float[Array, "3"]  # where the pivot puts the origin
    ORGX_pixels: Float[Array, ""]
    ORGY_pixels: Float[Array, ""]
    dials_origin_mm: Float[Array, "3"]


class DetectorGeometry(NamedTuple):
    """Where every pixel is. Lengths in m, vectors in the laboratory frame."""

    n_fast: int
    n_slow: int
    pixel_size_m: Float[Array, ""]
    size_fast_m: Float[Array, ""]
    size_slow_m: Float[Array, ""]
    beam_vector: Float[Array, "3"]
    polar_vector: Float[Array, "3"]
    spindle_axis: Float[Array, "3"]
    fdet: Float[Array, "3"]
    sdet: Float[Array, "3"]
    odet: Float[Array, "3"]
    pix0_m: Float[Array, "3"]  # the origin: as placed, or the vector that was stated
    close_distance_m: Float[Array, ""]
    distance_m: Float[Array, ""]
    Fclose_m: Float[Array, ""]
    Sclose_m: Float[Array, ""]
    Fbeam_m: Float[Array, ""]
    Sbeam_m: Float[Array, ""]
    curved: bool
    curved_axes: bool
    point_pixel: bool
    front_face: bool
    negative_back: bool
    construction: Construction
