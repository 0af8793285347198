"""`python -m trace_audit.reference`: run a nanoBragg program in an empty folder of its own and keep its trace.

Beside the log: `c_trace_stdout.txt`, `c_trace_stderr.txt` and `c_trace_run.json`. A program that crashes, hangs or
prints no trace is reported as that (exit status 2); its output stays, a log is then not written.
"""

import argparse
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "HOME")


@dataclass(frozen=True)
class ProgramRun:
    """What came of one run. `exit_code` None: it was stopped at the time limit; negative: killed by that signal."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    made: dict[str, str]  # SHA-256 by name of the files it left in its folder

    def failure(self, time_limit_s: float) -> str | None:
        """Why the run does not count, None if it does."""
        if self.exit_code is None:
            return f"did not end within {time_limit_s:g} s"
        if self.exit_code < 0:
            return f"was killed by signal {signal.Signals(-self.exit_code).name}"
        if self.exit_code > 0:
            lines = self.stderr.decode(errors="replace").strip().splitlines() or ["nothing on its standard error"]
            return f"ended with exit status {self.exit_code}: {lines[-1][:300]}"
        return None


def run_program(binary: Path, words: list[str], time_limit_s: float) -> ProgramRun:
    """Run `binary words...` in a fresh empty folder, without a shell, with a small environment."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"LC_ALL": "C", "OMP_NUM_THREADS": "1"}  # a historic trace depends on the order of the pixels
    with tempfile.TemporaryDirectory(prefix="nanobragg-") as folder:
        try:
            process = subprocess.Popen(
                [str(binary), *words],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise InputError(f"reference binary {binary}: {error.strerror}; build it or name another") from error
        exit_code: int | None
        try:
            stdout, stderr = process.communicate(timeout=time_limit_s)
            exit_code = process.returncode
        except subprocess.TimeoutExpired:
            _stop(process)
            stdout, stderr = process.communicate()
            exit_code = None
        made = {p.name: sha256_of_file(p) for p in sorted(Path(folder).iterdir()) if p.is_file()}
    return ProgramRun(exit_code, stdout, stderr, made)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)


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
