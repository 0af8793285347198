"""One run of any program in a new empty folder, with a small environment and limits; and why a run does not count."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trace_audit.core.errors import InputError
from trace_audit.core.files import printable
from trace_audit.programs.confinement import Ending, Limits, not_started, run_confined

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "HOME")
_END_OF_OUTPUT = 4096


@dataclass(frozen=True)
class Box:
    """The folder of a run: the only one that the program may write to."""

    root: Path

    @property
    def work(self) -> Path:
        """Where the program runs; empty at first."""
        return self.root / "run"

    @property
    def scratch(self) -> Path:
        """Where its temporary files go."""
        return self.root / "tmp"

    def make(self) -> "Box":
        """The box, with its folders, which must not exist."""
        for folder in (self.work, self.scratch):
            folder.mkdir(parents=True)
        return self


def run_in_box(
    words: Sequence[str],
    box: Box,
    limits: Limits,
    outputs: tuple[IO[bytes], IO[bytes]],
    environment: Mapping[str, str],
    refused: Callable[[str], str],
    *,
    passed_on: Sequence[str] = (),
    name: str | None = None,
    confine: bool = True,
) -> Ending:
    """Run `words` without a shell; standard output and error go to `outputs`.

    `environment` is added to a few variables of ours, and to those of `passed_on`. `name`: its argv[0], if not its own
    path. Raises InputError, `refused(reason)`, for a program that does not start.
    """
    known = {name: os.environ[name] for name in (*_PASSED_ON, *passed_on) if name in os.environ}
    known |= {"LC_ALL": "C", "TMPDIR": str(box.scratch.resolve()), **environment}
    try:
        ending = run_confined(words, box.root, box.work, known, limits, outputs, name=name, confine=confine)
    except OSError as error:
        raise InputError(refused(error.strerror or str(error))) from error
    except subprocess.SubprocessError as error:
        raise InputError(refused(str(error))) from error
    if reason := not_started(ending, end_of(outputs[1])):
        raise InputError(refused(reason))
    return ending


def end_of(output: IO[bytes]) -> bytes:
    """The last few lines of what was printed."""
    size = os.fstat(output.fileno()).st_size
    return os.pread(output.fileno(), _END_OF_OUTPUT, max(0, size - _END_OF_OUTPUT))


def failure(exit_code: int | None, excess: str | None, stderr: bytes, time_limit_s: float) -> str | None:
    """Why a run does not count, in a few words; None if it does."""
    if excess is not None:
        return excess
    if exit_code is None:
        return f"did not end within {time_limit_s:g} s"
    if exit_code < 0:
        return f"was killed by signal {_signal_name(-exit_code)}"
    if exit_code > 0:
        lines = stderr.decode(errors="replace").strip().splitlines() or ["nothing on its standard error"]
        return f"ended with exit status {exit_code}: {printable(lines[-1][:300])}"
    return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return str(number)
