"""The JSON files behind the pictures of the page: what each must hold, checked before anything is drawn."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trace_audit.core.documents import Document, Number, Pixel, Sha256


class MadeByC(Document):
    """The C program that made one side of a picture."""

    program: str
    sha256: Sha256


class MadeByTorch(Document):
    """How torch made the other."""

    torch: str
    backend: str
    device: str
    dtype: str


class MadeBy(Document):
    """Which programs made a picture."""

    c: MadeByC
    py: MadeByTorch


class Patch(Document):
    """`patch.json`: the pixels round a traced one."""

    failure: str | None
    made_by: MadeBy | None = None
    first_slow_fast: Pixel | None = None
    c: list[list[Number]] | None = None
    py: list[list[Number]] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Patch":
        if self.failure is not None:
            return self
        if self.first_slow_fast is None or not self.c or not self.py:
            raise ValueError("first_slow_fast, c and py are needed")
        shapes = {(len(side), len(row)) for side in (self.c, self.py) for row in side}
        if len(shapes) != 1:
            raise ValueError("c and py are no rectangles of one size")
        return self


class Curve(Document):
    """A radial profile."""

    radius_pixels: list[Number]
    mean_photons: list[Number]

    @model_validator(mode="after")
    def _whole(self) -> "Curve":
        if len(self.radius_pixels) != len(self.mean_photons):
            raise ValueError("radius_pixels and mean_photons are not of one length")
        return self


class Overview(Document):
    """`report/images/*.json`: a whole image by both programs, made small."""

    scenario: str
    device: str
    dtype: str
    failure: str | None
    made_by: MadeBy | None = None
    shape_slow_fast: Pixel | None = None
    block_pixels: Annotated[int, Field(ge=1)] | None = None
    c: str | None = None
    py: str | None = None
    difference: str | None = None
    peak_photons: Number | None = None
    peak_slow_fast: Pixel | None = None
    worst_difference_photons: Number | None = None
    worst_slow_fast: Pixel | None = None
    worst_of_peak: Number | None = None
    beam_centre_slow_fast: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = None
    profiles: dict[Literal["c", "py"], Curve] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Overview":
        needed = ["shape_slow_fast", "block_pixels", "c", "py", "difference", "peak_photons", "peak_slow_fast"]
        needed += ["worst_slow_fast"]
        absent = [name for name in needed if self.failure is None and getattr(self, name) is None]
        stated = ("worst_of_peak", "profiles", "beam_centre_slow_fast")
        absent += [name for name in stated if self.failure is None and name not in self.model_fields_set]
        if absent:
            raise ValueError(f"{absent[0]} is missing")
        if self.profiles is not None and (len(self.profiles) != 2 or self.beam_centre_slow_fast is None):
            raise ValueError("profiles are those of both programs about a beam centre")
        if self.profiles is not None and self.profiles["c"].radius_pixels != self.profiles["py"].radius_pixels:
            raise ValueError("profiles are not about the same radii")
        return self
