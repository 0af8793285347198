"""The two programs of a reduction: any command line, or our torch program in this process."""

import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from trace_audit.config import side as config
from trace_audit.core.errors import InputError
from trace_audit.port import program
from trace_audit.port.our_program import OurProgram, Refused, split_words
from trace_audit.port.side import PACKAGES, command_of
from trace_audit.programs import build
from trace_audit.reduce.experiment import Experiment

TORCH = "torch"
_AS_A_NANOBRAGG = ("{flags}", "-trace_pixel", "{slow}", "{fast}", "-nopgm", "-nonoise")
Read = Callable[[Iterable[bytes]], Any]


class SideFailed(Exception):
    """The program does not complete this experiment. `kind`: how it ended, without numbers and paths."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.kind = re.sub(r"/\S*|\d[\d.eE+-]*", "#", message)


class Side(Protocol):
    """One of the two programs."""

    name: str

    def output(self, experiment: Experiment) -> list[bytes]:
        """The lines that it prints. Raises SideFailed."""

    def command_line(self, experiment: Experiment) -> str:
        """The command line for a shell."""

    def described(self) -> list[str]:
        """The identity of the program, for the record."""


@dataclass
class CommandSide:
    """A command line with placeholders, see `trace_audit.port.program`."""

    name: str
    command: program.Command

    def output(self, experiment: Experiment) -> list[bytes]:
        with tempfile.TemporaryDirectory(prefix="reduce-", ignore_cleanup_errors=True) as away:
            outcome = program.run(self.command, experiment.words, experiment.pixel, Path(away) / "run")
            if outcome.failure:
                raise SideFailed(outcome.failure)
            with outcome.stdout.open("rb") as stream:
                return stream.read(int(self.command.output_limit_MB * 1e6)).splitlines(keepends=True)

    def command_line(self, experiment: Experiment) -> str:
        argv = program.filled(self.command, experiment.words, experiment.pixel, Path(program.IMAGE))
        variables = [f"{name}={value}" for name, value in self.command.environment.items()]
        return shlex.join([*(("env", *variables) if variables else ()), *argv])

    def described(self) -> list[str]:
        return [*self.command.words, *(f"{name}={value}" for name, value in sorted(self.command.environment.items()))]


@dataclass
class TorchSide:
    """Our torch program, which computes one pixel and no image. `extra` are flags for this side only."""

    name: str
    extra: tuple[str, ...] = ()
    _program: OurProgram = field(default_factory=lambda: OurProgram((), (0, 0)))

    def output(self, experiment: Experiment) -> list[bytes]:
        import torch

        from nanobrag_torch.trace import trace_lines

        slow, fast = experiment.pixel
        own = {flag[0]: flag[1] for flag in split_words(self.extra) if flag[0] in ("-dtype", "-device")}
        extra = [argument for flag in split_words(self.extra) if flag[0] not in own for argument in flag]
        try:
            stated = self._program.experiment([*experiment.words, *extra])
            dtype = torch.float32 if own.get("-dtype") == "float32" else torch.float64
            detector = replace(stated.detector, roi=(fast, fast, slow, slow), mask=None)
            lines = trace_lines(
                replace(stated, detector=detector), slow, fast, device=own.get("-device", "cpu"), dtype=dtype
            )
            return [f"{line}\n".encode() for line in lines]
        except (Refused, ValueError, ArithmeticError) as error:
            raise SideFailed(f"refuses: {error}") from error

    def command_line(self, experiment: Experiment) -> str:
        pixel = ("-trace_pixel", *map(str, experiment.pixel))
        return shlex.join([sys.executable, "-m", "nanobrag_torch", *experiment.words, *self.extra, *pixel, "-nopgm"])

    def described(self) -> list[str]:
        return [TORCH, *self.extra]


def config_side(role: str, stated: config.Side, folder: Path) -> Side:
    """A side as the config file states it; a source is built in `folder`. Raises InputError."""
    name = stated.label(role)
    if stated.log:
        raise InputError(f"{role}: a recorded log cannot be run on a smaller experiment; give the program")
    if stated.program == "torch" and stated.backend == "eager":
        return TorchSide(name, ("-device", stated.device, "-dtype", stated.dtype))
    binary = Path(stated.binary) if stated.binary else None
    if stated.is_built:
        source = Path(stated.source) if stated.source else PACKAGES / "nanobragg_c"
        binary = folder / f"{role}_program"
        build.make(source, stated.compiler, 2, binary, binary.with_suffix(".json"))
    return CommandSide(name, command_of(stated, binary, image=False))


def side(
    name: str,
    text: str | Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    time_limit_s: float,
    known_flags: bool = True,
) -> Side:
    """The program that a text names: `torch` with its own flags, or a command line.

    A command without `{flags}` counts as an instrumented nanoBragg: the flags and -trace_pixel are added. `known_flags`
    False: another simulator, whose command must contain `{flags}`. Raises InputError.
    """
    argv = shlex.split(text) if isinstance(text, str) else list(text)
    if not argv:
        raise InputError(f"--{name}: is empty; give a command line, or {TORCH}")
    if argv[0] == TORCH and known_flags:
        return TorchSide(name, tuple(argv[1:]))
    if shutil.which(argv[0]) is None:
        raise InputError(f"--{name}: {argv[0]} is no program; give its full path, or {TORCH}")
    argv[0] = str(Path(shutil.which(argv[0]) or argv[0]).absolute())
    argv[1:] = [
        str(Path(argument).absolute()) if "/" in argument and Path(argument).is_file() else argument
        for argument in argv[1:]
    ]
    if "{flags}" not in argv:
        if not known_flags:
            raise InputError(f"--{name}: has no word {{flags}}, so the program would not know the experiment")
        argv += _AS_A_NANOBRAGG
    variables = {"OMP_NUM_THREADS": "1"} | dict(environment or {})
    return CommandSide(name, program.Command(tuple(argv), variables, time_limit_s))
