"""`python -m trace_audit.reference`: run a nanoBragg program in its own empty folder and keep its trace.

Beside the log: `c_trace_stdout.txt`, `c_trace_stderr.txt` and `c_trace_run.json`. A program that crashes, hangs or
prints no trace is reported as such (exit status 2); its output is kept, and no log is written.
"""

import argparse
import mmap
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trace_audit.config.scenario import (
    ScenarioFiles,
    add_scenario_options,
    arguments,
    check_pixel,
    load_scenario,
)
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.escapes import escaped
from trace_audit.core.files import copy_checked, printable, read_plain, readable_json, sha256_of_file, write_atomic
from trace_audit.inputs.prepare import prepared_files
from trace_audit.programs.confinement import Limits
from trace_audit.programs.runner import Box, failure, run_in_box
from trace_audit.trace.log import trace_log

DEFAULT_TIME_LIMIT_S = 300.0
MAX_OUTPUT_BYTES = 256_000_000  # that it prints
MAX_FILE_BYTES = 4_000_000_000  # of each file that it writes
MAX_FILES = 10_000  # that it leaves
_IN_ORDER = {"OMP_NUM_THREADS": "1"}  # a historic trace depends on the order of the pixels


@dataclass(frozen=True)
class ProgramRun:
    """The result of one run. `exit_code` None: it was stopped at the time limit; negative: killed by that signal."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    made: dict[str, str]  # SHA-256 by name of the files in its folder at the end
    excess: str | None = None  # the limit that it exceeded
    sha256: str = ""  # of the program that ran
    confined: str = ""  # its confinement

    def failure(self, time_limit_s: float) -> str | None:
        """Why the run does not count; None if it does."""
        return failure(self.exit_code, self.excess, self.stderr, time_limit_s)


def run_program(
    binary: Path, argv: list[str], time_limit_s: float, keep: Mapping[str, Path] | None = None
) -> ProgramRun:
    """Run `binary words...` in a new empty folder, without a shell, with a small environment, confined.

    A compiled program runs from a private copy; a program that changed during the run has failed. `keep`: files of its
    folder by name that are copied elsewhere, if it made them. Its printed output, each of its files and its memory have
    limits.
    """
    with (
        tempfile.TemporaryDirectory(prefix="nanobragg-", ignore_cleanup_errors=True) as own,
        tempfile.TemporaryDirectory(prefix="program-") as private,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        box, before = Box(Path(own)).make(), _hash(binary)
        program = _private_copy(binary, before, Path(private))
        limits = Limits(time_limit_s, _memory_of_machine(), MAX_OUTPUT_BYTES, MAX_FILE_BYTES)
        ending = run_in_box(
            [str(program), *argv],
            box,
            limits,
            (stdout, stderr),
            _IN_ORDER,
            lambda reason: f"reference binary {binary}: {reason}; build it or name another",
            name=str(binary),
        )
        made, too_large = _files_in(box.work)
        changed = None if _hash(binary) == before == _hash(program) else "is not the program any more that was started"
        if not too_large:
            _take(box.work, keep or {})
        excess = changed or ending.excess or too_large
        return ProgramRun(ending.exit_code, _content(stdout), _content(stderr), made, excess, before, ending.confined)


def _hash(binary: Path) -> str:
    try:
        return sha256_of_file(binary)
    except OSError as error:
        raise InputError(f"reference binary {binary}: {error.strerror}; build it or name another") from error


def _private_copy(binary: Path, sha256: str, folder: Path) -> Path:
    """A copy that nobody else can replace; the program itself if it may need the files beside it."""
    with binary.open("rb") as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if binary.stat().st_size else b""
        movable = content[:4] == b"\x7fELF" and content.find(b"$ORIGIN") < 0
    if not movable or not os.access(binary, os.X_OK):
        return binary
    copy_checked(binary, sha256, folder / binary.name, 0o500)
    return folder / binary.name


def _memory_of_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _take(folder: Path, keep: Mapping[str, Path]) -> None:
    """Copy plain files out of the folder; links are not followed."""
    for name, target in keep.items():
        content = read_plain(folder / name, MAX_FILE_BYTES)
        if content is not None:
            write_atomic(target, content)


def _content(output: IO[bytes]) -> bytes:
    output.seek(0)
    return output.read(MAX_OUTPUT_BYTES)


def _files_in(folder: Path) -> tuple[dict[str, str], str | None]:
    """SHA-256 by name of the plain files in a folder, links left out; and a file that is too large to hash, if any."""
    made: dict[str, str] = {}
    too_large = None
    for number, path in enumerate(sorted(folder.iterdir())):
        if number == MAX_FILES:
            return made, f"left more than {MAX_FILES} files"
        if path.is_symlink() or not path.is_file():
            continue
        name, size = printable(path.name), path.stat().st_size
        if size > MAX_FILE_BYTES:
            too_large = f"left the file {name} of {size / 1e9:.3g} GB, over {MAX_FILE_BYTES / 1e9:g} GB"
        else:
            made[name] = sha256_of_file(path)
    return made, too_large


def named_words(argv: list[str], files: ScenarioFiles) -> list[str]:
    """The command line with input files by name only, so that records do not depend on their folder."""
    names = {str(path): path.name for path in files.given.values()}
    return [names.get(argument, argument) for argument in argv]


def trace_words(scenario: Scenario, files: ScenarioFiles, pixel: tuple[int, int], whole_image: bool) -> list[str]:
    """The command line of a traced run; unless `whole_image`, only the traced pixel is computed."""
    slow, fast = pixel
    argv = arguments(scenario, files)
    if not whole_image:
        argv += ["-roi", *map(str, (fast, fast, slow, slow))]
    return [*argv, "-trace_pixel", str(slow), str(fast)]


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
    folder = options.out.parent
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        files = prepared_files(options, scenario, Path(inputs))
        program_argv = trace_words(scenario, files, pixel, options.whole_image)
        run = run_program(options.binary.resolve(), program_argv, options.time_limit_s)
        record = _record(options, scenario, run, named_words(program_argv, files), files.hashes())
    write_atomic(folder / "c_trace_stdout.txt", escaped(run.stdout))
    write_atomic(folder / "c_trace_stderr.txt", escaped(run.stderr))
    write_atomic(folder / "c_trace_run.json", readable_json(record))
    if record["failure"]:
        raise InputError(f"reference program {options.binary} {record['failure']}; see {folder / 'c_trace_stderr.txt'}")
    write_atomic(options.out, trace_log(run.stdout.decode(errors="replace"), f"reference program {options.binary}"))
    return 0


def _record(
    options: argparse.Namespace, scenario: Scenario, run: ProgramRun, argv: list[str], hashes: dict[str, str]
) -> dict[str, Any]:
    return {
        "program": options.binary.name,
        "binary_sha256": run.sha256,
        "confined": run.confined,
        "scenario": scenario.name,
        "pixel_slow_fast": list(options.pixel),
        "arguments": argv,
        "input_sha256": hashes,
        "time_limit_s": options.time_limit_s,
        "exit_code": run.exit_code,
        "failure": run.failure(options.time_limit_s),
        "files_made_sha256": run.made,
    }


if __name__ == "__main__":
    raise SystemExit(run_command(main))
