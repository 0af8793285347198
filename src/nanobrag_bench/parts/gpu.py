"""The same image on a GPU, where there is one: simulation alone, and the whole process."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench
from nanobrag_bench.parts.process import whole
from nanobrag_bench.programs import DTYPES, torch_command, torch_words
from nanobrag_bench.series import in_turn, rows
from nanobrag_bench.workers import Worker


def why_not() -> str | None:
    """Why nothing can be timed on a GPU here; None where one is ready."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    return None if torch.cuda.is_available() else "torch sees no CUDA device"


def run(bench: Bench) -> dict[str, Any]:
    title = f"image of scenario {bench.scenario} on a GPU"
    reason = why_not()
    if reason is not None:
        return {"title": title, "rows": [], "ratios": [], "goals": [], "not_run": reason}
    environment = compiled.environment(bench.cache)
    with ExitStack() as stack:
        actions, processes = {}, {}
        for dtype in DTYPES:
            worker = stack.enter_context(Worker(torch_words(bench.words, dtype, "cuda"), environment))
            worker.ask("image")
            name = f"torch cuda {dtype}"
            actions[name] = lambda worker=worker: worker.ask("image")
            command = torch_command(bench.words, dtype, "cuda")
            processes[name] = lambda command=command: whole(command, environment)
        simulated = in_turn(actions, bench.repeats)
    whole_runs = in_turn(processes, bench.repeats)
    return {
        "title": title,
        "rows": [*rows(simulated, "simulation", "s", "wall_s"), *rows(whole_runs, "process", "s", "wall_s")],
        "ratios": [],
        "goals": [],
    }
