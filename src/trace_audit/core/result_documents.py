"""The JSON files of results that are no audit of a trace: what each must hold, checked before it is judged or shown.

As in `documents`, more keys than those named here may stand in a file.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trace_audit.core.documents import Document, Environment, Number, Pixel, Sha256, Status, StructureFactors


class ImageVerdict(Document):
    """`image_parity.json`, as the page shows it."""

    status: Status
    scenario: str
    device: str
    dtype: str
    backend: str = "eager"
    shape_slow_fast: list[int] = []
    worst_difference_of_peak: Number | None = None
    tolerance_relative: Number
    root_causes: list[str]


class GradientRow(Document):
    """One parameter's derivative."""

    parameter: str
    status: Status
    best_agreement_of_peak: Number | None
    fitted_slope: Number | None
    stages_to_blame: list[str]
    reason: str | None


class GradientSummary(Document):
    """`gradients.json`."""

    scenario: str
    parameters: list[GradientRow]


class RefinedParameter(Document):
    """One parameter of a refinement."""

    name: str
    unit: str
    start: Number
    value: Number
    sigma: Number | None


class LeftOut(Document):
    """A parameter that the images do not determine."""

    why: str


Matrix = list[list[Number | None]]


class RefinementResult(Document):
    """`refinement.json`."""

    parameters: list[RefinedParameter]
    covariance: Matrix
    correlation: Matrix
    undetermined: list[LeftOut]
    outliers: list[str]
    target: str
    method: str
    converged: bool
    target_per_pixel_start: Number
    target_per_pixel: Number
    pixels: int
    images: list[str]
    seconds: Number

    @model_validator(mode="after")
    def _square(self) -> "RefinementResult":
        size = len(self.parameters)
        for name in ("covariance", "correlation"):
            if [len(row) for row in getattr(self, name)] != [size] * size:
                raise ValueError(f"{name} has not one row and one column for each parameter")
        return self


class Limits(Document):
    """What a refinement may be off, and take."""

    sigmas: Number
    seconds: Number


class Truth(Document):
    """`truth.json`: the hidden values of a demonstration."""

    values: dict[str, Number]
    limits: Limits


class RecoveredParameter(Document):
    """A hidden value and how near a refinement came."""

    name: str
    true: Number
    start_off: Number
    off_sigma: Number | None


class RefinementVerdict(Document):
    """`verdict.json` of a refinement."""

    status: Status
    reasons: list[str]
    seconds: Number
    parameters: list[RecoveredParameter]


class Injection(Document):
    """An error put into a stage, and what the audit said."""

    key: str
    component: str | int | None
    case: str
    status: str
    roots: list[str]
    as_expected: bool


class Selftest(Document):
    """`selftest.json`."""

    keys: int
    numbers: int
    as_expected: int
    loud_relative_error: Number
    quiet_relative_error: Number
    injections: list[Injection]
    not_separable: dict[str, str]
    untested: list[str]


class PortCause(Document):
    """Why two programs differ."""

    side: str
    key: str | None
    role: str
    sentence: str
    explanation: str | None = None


class PortRow(Document):
    """One key of two programs."""

    key: str
    reference: str | list[str] | Number | None
    candidate: str | list[str] | Number | None
    relative_difference: Number | None
    verdict: str


class Sides(Document):
    """What two programs are called."""

    reference: str
    candidate: str


class OtherVerdict(Document):
    """`port_audit.json` of programs that are no nanoBragg, as their gate reads it."""

    status: Status
    summary: str


class PairVerdict(Document):
    """`port_audit.json`, as the page and the gate read it."""

    status: Status
    summary: str
    sides: Sides
    causes: list[PortCause]
    factors: list[PortRow]


class AuditedFrame(Document):
    """A frame of a campaign that the C program simulated too."""

    frame: int
    index_in_file: int
    status: Status
    worst_difference_of_peak: Number
    worst_pixel_slow_fast: Pixel
    c: Number
    stored: Number
    other_counts: int


class NoiseStory(Document):
    """What a shard says of the noise in its frames, as far as the counts are drawn again by it."""

    pixel_m: Number
    roi: Annotated[list[int], Field(min_length=4, max_length=4)]


class FrameOfShard(AuditedFrame):
    """The same, with its shard, as a summary lists it."""

    shard: str
    status: Status = "fail"
    index_in_file: int = 0
    other_counts: int = 0


class ShardVerdict(Document):
    """The verdict on one shard."""

    shard: str
    sha256: Sha256
    tolerance_of_peak: Number
    tolerances_sha256: str
    frames: list[AuditedFrame]


Seconds = dict[str, Number]


class ShardRecord(Document):
    """What is known about a shard when it is written."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]
    frames: Annotated[int, Field(ge=1)]
    shape_slow_fast: Pixel
    interval_s: Annotated[list[Annotated[Number, Field(ge=0, le=1e11)]], Field(min_length=2, max_length=2)]
    seconds: Seconds
    provenance: dict[str, object]
    environment: Environment

    @model_validator(mode="after")
    def _whole(self) -> "ShardRecord":
        for holder, name in ((self.seconds, "wall"), (self.seconds, "cpu"), (self.provenance, "settings")):
            if name not in holder:
                raise ValueError(f"{name} is missing")
        return self


class MasterRecord(Document):
    """`master.json`."""

    sha256: Sha256


class CampaignSummary(Document):
    """`summary.json` of a campaign."""

    status: Literal["pass", "fail"]
    summary: str
    name: str
    device: str
    dtype: str
    frames: int
    shards: int
    shape_slow_fast: Pixel
    bytes: Number
    bytes_per_frame: Number
    frames_per_s: Number
    frames_per_s_of_one_job: Number
    cpu_s_per_frame: Number
    audited: int
    noise: str
    structure_factors: dict[str, StructureFactors]
    failed: list[FrameOfShard]
    worst: FrameOfShard | None
    tolerance_of_peak: Number
    tolerances_sha256: str
