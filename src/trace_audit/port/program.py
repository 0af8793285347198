"""Run a user's program: a command line without a shell, in an empty folder, within time, memory and output.

Placeholders of the command: `{flags}` (the experiment's flags, each a word of its own), `{slow}`, `{fast}`, `{image}`
(where it is to write its float image). Its environment is a short list of ours and what the config gives. It is kept
from the network and from every other folder where this machine can do that; `programs/confinement.py` says how.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trace_audit.core.errors import InputError
from trace_audit.core.files import plain_file_below
from trace_audit.programs.confinement import Limits
from trace_audit.programs.runner import Box, end_of, failure, run_in_box

_OF_A_GPU = ("CUDA_VISIBLE_DEVICES",)
MAX_FILE_BYTES = 64_000_000_000
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
    confine: bool = True  # False for a command that needs the network or other folders: srun, docker


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
    confined: str  # how it was kept from the rest of the machine


def filled(command: Command, flags: Sequence[str], pixel: tuple[int, int], image: Path) -> list[str]:
    """The command's words with the placeholders filled. Raises InputError for an unknown one."""
    arguments: list[str] = []
    for argument in command.words:
        if argument == "{flags}":
            arguments += flags
            continue
        for name, value in (("{slow}", pixel[0]), ("{fast}", pixel[1]), ("{image}", image)):
            argument = argument.replace(name, str(value))
        if argument.startswith("{") and argument.endswith("}"):
            raise InputError(f"command: {argument} is not known; placeholders are {', '.join(PLACEHOLDERS)}")
        arguments.append(argument)
    return arguments


def run(command: Command, flags: Sequence[str], pixel: tuple[int, int], folder: Path) -> Outcome:
    """Run the command in `folder/run`, which must not exist; its output lies in `folder`."""
    box = Box(folder / "box").make()
    image = box.work / IMAGE
    arguments = filled(command, flags, pixel, image.resolve())
    stdout, stderr = folder / "stdout.txt", folder / "stderr.txt"
    limits = Limits(
        command.time_limit_s, int(command.memory_limit_GB * 2**30), int(command.output_limit_MB * 1e6), MAX_FILE_BYTES
    )
    started = time.monotonic()
    with stdout.open("x+b") as out, stderr.open("x+b") as err:
        ending = run_in_box(
            arguments,
            box,
            limits,
            (out, err),
            command.environment,
            lambda reason: f"command: {arguments[0]} does not start ({reason}); give its full path",
            passed_on=_OF_A_GPU,
            confine=command.confine,
        )
        excess = ending.excess and f"{ending.excess}; have it print less, or raise output_limit_MB"
        why = failure(ending.exit_code, excess, end_of(err), command.time_limit_s)
    made = plain_file_below(box.work, IMAGE)
    seconds = time.monotonic() - started
    return Outcome(tuple(arguments), ending.exit_code, why, stdout, stderr, made, seconds, ending.confined)
