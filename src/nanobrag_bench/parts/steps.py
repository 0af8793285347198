"""Cost against the number of steps over three decades: a straight line, and the exponent of the power law."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from typing import Any

import numpy as np

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench, square, steps
from nanobrag_bench.parts.kernel import c_simulation
from nanobrag_bench.programs import DTYPES, PLAIN, torch_words
from nanobrag_bench.series import at_most, in_turn, rows
from nanobrag_bench.workers import Worker

SHAPES = ((1, 1), (2, 1), (5, 1), (10, 1), (10, 2), (10, 5), (10, 10), (10, 20), (10, 50), (10, 100))  # phi, mosaic
_EXPONENT = 1.1


def run(bench: Bench) -> dict[str, Any]:
    side = bench.sizes.steps
    found_rows: list[dict[str, Any]] = []
    for phi, mosaic in SHAPES:
        runs = _at(bench, [*bench.words, *square(side), *steps(phi=phi, mosaic=mosaic)])
        count = side * side * phi * mosaic
        found_rows += [{**one, "steps": count} for one in rows(runs, f"{count} steps", "s", "wall_s")]
    names = list(dict.fromkeys(one["program"] for one in found_rows))
    laws = {name: power_law([one for one in found_rows if one["program"] == name]) for name in names}
    return {
        "title": f"simulation alone against steps, {side} x {side} pixels",
        "rows": found_rows,
        "ratios": [],
        "laws": laws,
        "goals": [
            at_most(f"exponent over the last two decades, torch {dtype}", laws[f"torch {dtype}"]["exponent"], _EXPONENT)
            for dtype in DTYPES
        ],
    }


def power_law(of_program: list[dict[str, Any]]) -> dict[str, float]:
    """time = start + seconds a step x steps, by least squares of relative errors; exponent of the last two decades."""
    count = np.array([one["steps"] for one in of_program], dtype=np.float64)
    seconds = np.array([one["median"] for one in of_program])
    design = np.stack([np.ones_like(count), count], axis=1) / seconds[:, np.newaxis]
    start_s, step_s = np.linalg.lstsq(design, np.ones_like(seconds), rcond=None)[0]
    many = count >= count.max() / 100
    exponent = np.polyfit(np.log(count[many]), np.log(seconds[many]), 1)[0]
    return {"exponent": float(exponent), "ns_per_step": float(step_s * 1e9), "start_s": float(start_s)}


def _at(bench: Bench, words: list[str]) -> dict:
    """Runs at one number of steps: torch in both types, and the C program."""
    plain = next(one for one in bench.programs if one.name == PLAIN)
    with ExitStack() as stack:
        actions = {PLAIN: lambda: c_simulation(plain.binary, words)}
        for dtype in DTYPES:
            worker = stack.enter_context(Worker(torch_words(words, dtype), compiled.environment(bench.cache)))
            worker.ask("image")
            actions[f"torch {dtype}"] = lambda worker=worker: worker.ask("image")
        runs = in_turn(actions, bench.repeats)
    # a difference of two processes can come out at nothing where the work is
    return {name: found for name, found in runs.items() if statistics.median(one["wall_s"] for one in found) > 0}
