"""Forward and backward against forward alone, all by compiled code: time inside a process, memory of the process."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench, from_a_cell, square
from nanobrag_bench.programs import DTYPES, torch_words
from nanobrag_bench.series import Runs, at_most, in_turn, median_ratio, ratios, row, rows
from nanobrag_bench.workers import Worker

BY = (
    *("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma"),
    *("misset_x", "misset_y", "misset_z", "distance"),
)
# `gradient` and `simulate` are one call with derivatives and without; `image` has resolved the experiment before.
WORKS = ("image", "simulate", "gradient")
_TIME, _BYTES_A_PIXEL = 4, 100
_BYTES_PER_MIB = 2**20


def run(bench: Bench) -> dict[str, Any]:
    side = bench.sizes.gradient
    _, few = _of_size(bench, side // 2, bench.repeats)
    runs, many = _of_size(bench, side, bench.repeats)
    pairs = [(f"torch {dtype} gradient", f"torch {dtype} simulate") for dtype in DTYPES]
    ratios_of_pairs = ratios(runs, [*pairs, *((f"torch {dtype} gradient", f"torch {dtype} image") for dtype in DTYPES)])
    more_pixels = side**2 - (side // 2) ** 2
    growth = {name: (many[name] - few[name]) * _BYTES_PER_MIB / more_pixels for name in many}
    return {
        "title": f"derivatives by cell, orientation and distance, {side} x {side} pixels",
        "by": list(BY),
        "rows": [
            *rows(runs, "simulation", "s", "wall_s"),
            *(row(name, f"{side // 2} x {side // 2} pixels, peak memory", "MiB", [peak]) for name, peak in few.items()),
            *(row(name, f"{side} x {side} pixels, peak memory", "MiB", [peak]) for name, peak in many.items()),
            *(row(name, "memory of a further pixel", "B", [grown]) for name, grown in growth.items()),
        ],
        "ratios": ratios_of_pairs,
        "goals": [
            *(
                at_most(f"{slower} / {faster}", median_ratio(ratios_of_pairs, slower, faster), _TIME)
                for slower, faster in pairs
            ),
            at_most(
                "gradient, memory of a further pixel, B", max(growth[slower] for slower, _ in pairs), _BYTES_A_PIXEL
            ),
        ],
    }


def _of_size(bench: Bench, side: int, repeats: int) -> tuple[Runs, dict[str, float]]:
    """Runs of all works in turn, each in a process of its own that has done it once, and that process' peak memory."""
    argv = [*from_a_cell(bench.words), *square(side)]
    with ExitStack() as stack:
        workers, actions = {}, {}
        for dtype in DTYPES:
            for work in WORKS:
                name = f"torch {dtype} {work}"
                worker = Worker(torch_words(argv, dtype), compiled.one_code(bench.cache), BY)
                workers[name] = stack.enter_context(worker)
                workers[name].ask(work)
                actions[name] = partial(workers[name].ask, work)
        runs = in_turn(actions, repeats)
    return runs, {name: worker.peak_MiB for name, worker in workers.items()}
