"""`python -m nanobrag_torch.refine config.yaml`: refine an experiment against measured images.

Writes refinement.json, report.md, convergence.png and images.png. Exit status 0; 2 with one line for a user's mistake;
1 if the refinement did not converge (its files are still written).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "nanobrag_torch.refine"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("config", type=Path, help="YAML file; its paths are relative to its folder")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: refined, beside the config")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a configuration; returns the exit status."""
    from nanobrag_torch.faults import guarded

    options = _parser().parse_args(argv)
    return guarded(PROGRAM, lambda: _main(options))


def _main(options: argparse.Namespace) -> int:
    from nanobrag_torch.cli.tokens import one_line
    from nanobrag_torch.errors import ExperimentError

    try:
        return _run(options.config, options.out or options.config.parent / "refined")
    except (ExperimentError, OSError) as error:
        print(f"{PROGRAM}: error: {one_line(str(error), 500)}", file=sys.stderr)
        return 2


def _run(path: Path, out: Path) -> int:
    from nanobrag_torch.refine.config import load_config

    config = load_config(path)
    from nanobrag_torch.refine.refinement import refine
    from nanobrag_torch.refine.summary import write_report

    with _progress() as progress:
        outcome = refine(config, path.parent, progress)
    write_report(outcome, out)
    columns = zip(
        outcome.problem.names, outcome.values.tolist(), outcome.sigmas.tolist(), outcome.problem.units, strict=True
    )
    for name, value, sigma, unit in columns:
        print(f"{name:15s} {value:16.9g} +- {sigma:.2g} {unit}")
    for frozen in outcome.frozen:
        print(f"{frozen.name:15s} not refined: {frozen}")
    for outlier in outcome.outliers:
        print(f"one pixel decides: {outlier}")
    state = "converged" if outcome.converged else "not converged"
    print(f"{state}, {outcome.target} target per pixel {outcome.target_per_pixel:.5g}; see {out}")
    return 0 if outcome.converged else 1


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar on standard error while it is a terminal; yields the callable that moves it, or None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda text, done, total: bar.update(task, description=text, completed=done, total=total)


if __name__ == "__main__":
    raise SystemExit(main())
