"""`python -m trace_audit.harness`: trace one pixel in the torch program and keep all inputs of the run.

Beside the log: `trace_py_stdout.txt`, `trace_py_stderr.txt`, `trace_py_run.json`, `trace_py_env.json`,
`config_snapshot.json` and `capture_notes.md`. The scenario goes through the simulator's own command-line parser; only
the traced pixel is computed.
"""

import os

os.environ["KMP_DUPLICATE_LIB_OK"] = "TRUE"  # before torch is imported: two OpenMP runtimes may meet in one process

import argparse
import contextlib
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trace_audit.config.device import Choice, choose_device, refusal
from trace_audit.config.scenario import ScenarioFiles, add_scenario_options, check_pixel, load_scenario
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.escapes import escaped
from trace_audit.core.files import fresh_file, readable_json, sha256_of_bytes, write_atomic
from trace_audit.inputs.prepare import prepared_files
from trace_audit.programs.environment import capture, code_of, deviations
from trace_audit.programs.reference import named_words, trace_words
from trace_audit.trace.log import trace_log
from trace_audit.trace.tolerances import file_sha256


@dataclass(frozen=True)
class TorchRun:
    """The output of one traced run of the torch program, its exit code (None: not run), and why it failed.

    `made_by`: the backend, with the sha256 of the source of compiled code and its compiler.
    """

    stdout: bytes
    stderr: bytes
    exit_code: int | None
    failure: str | None
    made_by: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def _redirected(stdout: Path, stderr: Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 to files, so that output of native libraries is captured too."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(target, os.dup(target)) for target in (1, 2)]
    try:
        for target, path in ((1, stdout), (2, stderr)):
            with fresh_file(path) as stream:
                os.dup2(stream.fileno(), target)
        streams = (os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w"))
        with streams[0], streams[1], contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            yield
    finally:
        for target, copy in saved:
            os.dup2(copy, target)
            os.close(copy)


def torch_words(scenario: Scenario, files: ScenarioFiles, pixel: tuple[int, int], device: str, dtype: str) -> list[str]:
    """The torch program's command line for one traced pixel."""
    return [*trace_words(scenario, files, pixel, whole_image=False), "-device", device, "-dtype", dtype]


class NotCompiled(Exception):
    """Compiled code is not available for the experiment or on this machine; the message says why."""


def print_trace(argv: list[str], backend: str) -> dict[str, str]:
    """Parse a command line as the simulator does and print the trace of its pixel, warnings to stderr.

    Returns what made the trace. Raises NotCompiled if that is not the requested backend.
    """
    from nanobrag_torch.cli import parse
    from nanobrag_torch.simulator import Simulation
    from nanobrag_torch.trace import trace_simulation

    invocation = parse(argv)
    for warning in invocation.warnings:
        print(f"nanobrag_torch: warning: {warning}", file=sys.stderr)
    if invocation.trace_pixel is None or invocation.dtype is None:
        raise InputError("torch program: expected -trace_pixel and -dtype among its flags")
    simulation = Simulation(invocation.experiment, invocation.device, invocation.dtype)
    made_by = simulation.tracing_backend()
    if made_by.description.name != backend:
        raise NotCompiled(made_by.why)
    for line in trace_simulation(simulation, *invocation.trace_pixel):
        print(line)
    return made_by.description._asdict()


def run_torch(argv: list[str], backend: str = "eager") -> TorchRun:
    """Trace in this process and capture everything it prints."""
    made_by: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="trace-") as folder:
        paths = Path(folder) / "stdout", Path(folder) / "stderr"
        exit_code: int | None = 0
        failure: str | None = None
        with _redirected(*paths):
            try:
                made_by = print_trace(argv, backend)
            except NotCompiled as error:
                exit_code, failure, made_by = None, None, {"not_compiled": str(error)}
                print(f"nanobrag_torch was not run: {error}", file=sys.stderr)
            except ValueError as error:  # a usage or experiment error of the simulator: one line for the user
                exit_code, failure = 2, str(error)
                print(f"nanobrag_torch: error: {failure}", file=sys.stderr)
            except Exception as error:  # a bug of the simulator: the traceback goes to its stderr file
                exit_code, failure = 1, f"{type(error).__name__}: {error}"
                traceback.print_exc()
        return TorchRun(paths[0].read_bytes(), paths[1].read_bytes(), exit_code, failure, made_by)


def _nothing(choice: Choice, options: argparse.Namespace) -> TorchRun:
    """A run that did not happen because its device is absent; a failure unless that is allowed."""
    if not options.allow_missing_device:
        why = refusal(choice)
        return TorchRun(b"", f"nanobrag_torch: error: {why}\n".encode(), 2, why)
    return TorchRun(b"", f"nanobrag_torch was not run: {choice.reason}\n".encode(), None, None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.harness", description=__doc__, allow_abbrev=False)
    parser.add_argument("--pixel", type=int, nargs=2, required=True, metavar=("SLOW", "FAST"))
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the log, trace_py_scaling.log")
    add_scenario_options(parser)
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:N, auto: cuda where there is one")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument(
        "--backend",
        choices=("eager", "compiled"),
        default="eager",
        help="what traces; compiled code is built if need be",
    )
    parser.add_argument(
        "--allow-missing-device", action="store_true", help="where the device is not there, record that and exit 0"
    )
    return parser


def main(argv: list[str]) -> int:
    """Trace one pixel of a scenario in the torch program."""
    options = _parser().parse_args(argv)
    choice = choose_device(options.device, allow_missing=True)
    options.device = choice.used or options.device
    scenario = load_scenario(options.config, options.scenario_dir)
    pixel = (options.pixel[0], options.pixel[1])
    check_pixel(scenario, *pixel)
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        files = prepared_files(options, scenario, Path(inputs))
        program_argv = torch_words(scenario, files, pixel, options.device, options.dtype)
        with code_of(options.backend):
            run, environment = capture(
                Path.cwd(),
                lambda: run_torch(program_argv, options.backend) if choice.used else _nothing(choice, options),
            )
        snapshot = _snapshot(options, scenario, named_words(program_argv, files), files.hashes())
    environment["device"] = choice.record()
    if choice.used is None and options.allow_missing_device:
        snapshot["skipped"] = choice.reason
    elif "not_compiled" in run.made_by:
        snapshot["skipped"] = f"compiled code cannot trace this: {run.made_by['not_compiled']}"
    _write(options, run, environment, snapshot, started)
    if run.failure:
        raise InputError(f"torch program: {run.failure}")
    return 0


def _write(
    options: argparse.Namespace, run: TorchRun, environment: dict[str, Any], snapshot: dict[str, Any], started: datetime
) -> None:
    """Write the evidence; the log comes last, and only if the run succeeded."""
    folder = options.out.parent
    write_atomic(folder / "trace_py_stdout.txt", escaped(run.stdout))
    write_atomic(folder / "trace_py_stderr.txt", escaped(run.stderr))
    record = {"program": "nanobrag_torch", "arguments": snapshot["arguments"], "exit_code": run.exit_code}
    record["made_by"] = run.made_by
    write_atomic(folder / "trace_py_run.json", readable_json({**record, "failure": run.failure}))
    write_atomic(folder / "trace_py_env.json", readable_json(environment))
    write_atomic(folder / "config_snapshot.json", readable_json(snapshot))
    write_atomic(folder / "capture_notes.md", _notes(options, run, environment, snapshot, started))
    if "skipped" in snapshot:
        write_atomic(options.out, b"")
    elif run.failure is None:
        write_atomic(options.out, trace_log(run.stdout.decode(errors="replace"), "torch program"))


def _snapshot(
    options: argparse.Namespace, scenario: Scenario, argv: list[str], hashes: dict[str, str]
) -> dict[str, Any]:
    return {
        "scenario": scenario.model_dump(mode="json"),
        "pixel_slow_fast": list(options.pixel),
        "device": options.device,
        "dtype": options.dtype,
        "backend": options.backend,
        "arguments": argv,
        "input_sha256": hashes,
        "tolerances_sha256": file_sha256(),
    }


def _notes(
    options: argparse.Namespace, run: TorchRun, environment: dict[str, Any], snapshot: dict[str, Any], started: datetime
) -> str:
    slow, fast = options.pixel
    rows = [
        f"- scenario {snapshot['scenario']['name']}, pixel (slow, fast) = ({slow}, {fast})",
        f"- device {options.device}, dtype {options.dtype}, {options.backend} code",
        *(f"- {name}: {value}" for name, value in run.made_by.items() if value),
        f"- device asked for: {environment['device']['asked']}; {environment['device']['reason']}",
        f"- started {started.isoformat(timespec='seconds')}",
        f"- outcome: {run.failure or ('skipped' if 'skipped' in snapshot else 'traced')}",
        f"- standard output {sha256_of_bytes(run.stdout)}",
        f"- python {environment['python'].split()[0]}, torch {environment['torch']['version']}",
        f"- git commit {environment['git']['before']['commit'] or 'none'}",
        *(f"- deviation: {text}" for text in deviations(environment, options.device)),
    ]
    command = f"python -m trace_audit.harness --pixel {slow} {fast} --out {options.out.name}"
    command += f" --config {snapshot['scenario']['name']} --device {options.device} --dtype {options.dtype}"
    command += f" --backend {options.backend}"
    return "# Capture of the torch trace\n\n" + "\n".join(rows) + f"\n\nTo repeat:\n\n    {command}\n"


if __name__ == "__main__":
    raise SystemExit(run_command(main))
