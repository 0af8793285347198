"""Forward and backward against forward alone: time inside the process, memory of the process."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench, from_a_cell, square
from nanobrag_bench.programs import DTYPES, torch_words
from nanobrag_bench.series import at_most, in_turn, median_ratio, ratios, row, rows
from nanobrag_bench.workers import Worker

BY = (
    *("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma"),
    *("misset_x", "misset_y", "misset_z", "distance"),
)
_TIME, _MEMORY = 4, 2


def run(bench: Bench) -> dict[str, Any]:
    side = bench.sizes.gradient
    small, large = (_of_size(bench, pixels, bench.repeats if pixels == side else 1) for pixels in (side // 2, side))
    runs, peaks = large
    pairs = [(f"torch {dtype} gradient", f"torch {dtype} image") for dtype in DTYPES]
    found = ratios(runs, pairs)
    memory = [row(name, f"{side} x {side} pixels, peak memory", "MiB", [peak]) for name, peak in peaks.items()]
    memory += [
        row(name, f"{side // 2} x {side // 2} pixels, peak memory", "MiB", [peak]) for name, peak in small[1].items()
    ]
    growth = statistics.median(peaks[name] / small[1][name] for name, _ in pairs)
    return {
        "title": f"derivatives by cell, orientation and distance, {side} x {side} pixels",
        "by": list(BY),
        "rows": [*rows(runs, "image, or image and gradient", "s", "wall_s"), *memory],
        "ratios": found,
        "goals": [
            *(at_most(f"{one} / {other}", median_ratio(found, one, other), _TIME) for one, other in pairs),
            at_most("memory at 4 times the pixels / at 1, with gradient", growth, _MEMORY),
        ],
    }


def _of_size(bench: Bench, side: int, repeats: int) -> tuple[dict, dict[str, float]]:
    """Runs of image and gradient in turn, each in a process of its own, and the peak memory of each process."""
    words = [*from_a_cell(bench.words), *square(side)]
    environment = compiled.environment(bench.cache)
    with ExitStack() as stack:
        workers, actions = {}, {}
        for dtype in DTYPES:
            for what in ("image", "gradient"):
                name = f"torch {dtype} {what}"
                workers[name] = stack.enter_context(Worker(torch_words(words, dtype), environment, BY))
                workers[name].ask(what)
                actions[name] = lambda name=name, what=what: workers[name].ask(what)
        runs = in_turn(actions, repeats)
    return runs, {name: worker.peak_MiB for name, worker in workers.items()}
