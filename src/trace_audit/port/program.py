"""Run somebody else's program: a command line without a shell, in an empty folder, within time, memory and output.

Placeholders of the command: `{flags}` (the experiment's flags, each a word of its own), `{slow}`, `{fast}`, `{image}`
(where it is to write its float image). Its environment is a short list of ours and what the config gives. Output goes
to files; a program that prints more than the cap, or outlives its time, is ended with all that it started.
"""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trace_audit.core.errors import InputError

PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "HOME", "CUDA_VISIBLE_DEVICES")
PLACEHOLDERS = ("{flags}", "{slow}", "{fast}", "{image}")
IMAGE = "image.bin"


@dataclass(frozen=True)
class Command:
    """A program of the user's and its limits."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    time_limit_s: float = 300.0
    memory_limit_GB: float = 0.0  # 0: none; address space, which a CUDA program needs plenty of
    output_limit_MB: float = 256.0


@dataclass(frozen=True)
class Outcome:
    """What came of a run. `failure`: why it does not count, None if it does."""

    words: tuple[str, ...]
    exit_code: int | None
    failure: str | None
    stdout: Path
    stderr: Path
    image: Path | None
    seconds: float


def filled(command: Command, flags: Sequence[str], pixel: tuple[int, int], image: Path) -> list[str]:
    """The command's words with the placeholders filled. Raises InputError for an unknown one."""
    words: list[str] = []
    for word in command.words:
        if word == "{flags}":
            words += flags
            continue
        for name, value in (("{slow}", pixel[0]), ("{fast}", pixel[1]), ("{image}", image)):
            word = word.replace(name, str(value))
        if word.startswith("{") and word.endswith("}"):
            raise InputError(f"command: {word} is not known; placeholders are {', '.join(PLACEHOLDERS)}")
        words.append(word)
    return words


def run(command: Command, flags: Sequence[str], pixel: tuple[int, int], folder: Path) -> Outcome:
    """Run the command in `folder/run`, which must not exist; its output lies in `folder`."""
    work = folder / "run"
    work.mkdir(parents=True)
    image = work / IMAGE
    words = filled(command, flags, pixel, image.resolve())
    stdout, stderr = folder / "stdout.txt", folder / "stderr.txt"
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    started = time.monotonic()
    with stdout.open("wb") as out, stderr.open("wb") as err:
        try:
            process = subprocess.Popen(
                words,
                cwd=work,
                env={**environment, "LC_ALL": "C", **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=lambda: _limit(command),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise InputError(f"command: {words[0]} does not start ({error}); give its full path") from error
        failure = _watch(process, command, (stdout, stderr), started)
    exit_code = process.returncode
    if failure is None and exit_code:
        failure = _ending(exit_code, stderr)
    made = image if image.is_file() and not image.is_symlink() else None
    return Outcome(tuple(words), exit_code, failure, stdout, stderr, made, time.monotonic() - started)


def _limit(command: Command) -> None:
    """In the child: its memory, and no file larger than what it may print ten times over."""
    if command.memory_limit_GB:
        limit = int(command.memory_limit_GB * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _watch(process: subprocess.Popen[bytes], command: Command, outputs: Sequence[Path], started: float) -> str | None:
    """Wait for the end; end it at a limit, and whatever it left behind in any case."""
    failure = None
    cap = command.output_limit_MB * 1e6
    while process.poll() is None and failure is None:
        if time.monotonic() - started > command.time_limit_s:
            failure = f"did not end within {command.time_limit_s:g} s"
        elif sum(path.stat().st_size for path in outputs) > cap:
            failure = f"printed more than {command.output_limit_MB:g} MB"
        else:
            time.sleep(0.02)
    for kind in (signal.SIGKILL,):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            break
    process.wait()
    if failure is None and sum(path.stat().st_size for path in outputs) > cap:
        failure = f"printed more than {command.output_limit_MB:g} MB"
    return failure


def _ending(exit_code: int, stderr: Path) -> str:
    if exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = str(-exit_code)
        return f"was killed by signal {name}"
    with stderr.open("rb") as stream:
        stream.seek(max(0, stderr.stat().st_size - 4096))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return f"ended with exit status {exit_code}: {(lines or ['nothing on its standard error'])[-1][:300]}"
