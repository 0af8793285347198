"""The same image on a GPU, where there is one: simulation alone, and the whole process, beside the C program.

A CUDA edition of nanoBragg that NB_CUDA_BIN names is timed too, as a process.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench
from nanobrag_bench.gpu.beside import PROGRAM as CUDA_PROGRAM
from nanobrag_bench.parts.kernel import c_simulation
from nanobrag_bench.parts.process import whole
from nanobrag_bench.programs import DTYPES, PLAIN, torch_command, torch_words
from nanobrag_bench.series import Figures, Runs, in_turn, ratios, rows
from nanobrag_bench.workers import Worker

DEVICE = "cuda"
_PROCESS = ", process"


def why_not() -> str | None:
    """Why nothing can be timed on a GPU here; None if one is ready."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    return None if torch.cuda.is_available() else "torch sees no CUDA device"


def run(bench: Bench) -> dict[str, Any]:
    title = f"image of scenario {bench.scenario} on a GPU"
    reason = why_not()
    if reason is not None:
        return {"title": title, "rows": [], "ratios": [], "goals": [], "not_run": reason}
    simulated, processes = _simulations(bench), _processes(bench)
    names = [f"torch {DEVICE} {dtype}" for dtype in DTYPES]
    pairs = [(f"{PLAIN}{more}", f"{name}{more}") for more in ("", _PROCESS) for name in names]
    return {
        "title": title,
        "rows": [*rows(simulated, "simulation", "s", "wall_s"), *rows(processes, "process", "s", "wall_s")],
        "ratios": ratios({**simulated, **processes}, pairs),
        "goals": [],
    }


def _simulations(bench: Bench) -> Runs:
    """The simulation alone in a process that has done it before, and the C program's."""
    with ExitStack() as stack:
        actions: dict[str, Callable[[], Figures]] = {PLAIN: partial(c_simulation, bench.plain.binary, bench.words)}
        for dtype in DTYPES:
            argv = torch_words(bench.words, dtype, DEVICE)
            worker = stack.enter_context(Worker(argv, compiled.environment(bench.cache)))
            worker.ask("image")
            actions[f"torch {DEVICE} {dtype}"] = partial(worker.ask, "image")
        return in_turn(actions, bench.repeats)


def _processes(bench: Bench) -> Runs:
    """Whole processes, which all start the GPU and have its driver compile the kernel."""
    ready = compiled.environment(bench.cache)
    actions: dict[str, Callable[[], Figures]] = {
        f"{PLAIN}{_PROCESS}": partial(whole, [str(bench.plain.binary), *bench.words])
    }
    named = shlex.split(os.environ.get(CUDA_PROGRAM, ""))
    if named:
        actions[f"{CUDA_PROGRAM}{_PROCESS}"] = partial(whole, [*named, *bench.words])
    for dtype in DTYPES:
        command = torch_command(bench.words, dtype, DEVICE)
        actions[f"torch {DEVICE} {dtype}{_PROCESS}"] = partial(whole, command, ready)
    return in_turn(actions, bench.repeats)
