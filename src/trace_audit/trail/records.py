"""The forms of records in the ledger. `verify` reports a record of another form; no other command shows it."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from trace_audit.core.documents import Document, Number, Pixel, StructureFactors, problem_of


def stays_inside(name: str) -> bool:
    """Whether a recorded name is that of a file below its folder."""
    path = PurePosixPath(name)
    return "\0" not in name and not path.is_absolute() and ".." not in path.parts and path.parts != ()


def _inside(name: str) -> str:
    if not stays_inside(name):
        raise ValueError("leaves the folder")
    return name


Name = Annotated[str, AfterValidator(_inside)]


class Record(Document):
    """Fields of every record."""

    kind: str
    number: int
    artifacts: dict[Name, str]
    inputs: dict[str, str] = {}


class Metrics(Document):
    """The worst key of a comparison."""

    worst_key: str | None
    worst_relative_difference: Number | None


class Command(Document):
    """A program that was run."""

    arguments: list[str]
    exit_code: int | None
    last_words: list[str] = []
    confined: str | None = None


class Attempt(Record):
    """One pixel, or a pair of images, compared; or the crash that kept them from it."""

    kind: Literal["attempt", "image"]
    time_utc: str
    scenario: str
    pixel_slow_fast: Pixel | None
    device: str
    dtype: str
    backend: str = "eager"
    made_by: dict[str, str] = {}
    status: str
    summary: str
    root_causes: list[str]
    attribution: list[str]
    metrics: Metrics
    tolerance_relative: Number
    tolerances_sha256: str
    commands: list[Command]
    environment: dict[str, Any] = {}
    structure_factors: StructureFactors | None = None
    git_commit: str | None
    deviations: list[str]


class Blocker(Record):
    """Why a gate stayed shut."""

    time_utc: str
    scenario: str
    pixel_slow_fast: Pixel | None
    device: str
    dtype: str
    status: str
    summary: str
    root_causes: list[str]
    reasons: list[str]


class CampaignMetrics(Document):
    """The size of a campaign and its worst frame."""

    frames: int
    audited: int
    worst_difference_of_peak: Number | None


class Campaign(Record):
    """Many images, some of them audited."""

    time_utc: str
    name: str
    device: str
    dtype: str
    status: str
    summary: str
    noise: str = "none"
    structure_factors: dict[str, StructureFactors] = {}
    metrics: CampaignMetrics


_FORMS = {"attempt": Attempt, "image": Attempt, "blocker": Blocker, "campaign": Campaign, "seal": Record}


def problem_with(record: dict[str, Any]) -> str | None:
    """What is wrong with the form of a record, None if nothing is."""
    kind = record.get("kind")
    form = _FORMS.get(kind) if isinstance(kind, str) else None
    return "kind: is none that is known" if form is None else problem_of(record, form)


def is_sound(record: dict[str, Any] | None) -> bool:
    """Whether a record has the form of its kind."""
    return record is not None and problem_with(record) is None
