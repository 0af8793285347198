"""The whole process, start to last file: torch with an empty cache of compiled code, and with one built before.

A run for one pixel of the same detector tells how much of that is start, reading and writing. A process that does
nothing but `import torch` is measured beside them: what remains is the program's own.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import ONE_PIXEL, Bench
from nanobrag_bench.measure import measure
from nanobrag_bench.programs import DTYPES, PLAIN, torch_command
from nanobrag_bench.series import Figures, at_most, in_turn, less, ratios, row, rows

_START = ", one pixel"
IMPORT = "import torch"
OWN_S = 0.35  # of a whole process, less the import of torch


def run(bench: Bench) -> dict[str, Any]:
    ready = compiled.environment(bench.cache)
    actions: dict[str, Callable[[], Figures]] = {
        program.name: partial(whole, [str(program.binary), *bench.words]) for program in bench.programs
    }
    for dtype in DTYPES:
        command, one_pixel = (torch_command([*bench.words, *more], dtype) for more in ([], ONE_PIXEL))
        actions[f"torch {dtype} cold"] = partial(cold, command)
        actions[f"torch {dtype}"] = partial(whole, command, ready)
        actions[f"torch {dtype}{_START}"] = partial(whole, one_pixel, ready)
    actions[f"{PLAIN}{_START}"] = partial(whole, [str(bench.plain.binary), *bench.words, *ONE_PIXEL])
    actions[IMPORT] = import_torch
    runs = in_turn(actions, bench.repeats)
    images = [name for name in runs if not name.endswith(_START) and name != IMPORT]
    own = {f"{name} less {IMPORT}": less(runs, name, IMPORT) for name in (f"torch {dtype}" for dtype in DTYPES)}
    pairs = [(name, c) for c in images if not c.startswith("torch") for name in images if name.startswith("torch")]
    ratios_of_pairs = ratios(
        runs, [*pairs, *((name, name.removesuffix(_START)) for name in runs if name.endswith(_START))]
    )
    return {
        "title": f"whole process, image of scenario {bench.scenario}",
        "rows": [
            *rows(runs, "process", "s", "wall_s"),
            *(row(name, "process", "s", seconds) for name, seconds in own.items()),
            *rows(runs, "process, CPU", "s", "cpu_s"),
            *rows(runs, "process, memory", "MiB", "peak_MiB"),
        ],
        "ratios": ratios_of_pairs,
        "goals": [at_most(f"{name}, s", statistics.median(seconds), OWN_S) for name, seconds in own.items()],
    }


def import_torch() -> dict[str, float]:
    """A process that does nothing but `import torch`."""
    return whole([sys.executable, "-c", IMPORT])


def whole(command: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    """Wall and CPU seconds and peak memory of one process.

    Raises InputError if it fails, or if `environment` demands compiled code and it used none.
    """
    figures = measure(command, environment)
    compiled.check_used(figures.messages, environment or {})
    return {"wall_s": figures.wall_s, "cpu_s": figures.cpu_s, "peak_MiB": figures.peak_MiB}


def cold(command: list[str]) -> dict[str, float]:
    """As `whole`, with nothing compiled before: the kernel is recorded, built by the C compiler, and then used."""
    with tempfile.TemporaryDirectory(prefix="bench-cache-") as empty:
        return whole(command, compiled.environment(Path(empty)))
