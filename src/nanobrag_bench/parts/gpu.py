"""The same image on a GPU, where there is one: simulation alone, and the whole process, beside the C program.

A CUDA edition of nanoBragg that NB_CUDA_BIN names is timed too: its process, and its kernels where it prints their
times. Then come the checks and times of `gpu-check`, frames of a campaign among them, with its goals.
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
from nanobrag_bench.gpu import goals
from nanobrag_bench.gpu.beside import PROGRAM as CUDA_PROGRAM
from nanobrag_bench.gpu.beside import kernels_ms
from nanobrag_bench.gpu.check import measured
from nanobrag_bench.gpu.times import about
from nanobrag_bench.measure import measure
from nanobrag_bench.parts.kernel import c_simulation
from nanobrag_bench.parts.process import whole
from nanobrag_bench.programs import DTYPES, PLAIN, torch_command, torch_words
from nanobrag_bench.series import Figures, Runs, in_turn, ratios, row, rows
from nanobrag_bench.workers import Worker
from trace_audit.core.errors import InputError

DEVICE = "cuda"
_PROCESS = ", process"
LEFT_OUT = (
    "left out: simulation and process on a GPU, images, derivatives, frames of a campaign with and without noise, "
    f"{CUDA_PROGRAM} beside, and all checks on a GPU"
)


def why_not() -> str | None:
    """Why nothing can be timed on a GPU here; None if one is ready."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    return None if torch.cuda.is_available() else "torch sees no CUDA device"


def run(bench: Bench) -> dict[str, Any]:
    title = f"on a GPU: image of scenario {bench.scenario}, then the checks and times of gpu-check"
    reason = why_not()
    if reason is not None:
        return {"title": title, "rows": [], "ratios": [], "goals": [], "not_run": f"{reason}; {LEFT_OUT}"}
    beside, notes = _beside(bench)
    simulated, processes = _simulations(bench), _processes(bench, beside)
    more = measured(DEVICE, bench.repeats)
    names = [f"torch {DEVICE} {dtype}" for dtype in DTYPES]
    pairs = [(f"{PLAIN}{kind}", f"{name}{kind}") for kind in ("", _PROCESS) for name in names]
    pairs += [(f"{CUDA_PROGRAM}{_PROCESS}", f"{name}{_PROCESS}") for name in names]
    return {
        "title": title,
        "rows": [
            *rows(simulated, "simulation", "s", "wall_s"),
            *rows(processes, "process", "s", "wall_s"),
            *_kernels(processes),
            *(
                row(f"torch {DEVICE}", figure.name, figure.unit, [figure.value])
                for figure in more
                if figure.value is not None
            ),
        ],
        "ratios": ratios({**simulated, **processes}, pairs),
        "goals": [_goal(verdict) for verdict in goals.verdicts(more)],
        "notes": [
            *notes,
            *(figure.as_text().strip() for figure in more if not figure.holds or figure.kind == "not run"),
        ],
        "about": about(DEVICE),
    }


def _goal(verdict: goals.Verdict) -> dict[str, Any]:
    """A goal of gpu-check as one of the benchmark."""
    wanted = verdict.wanted if verdict.value is not None else f"{verdict.wanted}: {verdict.measured}"
    return {"goal": verdict.goal, "wanted": wanted, "measured": verdict.value, "met": verdict.met}


def _beside(bench: Bench) -> tuple[list[str], list[str]]:
    """The command of the CUDA program that is named, if it runs; and why there is none."""
    named = shlex.split(os.environ.get(CUDA_PROGRAM, ""))
    if not named:
        return [], [f"{CUDA_PROGRAM} names no program: no CUDA edition of nanoBragg is timed beside"]
    try:
        measure([*named, *bench.words])
    except (InputError, OSError) as error:
        return [], [f"{CUDA_PROGRAM} is not timed: {error}"]
    return [*named, *bench.words], []


def _timed_beside(command: list[str]) -> Figures:
    """Wall and CPU seconds of a process, and those of kernels that it prints."""
    figures = measure(command)
    kernels = kernels_ms(figures.said + figures.messages)
    return {"wall_s": figures.wall_s, "cpu_s": figures.cpu_s, "kernels_s": sum(kernels) / 1e3}


def _kernels(processes: Runs) -> list[dict[str, Any]]:
    name = f"{CUDA_PROGRAM}{_PROCESS}"
    seconds = [figures["kernels_s"] for figures in processes.get(name, [])]
    return [row(CUDA_PROGRAM, "kernels, as it prints them", "s", seconds)] if any(seconds) else []


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


def _processes(bench: Bench, beside: list[str]) -> Runs:
    """Whole processes, which all start the GPU and have its driver compile the kernel."""
    ready = compiled.environment(bench.cache)
    actions: dict[str, Callable[[], Figures]] = {
        f"{PLAIN}{_PROCESS}": partial(whole, [str(bench.plain.binary), *bench.words])
    }
    if beside:
        actions[f"{CUDA_PROGRAM}{_PROCESS}"] = partial(_timed_beside, beside)
    for dtype in DTYPES:
        command = torch_command(bench.words, dtype, DEVICE)
        actions[f"torch {DEVICE} {dtype}{_PROCESS}"] = partial(whole, command, ready)
    return in_turn(actions, bench.repeats)
