"""Cost against the number of steps over three decades, torch by compiled code throughout, beside the C program.

All numbers of steps are taken in turn. Judged in the last two decades, where the start hardly counts: how far seconds
are from the line start + slope x steps, of the longest of them, and the exponent of the power law, which is above one
where a step costs more the more there are.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench, square, steps
from nanobrag_bench.parts.kernel import c_simulation
from nanobrag_bench.programs import DTYPES, PLAIN, torch_words
from nanobrag_bench.series import Figures, at_most, in_turn, row
from nanobrag_bench.workers import Worker

SHAPES = ((1, 1), (2, 1), (5, 1), (10, 1), (10, 2), (10, 5), (10, 10), (10, 20), (10, 50), (10, 100))  # phi, mosaic
_EXPONENT, _OFF_LINE = 1.1, 0.05
_LONG_ENOUGH_S = 0.2


class Point(NamedTuple):
    """A program at one number of steps, and what runs it once."""

    program: str
    steps: int
    work: Callable[[], Figures]


def run(bench: Bench) -> dict[str, Any]:
    with ExitStack() as stack:
        points = [point for phi, mosaic in SHAPES for point in _points(bench, phi, mosaic, stack)]
        works = {f"{job.program}, {job.steps} steps": job.work for job in points}
        found_rows = _rows(points, in_turn(works, bench.repeats).values())
    names = list(dict.fromkeys(job["program"] for job in found_rows))
    laws = {name: law_of([job for job in found_rows if job["program"] == name]) for name in names}
    return {
        "title": f"simulation alone against steps, {bench.sizes.steps} x {bench.sizes.steps} pixels",
        "rows": found_rows,
        "ratios": [],
        "laws": laws,
        "goals": [goal for dtype in DTYPES for goal in _goals(f"torch {dtype}", laws[f"torch {dtype}"])],
    }


def _points(bench: Bench, phi: int, mosaic: int, stack: ExitStack) -> list[Point]:
    """The C program, and torch in both types, each in a process that has done that image once."""
    side, ready = bench.sizes.steps, compiled.one_code(bench.cache)
    argv = [*bench.words, *square(side), *steps(phi=phi, mosaic=mosaic)]
    count = side * side * phi * mosaic
    points = [Point(PLAIN, count, partial(c_simulation, bench.plain.binary, argv))]
    for dtype in DTYPES:
        worker = stack.enter_context(Worker(torch_words(argv, dtype), ready))
        worker.ask("image")
        points.append(Point(f"torch {dtype}", count, partial(_image, worker)))
    return points


def _image(worker: Worker) -> Figures:
    """The median over several images, since a single small one ends before a core reaches its speed."""
    runs = [worker.ask("image")]
    while sum(figures["wall_s"] for figures in runs) < _LONG_ENOUGH_S:
        runs.append(worker.ask("image"))
    return {figure: statistics.median(figures[figure] for figures in runs) for figure in runs[0]}


def _rows(points: list[Point], runs: Iterable[list[Figures]]) -> list[dict[str, Any]]:
    found_rows = []
    for point, measured in zip(points, runs, strict=True):
        line = row(point.program, f"{point.steps} steps", "s", [figures["wall_s"] for figures in measured])
        if line["median"] > 0:  # the difference of two C processes can be 0 if the work is small
            found_rows.append({**line, "steps": point.steps})
    return found_rows


def _goals(name: str, law: dict[str, float]) -> list[dict[str, Any]]:
    return [
        at_most(f"{name}, furthest from a line / longest", law["off_line"], _OFF_LINE),
        at_most(f"{name}, exponent", law["exponent"], _EXPONENT),
    ]


def law_of(of_program: list[dict[str, Any]]) -> dict[str, float]:
    """The line seconds = start + slope x steps and the exponent of a power law, by least squares over two decades.

    `off_line` is the largest distance of a median from the line, of the longest median.
    """
    count = np.array([point["steps"] for point in of_program], dtype=np.float64)
    seconds = np.array([point["median"] for point in of_program])
    many = count >= count.max() / 100
    count, seconds = count[many], seconds[many]
    step_s, start_s = np.polyfit(count, seconds, 1)
    exponent, _ = np.polyfit(np.log(count), np.log(seconds), 1)
    return {
        "start_s": float(start_s),
        "ns_per_step": float(step_s * 1e9),
        "off_line": float(np.abs(seconds - (start_s + step_s * count)).max() / seconds.max()),
        "exponent": float(exponent),
    }
