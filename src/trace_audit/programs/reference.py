"""`python -m trace_audit.reference`: run a nanoBragg program in an empty folder of its own and keep its trace.

Beside the log: `c_trace_stdout.txt`, `c_trace_stderr.txt` and `c_trace_run.json`. A program that crashes, hangs or
prints no trace is reported as that (exit status 2); its output stays, a log is then not written.
"""

import argparse
import contextlib
import os
import resource
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trace_audit.config.scenario import (
    ScenarioFiles,
    add_scenario_options,
    arguments,
    check_pixel,
    load_scenario,
    scenario_path,
)
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, sha256_of_file, write_atomic
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.trace.log import trace_log

DEFAULT_TIME_LIMIT_S = 300.0
MAX_OUTPUT_BYTES = 256_000_000  # that it prints
MAX_FILE_BYTES = 4_000_000_000  # of each file that it writes
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "HOME")


@dataclass(frozen=True)
class ProgramRun:
    """What came of one run. `exit_code` None: it was stopped at the time limit; negative: killed by that signal."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    made: dict[str, str]  # SHA-256 by name of the files it left in its folder
    excess: str | None = None  # which cap it went beyond

    def failure(self, time_limit_s: float) -> str | None:
        """Why the run does not count, None if it does."""
        if self.excess is not None:
            return self.excess
        if self.exit_code is None:
            return f"did not end within {time_limit_s:g} s"
        if self.exit_code < 0:
            return f"was killed by signal {_signal_name(-self.exit_code)}"
        if self.exit_code > 0:
            lines = self.stderr.decode(errors="replace").strip().splitlines() or ["nothing on its standard error"]
            return f"ended with exit status {self.exit_code}: {lines[-1][:300]}"
        return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return str(number)


def run_program(binary: Path, words: list[str], time_limit_s: float) -> ProgramRun:
    """Run `binary words...` in a fresh empty folder, without a shell, with a small environment.

    Its output goes to files, so nothing that it leaves running is waited for; its process group ends with it. What it
    prints and each file it writes has a cap.
    """
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"LC_ALL": "C", "OMP_NUM_THREADS": "1"}  # a historic trace depends on the order of the pixels
    with (
        tempfile.TemporaryDirectory(prefix="nanobragg-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        try:
            process = subprocess.Popen(
                [str(binary), *words],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise InputError(f"reference binary {binary}: {error.strerror}; build it or name another") from error
        exit_code, excess = _watch(process, (stdout, stderr), time_limit_s)
        made, too_large = _files_in(Path(folder))
        return ProgramRun(exit_code, _content(stdout), _content(stderr), made, excess or too_large)


def _watch(
    process: subprocess.Popen[bytes], outputs: tuple[IO[bytes], ...], time_limit_s: float
) -> tuple[int | None, str | None]:
    """Wait for the end, or end it at a limit; its exit status, None at the time limit, and the cap it went beyond."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    ends = time.monotonic() + time_limit_s
    exit_code, excess = None, None
    while exit_code is None and excess is None and time.monotonic() < ends:
        with contextlib.suppress(subprocess.TimeoutExpired):
            exit_code = process.wait(timeout=min(0.1, max(ends - time.monotonic(), 0.0)))
        if sum(os.fstat(output.fileno()).st_size for output in outputs) > MAX_OUTPUT_BYTES:
            excess = f"printed more than {MAX_OUTPUT_BYTES / 1e6:g} MB"
    _stop(process)
    process.wait()
    return exit_code, excess


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and all of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _content(output: IO[bytes]) -> bytes:
    output.seek(0)
    return output.read(MAX_OUTPUT_BYTES)


def _files_in(folder: Path) -> tuple[dict[str, str], str | None]:
    """SHA-256 by name of the plain files in a folder, links left out; and which of them is too large to hash."""
    made, too_large = {}, None
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size > MAX_FILE_BYTES:
            too_large = (
                f"left the file {path.name} of {path.stat().st_size / 1e9:.3g} GB, over {MAX_FILE_BYTES / 1e9:g} GB"
            )
        else:
            made[path.name] = sha256_of_file(path)
    return made, too_large


def named_words(words: list[str], files: ScenarioFiles) -> list[str]:
    """The command line with input files by name only, so that records do not depend on where they were."""
    names = {str(path): path.name for path in files.given.values()}
    return [names.get(word, word) for word in words]


def trace_words(scenario: Scenario, files: ScenarioFiles, pixel: tuple[int, int], whole_image: bool) -> list[str]:
    """The command line of a traced run; unless `whole_image`, only the traced pixel is computed."""
    slow, fast = pixel
    words = arguments(scenario, files)
    if not whole_image:
        words += ["-roi", *map(str, (fast, fast, slow, slow))]
    return [*words, "-trace_pixel", str(slow), str(fast)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.reference", description=__doc__, allow_abbrev=False)
    parser.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the program to run")
    add_scenario_options(parser)
    parser.add_argument("--pixel", type=int, nargs=2, required=True, metavar=("SLOW", "FAST"))
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the log, c_trace_scaling.log")
    parser.add_argument("--whole-image", action="store_true", help="compute all pixels, as a historic program needs")
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")
    return parser


def main(argv: list[str]) -> int:
    """Run the reference program on one pixel of a scenario."""
    options = _parser().parse_args(argv)
    scenario = load_scenario(options.config, options.scenario_dir)
    pixel = (options.pixel[0], options.pixel[1])
    check_pixel(scenario, *pixel)
    if not options.binary.is_file():
        raise InputError(f"reference binary {options.binary}: no such file; build it with make -C src/nanobragg_c")
    scenario_folder = scenario_path(options.config, options.scenario_dir).parent
    folder = options.out.parent
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        files = prepare_inputs(scenario, Path(inputs), hkl=options.hkl, scenario_folder=scenario_folder)
        words = trace_words(scenario, files, pixel, options.whole_image)
        run = run_program(options.binary.resolve(), words, options.time_limit_s)
        record = _record(options, scenario, run, named_words(words, files), files.hashes())
    write_atomic(folder / "c_trace_stdout.txt", run.stdout)
    write_atomic(folder / "c_trace_stderr.txt", run.stderr)
    write_atomic(folder / "c_trace_run.json", readable_json(record))
    if record["failure"]:
        raise InputError(f"reference program {options.binary} {record['failure']}; see {folder / 'c_trace_stderr.txt'}")
    write_atomic(options.out, trace_log(run.stdout.decode(errors="replace"), f"reference program {options.binary}"))
    return 0


def _record(
    options: argparse.Namespace, scenario: Scenario, run: ProgramRun, words: list[str], hashes: dict[str, str]
) -> dict[str, Any]:
    return {
        "program": options.binary.name,
        "binary_sha256": sha256_of_file(options.binary),
        "scenario": scenario.name,
        "pixel_slow_fast": list(options.pixel),
        "arguments": words,
        "input_sha256": hashes,
        "time_limit_s": options.time_limit_s,
        "exit_code": run.exit_code,
        "failure": run.failure(options.time_limit_s),
        "files_made_sha256": run.made,
    }


if __name__ == "__main__":
    raise SystemExit(run_command(main))
