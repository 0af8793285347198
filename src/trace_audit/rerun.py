"""`python -m trace_audit rerun N`: run the audit of record N again in a fresh folder, and say what is not the same.

Nothing is checked out: the programs are those of today, their inputs are the recorded ones, which must still have their
recorded hashes. Whatever the record says, files are only read below results/ and only written in the fresh folder.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trace_audit import attempts
from trace_audit.chain import Entry, load
from trace_audit.errors import InputError
from trace_audit.files import canonical_json, printable, read_json, readable_json, sha256_of_file, write_atomic
from trace_audit.scenario_model import Scenario
from trace_audit.verify import changed_inputs, number_of

_SNAPSHOT, _ENVIRONMENT, _C_RUN = "config_snapshot.json", "trace_py_env.json", "c_trace_run.json"
_TIMED = (_ENVIRONMENT, "capture_notes.md")  # hold times, or the state of the machine
_COMPARED = ("compare_scaling_traces.json", "compare_scaling_traces.md", "diff_summary.md")
_MADE = (
    *("c_trace_scaling.log", "c_trace_stdout.txt", "c_trace_stderr.txt", _C_RUN),
    *("trace_py_scaling.log", "trace_py_stdout.txt", "trace_py_stderr.txt", "trace_py_run.json", _SNAPSHOT),
    *_COMPARED,
)
_DEVICES, _DTYPES = ("cpu", "cuda"), ("float32", "float64")


@dataclass(frozen=True)
class Recorded:
    """What record N holds of an audit, each file checked against its recorded hash."""

    number: int
    artifacts: dict[str, Path]  # by file name
    snapshot: dict[str, Any]
    c_run: dict[str, Any]
    scenario: Scenario
    binary: Path
    hkl: Path | None


def rerun(results: Path, number: int, out: Path | None) -> int:
    """Repeat the audit of record `number`. Exit status 0 if every artifact is the same, 1 if not.

    Raises InputError if the record is no attempt, or its config or inputs are not as recorded.
    """
    recorded = _recorded(results, number)
    with _fresh_folder(out) as folder:
        status = _run(recorded, folder)
        lines, same = _differences(recorded, folder)
        environment = _environment_lines(recorded.artifacts[_ENVIRONMENT], folder / _ENVIRONMENT)
    _show(f"Environment of record {number} and now", environment, "the same")
    _show("Sources and config changed since", changed_inputs(results), "none")
    _show("Artifacts", lines, "none")
    print(f"rerun: record {number} " + ("comes out the same" if same and not status else "does not come out the same"))
    return 0 if same and not status else 1


def _show(title: str, lines: list[str], nothing: str) -> None:
    print(f"{title}:")
    for line in lines or [nothing]:
        print(f"  {printable(line)}")


@contextlib.contextmanager
def _fresh_folder(out: Path | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="rerun-") as folder:
            yield Path(folder)
        return
    try:
        out.mkdir(parents=True)
    except FileExistsError as error:
        raise InputError(f"--out {out}: is there already; name a folder that is not") from error
    yield out


def _recorded(results: Path, number: int) -> Recorded:
    entry = next((entry for entry in load(results / attempts.LEDGER) if number_of(entry) == number), None)
    if entry is None:
        raise InputError(f"rerun {number}: no such record below {results / attempts.LEDGER}")
    record = _attempt(entry, number)
    artifacts = {Path(name).name: _checked(results, name, sha) for name, sha in record["artifacts"].items()}
    for name in (_SNAPSHOT, _ENVIRONMENT, _C_RUN, "compare_scaling_traces.json"):
        if name not in artifacts:
            raise InputError(f"rerun {number}: the record has no {name}, so it cannot be repeated")
    snapshot = read_json(artifacts[_SNAPSHOT], "configuration snapshot")
    c_run = read_json(artifacts[_C_RUN], "record of the reference run")
    scenario = _scenario(snapshot, number)
    if snapshot.get("device") not in _DEVICES or snapshot.get("dtype") not in _DTYPES:
        raise InputError(f"rerun {number}: device and dtype of {_SNAPSHOT} are none that the harness knows")
    hkl_sha = snapshot.get("input_sha256", {}).get("hkl")
    hkl = _input(results, record, number, "structure factors", hkl_sha) if hkl_sha else None
    binary = _input(results, record, number, "reference program", c_run.get("binary_sha256"))
    return Recorded(number, artifacts, snapshot, c_run, scenario, binary, hkl)


def _attempt(entry: Entry, number: int) -> dict[str, Any]:
    record = entry.record
    if record is None or record.get("kind") != "attempt" or entry.data != canonical_json(record).encode():
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
        raise InputError(f"rerun {number}: {_SNAPSHOT} holds no scenario of today's form: {reason}") from error


def _input(results: Path, record: dict[str, Any], number: int, what: str, sha: Any) -> Path:
    """The recorded input with this hash, looked for from the folder above `results`."""
    root = results.resolve().parent
    for name, recorded_sha in record["inputs"].items():
        path = (root / name).resolve() if "\0" not in name else root
        if recorded_sha == sha and path.is_relative_to(root) and path.is_file() and sha256_of_file(path) == sha:
            return path
    raise InputError(f"rerun {number}: the {what} with SHA-256 {sha} is no longer there; build or restore it first")


def _run(recorded: Recorded, folder: Path) -> int:
    """The three programs of an audit, one after the other; 0 if all of them ran."""
    scenarios = folder / "scenario"
    write_atomic(scenarios / f"{recorded.scenario.name}.yaml", readable_json(recorded.snapshot["scenario"]))
    pixel = [str(int(value)) for value in recorded.snapshot["pixel_slow_fast"]]
    common = ["--config", recorded.scenario.name, "--scenario-dir", str(scenarios), "--pixel", *pixel]
    common += ["--hkl", str(recorded.hkl)] if recorded.hkl else []
    device, dtype = recorded.snapshot["device"], recorded.snapshot["dtype"]
    c_log, torch_log = folder / "c_trace_scaling.log", folder / "trace_py_scaling.log"
    reference = ["--binary", str(recorded.binary), "--out", str(c_log), *common]
    reference += [] if recorded.c_run["arguments"][-8:-7] == ["-roi"] else ["--whole-image"]
    harness = ["--out", str(torch_log), "--device", device, "--dtype", dtype, *common]
    compare = ["--c-log", str(c_log), "--py-log", str(torch_log), "--dtype", dtype, *common]
    for option, name in zip(("--out", "--md", "--summary"), _COMPARED, strict=True):
        compare += [option, str(folder / name)]
    for module, words, allowed in (
        ("reference", reference, (0,)),
        ("harness", harness, (0,)),
        ("compare", compare, (0, 1)),
    ):
        done = subprocess.run([sys.executable, "-m", f"trace_audit.{module}", *words], check=False)
        if done.returncode not in allowed:
            print(f"rerun: trace_audit.{module} ended with exit status {done.returncode}")
            return done.returncode
    return 0


def _differences(recorded: Recorded, folder: Path) -> tuple[list[str], bool]:
    """One line an artifact, and whether all that carry no time are the same byte by byte."""
    lines, all_same = [], True
    for name in _MADE:
        if name not in recorded.artifacts:
            continue
        made = folder / name
        same = made.is_file() and made.read_bytes() == recorded.artifacts[name].read_bytes()
        outcome = "same bytes" if same else "differs" if made.is_file() else "was not made"
        if not same and made.is_file() and name.endswith("scaling.log"):
            outcome += ", " + _numbers(recorded.artifacts[name], made)
        all_same = all_same and same
        lines.append(f"{name}: {outcome}")
    lines += [f"{name}: not compared, it tells of time and machine" for name in _TIMED if name in recorded.artifacts]
    return lines, all_same


def _numbers(before: Path, now: Path) -> str:
    """How far two logs of one program are apart, at the audit's tolerance."""
    from trace_audit.comparison import compare
    from trace_audit.files import read_text
    from trace_audit.parse import parse_trace

    texts = [read_text(path, "trace").splitlines() for path in (before, now)]
    comparison = compare(*(parse_trace(lines) for lines in texts))
    worst = comparison.worst
    far = f"worst relative difference {worst.relative_difference:.1e} in {worst.key.name}" if worst else "no common key"
    return ("numbers agree at the tolerance, " if comparison.passed else "numbers do not agree, ") + far


def environment_differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Leaves of two environment records that are not equal, `path: before -> now`."""
    if isinstance(before, dict) or isinstance(now, dict):
        before, now = (side if isinstance(side, dict) else {} for side in (before, now))
        lines = []
        for name in sorted({*before, *now}):
            lines += environment_differences(before.get(name), now.get(name), f"{path}.{name}" if path else name)
        return lines
    return [] if before == now else [f"{path}: {_short(before)} -> {_short(now)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _environment_lines(before: Path, now: Path) -> list[str]:
    if not now.is_file():
        return ["the torch program did not get to say"]
    return environment_differences(read_json(before, "environment record"), read_json(now, "environment record"))
