"""A record of the ledger as `rerun` needs it: what was run on what, each file checked against its recorded hash."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trace_audit.config.scenario_model import Scenario
from trace_audit.config.side import Candidate, Reference
from trace_audit.core.documents import Comparison, Device, Environment, Run, Snapshot, problem_of, read_document
from trace_audit.core.errors import InputError
from trace_audit.core.files import canonical_json, plain_file_below, printable, sha256_of_file
from trace_audit.trail import attempts
from trace_audit.trail.hash_chain import Entry, load
from trace_audit.trail.records import is_sound
from trace_audit.trail.rerun_limits import confined_flags
from trace_audit.trail.verify import number_of

SNAPSHOT = "config_snapshot.json"
_NEEDED = {
    "attempt": (SNAPSHOT, "trace_py_env.json", "c_trace_run.json", "compare_scaling_traces.json"),
    "image": (SNAPSHOT, "py_image_env.json", "c/c_image_run.json", "image_parity.json"),
    "pair": (SNAPSHOT, "pair_env.json", "reference/run.json", "candidate/run.json", "port_audit.json"),
}
_KINDS = ("attempt", "image")  # as the ledger calls them; an attempt on two sides is a pair here
_BUILD = "reference/build.json"


@dataclass(frozen=True)
class Recorded:
    """What record N holds of an audit. Files of the C side of images are named `c/...`, those of a pair by their side.

    `programs`: of a pair, the program of each side that has one; `given`: the files that its sides name.
    """

    number: int
    kind: str  # attempt: two traces, image: two images, pair: two sides
    artifacts: dict[str, Path]  # by file name
    snapshot: dict[str, Any]
    c_run: dict[str, Any]
    scenario: Scenario  # without flags that write
    dropped: list[str]  # words of the flags that write
    binary: Path | None  # None for a pair
    build: Path | None  # the record of its build
    ours: bool  # whether the binary was built from our own sources
    hkl: Path | None
    programs: dict[str, Path] = field(default_factory=dict)
    given: dict[str, Path] = field(default_factory=dict)


def read_record(results: Path, number: int) -> Recorded:
    """The record of attempt `number`. Raises InputError if it is none, or its config or inputs are not as recorded."""
    record = record_of(results, number)
    kind = _kind(record)
    artifacts = {_short_name(kind, name): _checked(results, name, sha) for name, sha in record["artifacts"].items()}
    for name in _NEEDED[kind]:
        if name not in artifacts:
            raise InputError(f"rerun {number}: the record has no {name}, so it cannot be repeated")
    snapshot = read_document(artifacts[SNAPSHOT], "configuration snapshot", Snapshot)
    read_document(artifacts[_NEEDED[kind][1]], "environment record", Environment)
    c_run = read_document(artifacts[_NEEDED[kind][2]], "record of the reference run", Run)
    read_document(artifacts[_NEEDED[kind][-1]], "comparison", Comparison)
    scenario = _scenario(snapshot, number)
    if kind != "pair" and problem_of(snapshot["device"], Device):
        raise InputError(f"rerun {number}: the device of {SNAPSHOT} is unknown to the harness")
    hkl_sha = snapshot.get("input_sha256", {}).get("hkl")
    hkl = _input(results, record, number, "structure factors", hkl_sha) if hkl_sha else None
    factors = scenario.structure_factors
    if hkl is None and (factors.file is not None or factors.synthetic is not None):
        raise InputError(f"rerun {number}: {SNAPSHOT} names structure factors of which it has no hash; not read")
    kept, dropped = confined_flags(
        scenario.extra_flags, lambda name: _recorded_input(results, record, number, name), reads_dump=hkl is None
    )
    scenario = scenario.model_copy(update={"extra_flags": kept})
    if kind == "pair":
        programs, given = _of_sides(results, record, number, artifacts, snapshot)
        return Recorded(
            number, kind, artifacts, snapshot, c_run, scenario, dropped, None, None, False, hkl, programs, given
        )
    binary = _input(results, record, number, "reference program", c_run.get("binary_sha256"))
    ours = binary == (results / "reference/nanobragg").resolve()
    built = next((n for n in record["inputs"] if n.endswith(_BUILD)), None)
    build = _recorded_input(results, record, number, built) if built else None
    return Recorded(number, kind, artifacts, snapshot, c_run, scenario, dropped, binary, build, ours, hkl)


def _kind(record: dict[str, Any]) -> str:
    """The kind of a record; an attempt on two sides has another document than one on two traces."""
    is_pair = any(Path(name).name == "port_audit.json" for name in record["artifacts"])
    return "pair" if is_pair else str(record["kind"])


def _of_sides(
    results: Path, record: dict[str, Any], number: int, artifacts: dict[str, Path], snapshot: dict[str, Any]
) -> tuple[dict[str, Path], dict[str, Path]]:
    """Of an audit of two sides: the program of each side that has one, and the files that the sides name."""
    programs, given = {}, {}
    for role, side in zip(("reference", "candidate"), stated_sides(snapshot, number), strict=True):
        sha = read_document(artifacts[f"{role}/run.json"], "record of a run", Run).get("binary_sha256")
        if sha:
            programs[role] = _input(results, record, number, f"program of the {role}", sha)
        for name in filter(None, (side.keys, side.log, side.image)):
            given[name] = _recorded_input(results, record, number, name)
    return programs, given


def stated_sides(snapshot: dict[str, Any], number: int) -> tuple[Reference, Candidate]:
    """Both sides as a snapshot states them. Raises InputError for another form than today's."""
    sides = snapshot.get("sides", {})
    try:
        return Reference.model_validate(sides.get("reference")), Candidate.model_validate(sides.get("candidate"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = printable(".".join(["sides", *map(str, first["loc"])]))[:120]
        reason = printable(first["msg"])[:200]
        raise InputError(f"rerun {number}: {SNAPSHOT}: {key}: {reason}; run the audit anew") from error


def record_of(results: Path, number: int) -> dict[str, Any]:
    """The record of attempt `number`. Raises InputError if there is none, or if it is no attempt."""
    entry = next((entry for entry in load(results / attempts.LEDGER) if number_of(entry) == number), None)
    if entry is None:
        raise InputError(f"rerun {number}: no such record below {results / attempts.LEDGER}")
    return _attempt(entry, number)


def _short_name(kind: str, name: str) -> str:
    path = Path(name)
    if kind == "pair" and path.name in ("stdout.txt", "stderr.txt", "run.json", "image.bin"):
        return f"{path.parent.name}/{path.name}"
    return f"c/{path.name}" if kind == "image" and path.parent.name == "c" else path.name


def _attempt(entry: Entry, number: int) -> dict[str, Any]:
    record = entry.record
    if record is None or record.get("kind") not in _KINDS or entry.data != canonical_json(record).encode():
        raise InputError(f"rerun {number}: {entry.path} is not the record of an attempt; see attempt_history.md")
    if not is_sound(record):
        raise InputError(f"rerun {number}: {entry.path} lacks fields of an attempt; see verify")
    return record


def _checked(results: Path, name: str, sha: str) -> Path:
    """A file below `results` that still has its recorded hash."""
    path = plain_file_below(results.resolve(), name)
    if path is None or sha256_of_file(path) != sha:
        raise InputError(f"rerun: {printable(name)} is not as recorded; restore it, or rerun a later record")
    return path


def _scenario(snapshot: Any, number: int) -> Scenario:
    try:
        return Scenario.model_validate(snapshot["scenario"])
    except (ValidationError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"rerun {number}: {SNAPSHOT} holds no scenario of today's form: {reason}") from error


def _input(results: Path, record: dict[str, Any], number: int, what: str, sha: Any) -> Path:
    """The recorded input with this hash, looked for from the folder above `results`."""
    root = results.resolve().parent
    for name, recorded_sha in record["inputs"].items():
        path = plain_file_below(root, name) if recorded_sha == sha else None
        if path is not None and sha256_of_file(path) == sha:
            return path.resolve()
    raise InputError(f"rerun {number}: the {what} with SHA-256 {sha} is no longer there; build or restore it first")


def _recorded_input(results: Path, record: dict[str, Any], number: int, name: str) -> Path:
    """An input that a flag or a record names: below the folder above `results`, recorded, with its recorded hash."""
    root = results.resolve().parent
    path = plain_file_below(root, name)
    recorded = record["inputs"].get(path.resolve().relative_to(root).as_posix()) if path is not None else None
    if path is None or recorded is None:
        raise InputError(f"rerun {number}: {printable(name)} is no recorded input below {root}; it is not read")
    if sha256_of_file(path) != recorded:
        raise InputError(f"rerun {number}: {printable(name)} is not as recorded; restore it first")
    return path.resolve()
