"""The JSON files that commands write for each other: the required form of each, checked on reading.

A file may hold further keys; the named keys have these types, and every number is finite.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from trace_audit.core.errors import InputError
from trace_audit.core.files import printable, read_json

Sha256 = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Pixel = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
Device = Annotated[str, StringConstraints(pattern=r"\A(cpu|cuda(:[0-9]{1,3})?)\z")]
Status = Literal["pass", "fail", "skipped"]


class Document(BaseModel):
    """A file, or a part of one: types are exact, further keys are kept."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class Factor(Document):
    """One number that two sides gave."""

    key: str
    relative_difference: Number | None
    verdict: str


class Problem(Document):
    """A key that could not be compared."""

    key: str
    kind: str
    message: str


class Identity(Document):
    """A product within one log."""

    name: str
    holds: bool


class MultiplyBack(Document):
    """The products of both logs."""

    c: list[Identity]
    py: list[Identity]


class Explanation(Document):
    """A known defect that restores agreement."""

    switched: list[str]
    sentence: str


class Trials(Document):
    """The known defects that were tried."""

    explanations: list[Explanation] = []


class Worst(Document):
    """The place where two sides differ most."""

    key: str
    relative_difference: Number | None


class Comparison(Document):
    """`compare_scaling_traces.json`, `image_parity.json`, `port_audit.json`."""

    status: Status
    summary: str
    root_causes: list[str]
    attribution: list[str]
    context_differs: list[str] = []
    attribution_trials: Trials = Trials()
    worst: Worst | None
    tolerance_relative: Number
    tolerances_sha256: str
    counts: dict[str, int]
    reference_sha256: Sha256 | None = None
    factors: Sequence[Factor]
    problems: list[Problem]
    multiply_back: MultiplyBack


class TracedFactor(Factor):
    """One number of two traces, and where in the pixel it is."""

    relative_difference: Number
    component: str | int
    context: dict[str, int]
    unit: str
    c: Number | str | None
    py: Number | str | None


class FactorList(Document):
    """The numbers alone."""

    factors: list[TracedFactor]


class TraceComparison(Comparison):
    """`compare_scaling_traces.json`."""

    factors: Sequence[TracedFactor]


class NamedScenario(Document):
    """A scenario; only its name is needed here."""

    name: str


class Snapshot(Document):
    """`config_snapshot.json`: the experiment and how the candidate computed it; its `sides`, where they are stated."""

    scenario: NamedScenario
    pixel_slow_fast: Pixel
    device: str
    dtype: Literal["float32", "float64", "not known"]  # None: unknown, for a program that is not ours
    backend: Literal["eager", "compiled", "its own"] = "eager"
    arguments: list[str] = []
    input_sha256: dict[str, Sha256] = {}
    sides: dict[Literal["reference", "candidate"], dict[str, Any]] = {}


class GitState(Document):
    """git's description of the working folder."""

    commit: str | None


class Git(Document):
    """git's description before and after a run."""

    before: GitState
    after: GitState


class Torch(Document):
    """The torch of an environment."""

    version: str = ""
    cuda_available: bool


class DeviceChoice(Document):
    """The requested device and the used one."""

    asked: str
    used: str | None
    reason: str


class Environment(Document):
    """`trace_py_env.json`, `py_image_env.json`."""

    torch: Torch
    git: Git
    device: DeviceChoice | None = None


class Run(Document):
    """`c_trace_run.json` and similar files: a program, its arguments, how it ended."""

    program: str
    arguments: list[str]
    exit_code: int | None
    binary_sha256: Sha256 | None = None
    made_by: dict[str, str] = {}
    failure: str | None = None
    confined: str | None = None


class Compiler(Document):
    """The compiler of a build."""

    command: str


class Build(Document):
    """`build.json`: what the reference was built from, or that it came built."""

    kind: Literal["built", "external"]
    binary_sha256: Sha256
    source: str | None = None
    sources: dict[str, Sha256] = {}
    compiler: Compiler | None = None


class StructureFactors(Document):
    """`inputs/*.taken.json`: what was read from a user's file, or that there was none."""

    kind: Literal["file", "synthetic"]
    line: str
    remarks: list[str] = []


class MadeByC(Document):
    """The C program that made one side of an image pair."""

    program: str
    sha256: Sha256


class MadeByTorch(Document):
    """How torch made the other side."""

    torch: str
    backend: str
    device: str
    dtype: str


class MadeBy(Document):
    """Which programs made an image pair."""

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
        return self


class Hashes(Document):
    """Hashes of files by their names."""

    __pydantic_extra__: dict[str, Sha256]


def read_document(path: Path, what: str, model: type[Document]) -> Any:
    """The values of a JSON file, after a check against `model`. Raises InputError."""
    value = read_json(path, what)
    problem = problem_of(value, model)
    if problem:
        raise InputError(f"{what} {path}: {problem}; make the file anew")
    return value


@functools.cache
def _checker(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def problem_of(value: Any, model: Any) -> str | None:
    """The first problem of `value` as a `model`; None if there is none."""
    try:
        _checker(model).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = printable(".".join(map(str, first["loc"])))[:120] or "the whole"
        message = printable(first["msg"].removeprefix("Value error, "))[:200]
        return f"{place}: {message[:1].lower()}{message[1:]}"
    return None
