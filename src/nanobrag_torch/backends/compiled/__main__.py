"""python -m nanobrag_torch.backends.compiled build -- [flags of the simulator]: compile ahead what flags would use.

Without flags it compiles for the plainest experiment: a table of amplitudes, SQUARE crystal, flat detector.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from nanobrag_torch.backends.compiled import cache, selection
from nanobrag_torch.backends.compiled.capture import Unrecordable
from nanobrag_torch.backends.compiled.programs import PROGRAMS, Program, needed
from nanobrag_torch.cli.experiment_builder import compute_target
from nanobrag_torch.cli.parse import parse
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.model import Model
from nanobrag_torch.parameters import Experiment, ReflectionTable, StructureFactors
from nanobrag_torch.simulator import Simulation


def main(argv: list[str] | None = None) -> int:
    """Build, or list, the programs of an experiment; exit code 0, or 2 with one line on standard error."""
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    try:
        folder = cache.directory()
        if folder is None:
            raise ExperimentError(f"no home directory; name a folder for compiled code in {cache.DIRECTORY_VARIABLE}")
        for dtype in arguments.dtype:
            model = _model(arguments.flags, *compute_target(arguments.device, dtype))
            if not selection.compilable(model):
                raise ExperimentError("interpolated amplitudes and the running product are never compiled")
            for name in needed(model, torch.float32):
                _report(PROGRAMS[name], model, folder, arguments.command == "build")
    except (ExperimentError, Unrecordable, OSError, RuntimeError) as error:
        print(f"nanobrag_torch.backends.compiled: error: {' '.join(str(error).split())[:400]}", file=sys.stderr)
        return 2
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nanobrag_torch.backends.compiled", description=__doc__)
    parser.add_argument("command", choices=["build", "list"])
    parser.add_argument("--dtype", nargs="+", choices=["float32", "float64"], default=["float32", "float64"])
    parser.add_argument("--device", default="cpu")
    end = argv.index("--") if "--" in argv else len(argv)
    arguments = parser.parse_args(argv[:end])
    arguments.flags = argv[end + 1 :]
    return arguments


def _model(flags: list[str], device: str, dtype: torch.dtype) -> Model:
    return Simulation(parse(flags).experiment if flags else _plainest(), device, dtype).model


def _plainest() -> Experiment:
    table = ReflectionTable(torch.ones((3, 3, 3), dtype=torch.float64), -1, -1, -1)
    base = parse(["-cell", "50", "60", "70", "90", "90", "90", "-N", "5", "-default_F", "1"]).experiment
    return replace(base, structure_factors=StructureFactors(table=table))


def _report(program: Program, given: Model, folder: Path, build: bool) -> None:
    package = cache.package_path(folder, cache.key_of(program, given))
    try:
        state = "missing" if cache.find(program, given, folder) is None else "at hand"
    except cache.BrokenPackage as error:
        state = str(error)
    if build and state != "at hand":
        started = time.perf_counter()
        selection.build_program(program, given, folder, "as asked")
        state = f"built in {time.perf_counter() - started:.1f} s"
    print(f"{program.name:10s} {package}  {state}")


if __name__ == "__main__":
    sys.exit(main())
