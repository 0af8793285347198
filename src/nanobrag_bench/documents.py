"""The JSON files of the benchmark: the required form of each, checked on reading."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trace_audit.core.documents import Document, Number, Sha256

Runs = Annotated[list[Number], Field(min_length=1)]


class Built(Document):
    """One program."""

    binary: str
    sha256: Sha256


class Programs(Document):
    """`programs.json`: the programs that were built or were present."""

    programs: dict[str, Built]


class Machine(Document):
    """The machine behind the figures."""

    cpu: str
    vector_units: str
    cores: int
    memory_GiB: Number
    gpu: str
    python: str
    torch: str
    load_before: Runs


class Row(Document):
    """One figure of one program."""

    program: str
    what: str
    unit: str
    median: Number
    runs: Runs
    steps: Number | None = None


class Ratio(Document):
    """Two programs in one turn."""

    of: str
    to: str
    median: Number


class Goal(Document):
    """A goal, and the measured figure."""

    goal: str
    wanted: str
    measured: Number | None
    met: bool | None


class Law(Document):
    """A straight line fitted to seconds against steps."""

    start_s: Number
    ns_per_step: Number
    exponent: Number
    off_line: Number


class PartResult(Document):
    """The results of one part of the benchmark."""

    part: Annotated[str, Field(pattern=r"\A[a-z_]{1,40}\z")]
    title: str
    machine: Machine
    rows: list[Row]
    ratios: list[Ratio]
    goals: list[Goal]
    laws: dict[str, Law] | None = None
    not_run: str = ""
    notes: list[str] = []  # what else there is to say, by line
    about: list[str] = []  # the card, its clocks, and versions

    @model_validator(mode="after")
    def _whole(self) -> PartResult:
        if not self.rows and "not_run" not in self.model_fields_set:
            raise ValueError("rows are needed, or the reason why it was not run")
        if self.part == "steps" and self.rows:
            programs = {row.program for row in self.rows if row.steps is not None}
            if self.laws is None or not programs.issuperset(self.laws):
                raise ValueError("laws of programs that have rows with steps are needed")
            if any(row.steps is None for row in self.rows):
                raise ValueError("steps are needed in every row")
        return self


class Speed(Document):
    """Times of both programs at a commit."""

    machine: str
    C_s: Number = 0.0
    torch_own_s: Number = 0.0
    import_s: Number = 0.0
    torch_own_over_C: Number = 0.0


class Point(Document):
    """One commit of the trend."""

    commit: str
    time_utc: str
    audits: int
    passed: int
    worst_relative_difference: dict[str, Number] = {}
    speed: Speed = Speed(machine="")


class Points(Document):
    """`points.json` of the trend."""

    points: list[Point]
