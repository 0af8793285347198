"""`python -m trace_audit.matrix`: one experiment with every available compiler, option, backend, type and device.

The strictest is the first compiler without optimisation. Exit status: 0 all results are within the tolerance of it, 1
some are not, 2 bad input. If a compiler option exceeds the tolerance, the source files responsible for it are searched.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from trace_audit.config.scenario import add_scenario_options, require_one_experiment
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.inputs.prepare import prepared_experiment
from trace_audit.matrix.c_build import Build, build
from trace_audit.matrix.cells import Experiment, Outcome, distance, run_c, run_torch
from trace_audit.matrix.culprits import culprits
from trace_audit.matrix.report import Cell, Matrix, as_json, as_markdown, as_svg
from trace_audit.matrix.variants import COMPILERS, STRICTEST, CVariant, Plan, Variant, plan

OUR_SOURCE = Path(__file__).resolve().parents[2] / "nanobragg_c"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.matrix", description=__doc__, allow_abbrev=False)
    add_scenario_options(parser, required=False)
    parser.add_argument("--flags", metavar="'-cell ...'", help="the experiment as one nanoBragg command line")
    parser.add_argument("--pixel", type=int, nargs=2, metavar=("SLOW", "FAST"), help="the traced pixel")
    parser.add_argument("--compilers", nargs="+", default=COMPILERS, metavar="CC", help="C compilers (gcc clang)")
    parser.add_argument("--source", type=Path, default=OUR_SOURCE, metavar="DIR", help="the C program (ours)")
    parser.add_argument("--no-torch", action="store_true", help="the C program alone")
    parser.add_argument("--time-limit-s", type=float, default=300.0, metavar="SECONDS", help="of one run")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="matrix.md, matrix.svg, matrix.json")
    return parser


def main(argv: list[str]) -> int:
    """Compute all cells, write the table and the picture."""
    options = _parser().parse_args(argv)
    require_one_experiment(options)
    planned = plan(options.compilers, torch=not options.no_torch)
    if not planned.variants or not isinstance(planned.variants[0], CVariant):
        raise InputError(f"no C compiler: {'; '.join(': '.join(row) for row in planned.left_out)}; install gcc")
    with tempfile.TemporaryDirectory(prefix="matrix-") as away:
        name, experiment = _experiment(options, Path(away))
        matrix = _matrix(options, planned, name, experiment, Path(away))
    _say("")
    write_atomic(options.out / "matrix.json", readable_json(as_json(matrix)))
    write_atomic(options.out / "matrix.svg", as_svg(matrix))
    write_atomic(options.out / "matrix.md", as_markdown(matrix))
    print(as_markdown(matrix), end="")
    return int(any(cell.distance.is_beyond for cell in matrix.cells))


def _experiment(options: argparse.Namespace, away: Path) -> tuple[str, Experiment]:
    if options.flags is not None:
        if options.pixel is None:
            raise InputError("--pixel SLOW FAST is missing: a command line (--flags) does not name the pixel to trace")
        return "this experiment", Experiment(tuple(shlex.split(options.flags)), (options.pixel[0], options.pixel[1]))
    name, pixel, argv = prepared_experiment(options, away / "inputs")
    return name, Experiment(tuple(argv), pixel)


def _matrix(options: argparse.Namespace, planned: Plan, name: str, experiment: Experiment, away: Path) -> Matrix:
    builds: dict[Variant, Build] = {}
    strict: Outcome | None = None
    cells, left_out = [], list(planned.left_out)
    for number, variant in enumerate(planned.variants, 1):
        _say(f"{number} of {len(planned.variants)}: {variant.name}")
        if isinstance(variant, CVariant):
            builds[variant] = build(options.source, variant, away / f"build{number}")
            outcome = run_c(builds[variant].program, experiment, options.time_limit_s)
        else:
            outcome = run_torch(variant, experiment)
            if outcome.failure is not None and outcome.failure.startswith("not compiled"):
                left_out.append((variant.name, outcome.failure))
                continue
        if strict is None:
            if outcome.failure is not None:
                raise InputError(f"{variant.name}, the strictest, {outcome.failure}")
            strict = outcome
        cells.append(_cell(variant, strict, outcome, builds, experiment, options.time_limit_s))
    compilers = dict.fromkeys(built.variant.compiler for built in builds.values())
    versions = {compiler: _version(compiler) for compiler in compilers}
    return Matrix(name, experiment.pixel, planned.variants[0].name, tuple(cells), tuple(left_out), versions)


def _cell(
    variant: Variant,
    strict: Outcome,
    outcome: Outcome,
    builds: dict[Variant, Build],
    experiment: Experiment,
    time_limit_s: float,
) -> Cell:
    dtype = variant.dtype
    difference = distance(strict, outcome, dtype)
    if not isinstance(variant, CVariant) or not difference.is_beyond or variant.options == STRICTEST:
        return Cell(variant, difference)
    base = CVariant(variant.compiler, STRICTEST, variant.openmp)
    return Cell(
        variant, difference, culprits(builds[base], builds[variant], experiment, difference, time_limit_s, _say)
    )


def _version(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], text=True, capture_output=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


def _say(text: str) -> None:
    """Progress: one changing line on a terminal, otherwise a line for each message."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(run_command(main))
