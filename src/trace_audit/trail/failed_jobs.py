"""`python -m trace_audit.trail.failed_jobs`: put on record each audit of a run that a crash kept from being compared.

A job that began in this run and left no product failed. The record is that of an attempt, with the exit codes and the
last words of the programs; their whole output goes to `attempt_failed.log`, as after a comparison that failed.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trace_audit.core.documents import Device, Document, Run, problem_of, read_document
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import parse_json, printable
from trace_audit.images.image_comparison import allowed_of_peak, bars_sha256
from trace_audit.programs.environment import capture, deviations
from trace_audit.trace.tolerances import file_sha256, relative_tolerance
from trace_audit.trail import attempts, evidence, hash_chain, history
from trace_audit.trail.signing import Signer

_LAST_LINES = 20


@dataclass(frozen=True)
class Stage:
    """A job on the way to a comparison: what it runs, its messages, what it must leave, and what it says of its run."""

    program: str
    log: Path
    product: Path
    run: Path | None = None
    stderr: Path | None = None

    def failed(self, since_s: float) -> bool:
        """Whether it began after `since_s`, a time as files have it, and left nothing."""
        return _is_new(self.log, since_s) and not _is_new(self.product, since_s)

    def account(self, since_s: float) -> dict[str, Any]:
        """Its command, exit code and last words; exit code None if it did not live to say."""
        known = read_document(self.run, "record of a run", Run) if self.run and _is_new(self.run, since_s) else {}
        lines = self.log.read_text(errors="replace").splitlines()
        messages = self.stderr.read_text(errors="replace") if self.stderr and _is_new(self.stderr, since_s) else ""
        return {
            "arguments": [known.get("program", self.program), *known.get("arguments", [])],
            "exit_code": known.get("exit_code"),
            "failure": known.get("failure") or (printable(lines[-1]) if lines else "ended without a word"),
            "last_words": [printable(line) for line in messages.splitlines()[-_LAST_LINES:]],
        }


class MissedAudit(Document):
    """An audit of the plan, as `trace_audit.workflow.run_hooks` names it."""

    scenario: str
    slow: Annotated[int, Field(ge=0)] = 0
    fast: Annotated[int, Field(ge=0)] = 0
    device: Device = "cpu"
    dtype: Literal["float32", "float64"] = "float64"
    backend: Literal["eager", "compiled"] = "eager"
    suffix: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "MissedAudit":
        """A pixel, or the torch program's device, type and backend, or both."""
        of_pixel, of_torch = {"slow", "fast"}, {"device", "dtype", "backend"}
        stated = self.model_fields_set & (of_pixel | of_torch)
        if stated not in (of_pixel, of_torch, of_pixel | of_torch):
            raise ValueError("a pixel, or device, dtype and backend, or both are needed")
        return self


def _is_new(path: Path, since_s: float) -> bool:
    return path.is_file() and path.stat().st_mtime >= since_s


def trace_stages(results: Path, logs: Path, audit: dict[str, Any]) -> tuple[Path, list[Stage]]:
    """Folder and jobs of an audit by traces, in the order in which they run."""
    pixel = f"S{audit['slow']}_F{audit['fast']}"
    c, folder = results / audit["scenario"] / pixel / "c", results / audit["scenario"] / pixel / _backend(audit)
    name = f"{audit['scenario']}_{pixel}"
    own = f"{name}_{_backend(audit)}.log"
    return folder, [
        Stage(
            "C program",
            logs / "c_trace" / f"{name}.log",
            c / "c_trace_scaling.log",
            c / "c_trace_run.json",
            c / "c_trace_stderr.txt",
        ),
        Stage(
            "torch program",
            logs / "torch_trace" / own,
            folder / "trace_py_scaling.log",
            folder / "trace_py_run.json",
            folder / "trace_py_stderr.txt",
        ),
        Stage("trace_audit.compare", logs / "compare" / own, folder / "compare_scaling_traces.json"),
    ]


def pair_stages(results: Path, logs: Path, audit: dict[str, Any]) -> tuple[Path, list[Stage]]:
    """Folder and jobs of an audit of two sides. A side that fails is no failed job, so these are faults of ours."""
    pixel = f"S{audit['slow']}_F{audit['fast']}"
    name, base = f"{audit['scenario']}_{pixel}", results / audit["scenario"] / pixel
    sides = [
        Stage(
            role,
            logs / "side" / f"{name}_{role}.log",
            base / role / "run.json",
            base / role / "run.json",
            base / role / "stderr.txt",
        )
        for role in ("reference", "candidate")
    ]
    compared = Stage("trace_audit.port", logs / "port_audit" / f"{name}.log", base / "candidate/port_audit.json")
    return base / "candidate", [*sides, compared]


def image_stages(results: Path, logs: Path, audit: dict[str, Any]) -> tuple[Path, list[Stage]]:
    """Folder and jobs of a comparison of images, in the order in which they run."""
    images = results / audit["scenario"] / "images"
    c, folder = images / "c", images / _backend(audit)
    own = f"{audit['scenario']}_{_backend(audit)}.log"
    return folder, [
        Stage(
            "C program",
            logs / "c_image" / f"{audit['scenario']}.log",
            c / "floatimage.bin",
            c / "c_image_run.json",
            c / "c_image_stderr.txt",
        ),
        Stage(
            "torch program",
            logs / "torch_image" / own,
            folder / "floatimage.bin",
            folder / "py_image_run.json",
            folder / "py_image_stderr.txt",
        ),
        Stage("trace_audit.images", logs / "image_parity" / own, folder / "image_parity.json"),
    ]


def _backend(audit: dict[str, Any]) -> str:
    return f"{audit['device']}_{audit['dtype']}{audit.get('suffix', '')}"


_STAGES = {
    "port_audit.json": pair_stages,
    "image_parity.json": image_stages,
    "compare_scaling_traces.json": trace_stages,
}
_OF_A_PAIR = {"device": "candidate", "dtype": "not known", "backend": "its own"}


def _kind(audit: dict[str, Any]) -> str:
    """The document that an audit would have made."""
    if "device" not in audit:
        return "port_audit.json"
    return "compare_scaling_traces.json" if "slow" in audit else "image_parity.json"


def crash_fields(
    audit: dict[str, Any], accounts: list[dict[str, Any]], environment: dict[str, Any], artifacts: dict[str, str]
) -> dict[str, Any]:
    """The record of an attempt that ended before anything was compared."""
    of_image = "slow" not in audit
    first = accounts[0]
    return {
        "kind": "image" if of_image else "attempt",
        "scenario": audit["scenario"],
        "pixel_slow_fast": None if of_image else [audit["slow"], audit["fast"]],
        "device": audit["device"],
        "dtype": audit["dtype"],
        "backend": audit["backend"],
        "made_by": {},
        "status": "fail",
        "summary": f"{first['arguments'][0]} failed before anything could be compared: {first['failure']}",
        "root_causes": [],
        "attribution": [],
        "metrics": {"worst_key": None, "worst_relative_difference": None},
        "tolerance_relative": allowed_of_peak(audit["dtype"]) if of_image else relative_tolerance(),
        "tolerances_sha256": bars_sha256() if of_image else file_sha256(),
        "commands": accounts,
        "environment": attempts.recorded_environment(environment),
        "git_commit": environment["git"]["before"]["commit"],
        "deviations": deviations(environment, audit["device"]),
        "inputs": {},
        "artifacts": artifacts,
    }


def record_crashes(results: Path, logs: Path, audits: list[dict[str, Any]], since_s: float) -> int:
    """Put on record each of `audits` with a job that failed after `since_s`; their number.

    An audit has scenario, device and dtype, and slow and fast unless it compares images.
    """
    crashes = []
    for audit in audits:
        kind = _kind(audit)
        folder, jobs = _STAGES[kind](results, logs, audit)
        failed = [job for job in jobs if job.failed(since_s)]
        if failed:
            crashes.append(({**_OF_A_PAIR, **audit}, folder, failed, kind))
    if not crashes:
        return 0
    _, environment = capture(Path.cwd(), lambda: None)
    signer = Signer.from_environment()
    with hash_chain.locked(results / attempts.LEDGER):
        for audit, folder, failed, kind in crashes:
            kept = evidence.keep(folder, evidence.outputs_of(kind))
            messages = [path for job in failed for path in (job.run, job.stderr) if path and path.is_file()]
            artifacts = hash_chain.hashes_below([*kept, *messages], results)
            fields = crash_fields(audit, [job.account(since_s) for job in failed], environment, artifacts)
            hash_chain.append_locked(results / attempts.LEDGER, fields, signer)
        history.render_locked(results)
    return len(crashes)


def main(argv: list[str]) -> int:
    """Read the audits of a run from stdin, a JSON list, and record those that crashed."""
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.trail.failed_jobs", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--logs", type=Path, default=Path("logs"), metavar="DIR", help="messages of the jobs")
    parser.add_argument("--since-s", type=float, required=True, metavar="SECONDS", help="when the run began")
    options = parser.parse_args(argv)
    try:
        audits = parse_json(sys.stdin.read())
    except ValueError as error:
        raise InputError(f"standard input: {error}; expected a JSON list of audits") from error
    problem = problem_of(audits, list[MissedAudit])
    if problem:
        raise InputError(f"standard input: {problem}; expected a JSON list of audits")
    record_crashes(options.results, options.logs, audits, options.since_s)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
