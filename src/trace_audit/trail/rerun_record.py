"""A record of the ledger as `rerun` needs it: what was run on what, each file checked against its recorded hash."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError
from trace_audit.core.files import canonical_json, printable, read_json, sha256_of_file
from trace_audit.trail import attempts
from trace_audit.trail.hash_chain import Entry, load
from trace_audit.trail.verify import number_of

SNAPSHOT = "config_snapshot.json"
_NEEDED = {
    "attempt": (SNAPSHOT, "trace_py_env.json", "c_trace_run.json", "compare_scaling_traces.json"),
    "image": (SNAPSHOT, "py_image_env.json", "c/c_image_run.json", "image_parity.json"),
    "pair": (SNAPSHOT, "pair_env.json", "reference/run.json", "candidate/run.json", "port_audit.json"),
}
_KINDS = ("attempt", "image")  # as the ledger calls them; an attempt on two sides is a pair here
_DEVICES, _DTYPES = ("cpu", "cuda"), ("float32", "float64")


@dataclass(frozen=True)
class Recorded:
    """What record N holds of an audit. Files of the C side of images are named `c/...`, those of a pair by their side.

    `programs`: of a pair, the program of each side that has one.
    """

    number: int
    kind: str  # attempt: two traces, image: two images, pair: two sides
    artifacts: dict[str, Path]  # by file name
    snapshot: dict[str, Any]
    c_run: dict[str, Any]
    scenario: Scenario
    binary: Path | None
    ours: bool  # whether the binary was built from our own sources
    hkl: Path | None
    programs: dict[str, Path] = field(default_factory=dict)


def read_record(results: Path, number: int) -> Recorded:
    """The record of attempt `number`. Raises InputError if it is none, or its config or inputs are not as recorded."""
    entry = next((entry for entry in load(results / attempts.LEDGER) if number_of(entry) == number), None)
    if entry is None:
        raise InputError(f"rerun {number}: no such record below {results / attempts.LEDGER}")
    record = _attempt(entry, number)
    kind = _kind(record)
    artifacts = {_short_name(kind, name): _checked(results, name, sha) for name, sha in record["artifacts"].items()}
    for name in _NEEDED[kind]:
        if name not in artifacts:
            raise InputError(f"rerun {number}: the record has no {name}, so it cannot be repeated")
    snapshot = read_json(artifacts[SNAPSHOT], "configuration snapshot")
    c_run = read_json(artifacts[_NEEDED[kind][2]], "record of the reference run")
    scenario = _scenario(snapshot, number)
    if kind == "pair":
        return _pair(results, record, number, artifacts, snapshot, scenario)
    if snapshot.get("device") not in _DEVICES or snapshot.get("dtype") not in _DTYPES:
        raise InputError(f"rerun {number}: device and dtype of {SNAPSHOT} are none that the harness knows")
    hkl_sha = snapshot.get("input_sha256", {}).get("hkl")
    hkl = _input(results, record, number, "structure factors", hkl_sha) if hkl_sha else None
    binary = _input(results, record, number, "reference program", c_run.get("binary_sha256"))
    ours = binary == (results / "reference/nanobragg").resolve()
    return Recorded(number, kind, artifacts, snapshot, c_run, scenario, binary, ours, hkl)


def _kind(record: dict[str, Any]) -> str:
    """The kind of a record; an attempt on two sides has another document than one on two traces."""
    is_pair = any(Path(name).name == "port_audit.json" for name in record["artifacts"])
    return "pair" if is_pair else str(record["kind"])


def _pair(
    results: Path,
    record: dict[str, Any],
    number: int,
    artifacts: dict[str, Path],
    snapshot: dict[str, Any],
    scenario: Scenario,
) -> Recorded:
    """An audit of two sides. Raises InputError where a program or a file of it is not as recorded."""
    programs = {}
    for role in ("reference", "candidate"):
        sha = read_json(artifacts[f"{role}/run.json"], "record of a run").get("binary_sha256")
        if sha:
            programs[role] = _input(results, record, number, f"program of the {role}", sha)
    sha = snapshot.get("input_sha256", {}).get("hkl")
    hkl = _input(results, record, number, "structure factors", sha) if sha else None
    return Recorded(number, "pair", artifacts, snapshot, {}, scenario, None, False, hkl, programs)


def _short_name(kind: str, name: str) -> str:
    path = Path(name)
    if kind == "pair" and path.name in ("stdout.txt", "stderr.txt", "run.json", "image.bin"):
        return f"{path.parent.name}/{path.name}"
    return f"c/{path.name}" if kind == "image" and path.parent.name == "c" else path.name


def _attempt(entry: Entry, number: int) -> dict[str, Any]:
    record = entry.record
    if record is None or record.get("kind") not in _KINDS or entry.data != canonical_json(record).encode():
        raise InputError(f"rerun {number}: {entry.path} is not the record of an attempt; see attempt_history.md")
    if not all(isinstance(record.get(name), dict) for name in ("artifacts", "inputs")):
        raise InputError(f"rerun {number}: {entry.path} lists no artifacts and inputs")
    return record


def _checked(results: Path, name: str, sha: str) -> Path:
    """A file below `results` that still has its recorded hash."""
    root = results.resolve()
    path = (root / name).resolve() if "\0" not in name else root
    if not path.is_relative_to(root) or not path.is_file() or sha256_of_file(path) != sha:
        raise InputError(f"rerun: {printable(name)} is not as recorded; restore it, or rerun a later record")
    return path


def _scenario(snapshot: Any, number: int) -> Scenario:
    from pydantic import ValidationError

    try:
        return Scenario.model_validate(snapshot["scenario"])
    except (ValidationError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"rerun {number}: {SNAPSHOT} holds no scenario of today's form: {reason}") from error


def _input(results: Path, record: dict[str, Any], number: int, what: str, sha: Any) -> Path:
    """The recorded input with this hash, looked for from the folder above `results`."""
    root = results.resolve().parent
    for name, recorded_sha in record["inputs"].items():
        path = (root / name).resolve() if "\0" not in name else root
        if recorded_sha == sha and path.is_relative_to(root) and path.is_file() and sha256_of_file(path) == sha:
            return path
    raise InputError(f"rerun {number}: the {what} with SHA-256 {sha} is no longer there; build or restore it first")
