"""python -m nanobrag_torch.cli.compile_ahead build -- [flags of the simulator]: compile ahead what flags would use.

Without flags it compiles for the plainest experiment: a table of amplitudes, SQUARE crystal, flat detector.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nanobrag_torch.cli.command_line import CommandLine, read_command_line
from nanobrag_torch.cli.device import check_name
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.faults import guarded

if TYPE_CHECKING:
    from nanobrag_torch.backends.compiled.programs import Program
    from nanobrag_torch.model import Model

_PLAINEST = ["-cell", "50", "60", "70", "90", "90", "90", "-N", "5", "-default_F", "1"]


def main(argv: list[str] | None = None) -> int:
    """Build or list the programs of an experiment; exit code 0, or 2 with one line on standard error."""
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    return guarded("nanobrag_torch.cli.compile_ahead", lambda: _main(arguments))


def _main(arguments: argparse.Namespace) -> int:
    try:
        device = check_name(arguments.device)
        line = read_command_line(arguments.flags or _PLAINEST)
        _compile(line, bool(arguments.flags), device, arguments.dtype, arguments.command == "build")
    except (ExperimentError, OSError, RuntimeError) as error:
        print(f"nanobrag_torch.cli.compile_ahead: error: {' '.join(str(error).split())[:400]}", file=sys.stderr)
        return 2
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nanobrag_torch.cli.compile_ahead", description=__doc__)
    parser.add_argument("command", choices=["build", "list"])
    parser.add_argument("--dtype", nargs="+", choices=["float32", "float64"], default=["float32", "float64"])
    parser.add_argument("--device", default="cpu")
    end = argv.index("--") if "--" in argv else len(argv)
    arguments = parser.parse_args(argv[:end])
    arguments.flags = argv[end + 1 :]
    return arguments


def _compile(line: CommandLine, as_stated: bool, device: str, dtypes: list[str], build: bool) -> None:
    """Build or list every program of an experiment, or of the plainest one with a table of amplitudes."""
    import torch

    from nanobrag_torch.backends.compiled import cache, selection
    from nanobrag_torch.backends.compiled.programs import PROGRAMS, needed
    from nanobrag_torch.backends.compiled.recorded import Unrecordable
    from nanobrag_torch.cli.device import present
    from nanobrag_torch.cli.experiment_builder import dtype_of, experiment
    from nanobrag_torch.parameters import ReflectionTable, StructureFactors
    from nanobrag_torch.simulator import Simulation

    folder = cache.directory()
    if folder is None:
        raise ExperimentError(f"no home directory; name a folder for compiled code in {cache.DIRECTORY_VARIABLE}")
    stated = experiment(line)
    if not as_stated:
        table = ReflectionTable(torch.ones((3, 3, 3), dtype=torch.float64), -1, -1, -1)
        stated = replace(stated, structure_factors=StructureFactors(table=table))
    for dtype in dtypes:
        model = Simulation(stated, present(device), dtype_of(dtype)).model
        if selection.not_compilable(model):
            raise ExperimentError("interpolated amplitudes and the running product are never compiled")
        for name in needed(model, torch.float32):
            try:
                _report(PROGRAMS[name], model, folder, build)
            except Unrecordable as error:
                raise ExperimentError(str(error)) from None


def _report(program: Program, model: Model, folder: Path, build: bool) -> None:
    from nanobrag_torch.backends.compiled import cache, selection

    package = cache.package_path(folder, cache.key_of(program, model))
    try:
        state = "missing" if cache.find(program, model, folder) is None else "at hand"
    except cache.BrokenPackage as error:
        state = str(error)
    if build and state != "at hand":
        started = time.perf_counter()
        selection.build_program(program, model, folder, "as asked")
        state = f"built in {time.perf_counter() - started:.1f} s"
    print(f"{program.name:10s} {package}  {state}")


if __name__ == "__main__":
    sys.exit(main())
