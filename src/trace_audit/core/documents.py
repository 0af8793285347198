"""The JSON files that commands write for each other: the required form of each, checked on reading.

A file may hold further keys; the named keys have these types, and every number is finite.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from trace_audit.core.errors import InputError
from trace_audit.core.files import printable, read_json

Sha256 = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Pixel = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
Device = Annotated[str, StringConstraints(pattern=r"\A(auto|cpu|cuda(:[0-9]{1,3})?)\z")]
Status = Literal["pass", "fail", "skipped"]


class Document(BaseModel):
    """A file, or a part of one: types are exact, further keys are kept."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class Factor(Document):
    """One number that two sides gave."""

    key: str
    relative_difference: Number | None
    verdict: str
    c: Number | str | None = None
    py: Number | str | None = None


class Problem(Document):
    """A key that could not be compared."""

    key: str
    kind: str
    message: str
    side: str = ""


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


class Cause(Document):
    """Why a port differs."""

    key: str | None
    explanation: str | None


class Names(Document):
    """What the two sides of a comparison are called."""

    reference: str
    candidate: str


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
    causes: list[Cause] = []
    sides: Names = Names(reference="C", candidate="torch")
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
    version: str | None = None


class NamedReference(Document):
    """`build.json`, of which only the name of the reference is needed."""

    kind: Literal["built", "external"]
    binary: str | None = None
    source: str | None = None
    compiler: Compiler | None = None


class Build(Document):
    """`build.json`: what the reference was built from, or that it came built."""

    kind: Literal["built", "external"]
    binary_sha256: Sha256
    binary: str | None = None
    source: str | None = None
    sources: dict[str, Sha256] = {}
    compiler: Compiler | None = None


class StructureFactors(Document):
    """`inputs/*.taken.json`: what was read from a user's file, or that there was none."""

    kind: Literal["file", "synthetic"]
    line: str
    remarks: list[str] = []


class Hashes(Document):
    """Hashes of files by their names."""

    __pydantic_extra__: dict[str, Sha256]


def read_document(path: Path, what: str, model: type[Document], mend: str = "make the file anew") -> Any:
    """The values in a JSON file as they stand there, once they are of the form of `model`. Raises InputError."""
    value = read_json(path, what)
    problem = problem_of(value, model)
    if problem:
        raise InputError(f"{what} {path}: {problem}; {mend}")
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
        where = printable(".".join(map(str, first["loc"])))[:120] or "the whole"
        message = printable(first["msg"].removeprefix("Value error, "))[:200]
        return f"{where}: {message[:1].lower()}{message[1:]}"
    return None
