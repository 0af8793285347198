"""A large job, whole process: 10 phi steps x 50 mosaic domains x 4 sources at every pixel.

The goal leaves out what `import torch` takes, which no job changes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench, square, steps
from nanobrag_bench.parts.process import IMPORT, import_torch, whole
from nanobrag_bench.programs import DTYPES, PLAIN, torch_command
from nanobrag_bench.series import Figures, LongRuns, at_least, in_turn, less, ratios, rows

PHI, MOSAIC, SOURCES = 10, 50, 4
LONG_S, LONG_REPEATS = 30, 3


def run(bench: Bench) -> dict[str, Any]:
    side = bench.sizes.large
    argv = [*bench.words, *square(side), *steps(phi=PHI, mosaic=MOSAIC, sources=SOURCES)]
    actions: dict[str, Callable[[], Figures]] = {
        program.name: partial(whole, [str(program.binary), *argv]) for program in bench.programs
    }
    for dtype in DTYPES:
        command = torch_command(argv, dtype)
        actions[f"torch {dtype}"] = partial(whole, command, compiled.environment(bench.cache))
    actions[IMPORT] = import_torch
    long = LongRuns(frozenset(program.name for program in bench.programs), LONG_S, LONG_REPEATS)
    runs = in_turn(actions, bench.repeats, long)
    c_programs = [program.name for program in bench.programs]
    ratios_of_pairs = ratios(runs, [(c, f"torch {dtype}") for c in c_programs if c in runs for dtype in DTYPES])
    own_s = less(runs, "torch float32", IMPORT)
    faster = [program["wall_s"] / seconds for program, seconds in zip(runs[PLAIN], own_s, strict=False)]
    total = side * side * PHI * MOSAIC * SOURCES
    return {
        "title": f"large job, {side} x {side} pixels, {total:.3g} steps, whole process",
        "steps": total,
        "repeats": {name: len(ratios_of_pairs) for name, ratios_of_pairs in runs.items()},
        "repeats_why": f"a C program whose first run takes more than {LONG_S} s runs {LONG_REPEATS} times; "
        "ratios are of the turns that both ran in",
        "rows": [*rows(runs, "process", "s", "wall_s"), *rows(runs, "peak memory", "MiB", "peak_MiB")],
        "ratios": ratios_of_pairs,
        "goals": [at_least(f"{PLAIN} / torch float32 less {IMPORT}", statistics.median(faster), 10)],
    }
