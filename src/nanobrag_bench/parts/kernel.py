"""The simulation alone: torch times it inside its process; of C it is the whole image less a run of one pixel."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import ONE_PIXEL, Bench
from nanobrag_bench.measure import measure
from nanobrag_bench.programs import DTYPES, PLAIN, TUNED, torch_words
from nanobrag_bench.series import Runs, at_least, at_most, in_turn, median_ratio, ratios, rows
from nanobrag_bench.workers import Worker

_CLASSIC_S = 3.66


def run(bench: Bench) -> dict[str, Any]:
    with ExitStack() as stack:
        actions = {
            program.name: lambda program=program: c_simulation(program.binary, bench.words)
            for program in bench.programs
        }
        for dtype in DTYPES:
            argv = torch_words(bench.words, dtype)
            worker = stack.enter_context(Worker(argv, compiled.environment(bench.cache)))
            worker.ask("image")  # the first call also loads code and memory, as a C program's start does
            actions[f"torch {dtype}"] = lambda worker=worker: worker.ask("image")
        runs = in_turn(actions, bench.repeats)
    ratios_of_pairs = ratios(
        runs, [(c, f"torch {dtype}") for c in runs if not c.startswith("torch") for dtype in DTYPES]
    )
    return {
        "title": f"simulation alone, image of scenario {bench.scenario}",
        "rows": [*rows(runs, "simulation", "s", "wall_s"), *rows(runs, "simulation, CPU", "s", "cpu_s")],
        "ratios": ratios_of_pairs,
        "goals": [
            at_least(f"{PLAIN} / torch float32", median_ratio(ratios_of_pairs, PLAIN, "torch float32"), 20),
            at_least(f"{PLAIN} / torch float64", median_ratio(ratios_of_pairs, PLAIN, "torch float64"), 10),
            at_least(f"{TUNED} / torch float32", median_ratio(ratios_of_pairs, TUNED, "torch float32"), 6),
            *_classic(bench, runs),
        ],
    }


def _classic(bench: Bench, runs: Runs) -> list[dict[str, Any]]:
    """Our C program beside the 3.66 s of the classic one, which are known for one scenario on two cores."""
    if bench.scenario != "supervisor":
        return []
    seconds = statistics.median(figures["wall_s"] for figures in runs[PLAIN])
    return [at_most(f"{PLAIN}, s (the classic program took {_CLASSIC_S})", seconds, _CLASSIC_S)]


def c_simulation(binary: Path, argv: list[str]) -> dict[str, float]:
    """Seconds of the loops of a C program."""
    image, start = (measure([str(binary), *argv, *more]) for more in ([], ONE_PIXEL))
    return {"wall_s": image.wall_s - start.wall_s, "cpu_s": image.cpu_s - start.cpu_s}
