"""The whole process, start to last file: torch with an empty cache of compiled code, and with one built before."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench
from nanobrag_bench.measure import measure
from nanobrag_bench.programs import DTYPES, PLAIN, torch_command
from nanobrag_bench.series import at_most, in_turn, median_ratio, ratios, rows


def run(bench: Bench) -> dict[str, Any]:
    actions = {one.name: lambda one=one: whole([str(one.binary), *bench.words]) for one in bench.programs}
    for dtype in DTYPES:
        command = torch_command(bench.words, dtype)
        actions[f"torch {dtype} cold"] = lambda command=command: cold(command)
        actions[f"torch {dtype}"] = lambda command=command: whole(command, compiled.environment(bench.cache))
    runs = in_turn(actions, bench.repeats)
    torch_runs = [name for name in runs if name.startswith("torch")]
    found = ratios(runs, [(name, c) for c in runs if c not in torch_runs for name in torch_runs])
    return {
        "title": f"whole process, image of scenario {bench.scenario}",
        "rows": [*rows(runs, "process", "s", "wall_s"), *rows(runs, "process, CPU", "s", "cpu_s")],
        "ratios": found,
        "goals": [
            at_most(f"torch float32 cold / {PLAIN}", median_ratio(found, "torch float32 cold", PLAIN), 1),
            at_most(f"torch float32 / {PLAIN}", median_ratio(found, "torch float32", PLAIN), 0.5),
        ],
    }


def whole(command: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    """Wall and CPU seconds and peak memory of one process."""
    found = measure(command, environment)
    return {"wall_s": found.wall_s, "cpu_s": found.cpu_s, "peak_MiB": found.peak_MiB}


def cold(command: list[str]) -> dict[str, float]:
    """As `whole`, with nothing compiled before."""
    with tempfile.TemporaryDirectory(prefix="bench-cache-") as empty:
        return whole(command, compiled.environment(Path(empty)))
