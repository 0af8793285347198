"""A CUDA edition of nanoBragg beside: whole processes, and kernels by the program's own events where it prints them."""

from __future__ import annotations

import os
import re
import shlex
import statistics
import subprocess
import time
from collections.abc import Iterator
from functools import partial

from nanobrag_bench.gpu.rows import Row, Task, check, figure, milliseconds, not_run
from nanobrag_bench.gpu.runs import Plan
from nanobrag_bench.gpu.times import images

PROGRAM = "NB_CUDA_BIN"  # names the program, with flags of its own if it needs some
_KERNEL = re.compile(r"kernel[^\n]*?([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(ms|us|s)\b", re.IGNORECASE)
_IN_MS = {"ms": 1.0, "us": 1e-3, "s": 1e3}
_LONGEST_S = 15.0


def tasks(plan: Plan) -> Iterator[Task]:
    """Every timed image; one that says why, where no program is named."""
    named = shlex.split(os.environ.get(PROGRAM, ""))
    if not named:
        why = f"{PROGRAM} names no program; set it to a CUDA edition of nanoBragg to have it timed beside"
        yield PROGRAM, lambda: iter([not_run(PROGRAM, why)])
        return
    for subject, line in images(plan.extent).items():
        yield f"{PROGRAM}, {subject}", partial(_timed, plan, [*named, *line.split()], subject)


def kernels_ms(said: str) -> list[float]:
    """The times of kernels that a program prints."""
    return [float(number) * _IN_MS[unit.lower()] for number, unit in _KERNEL.findall(said)]


def _timed(plan: Plan, command: list[str], subject: str) -> Iterator[Row]:
    walls, kernels = [], []
    for _ in range(max(2, plan.repeats // 3)):
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "-floatfile", os.devnull, "-intfile", os.devnull, "-nonoise", "-nopgm"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST_S,
        )
        walls.append(time.perf_counter() - started)
        said = done.stdout + done.stderr
        if done.returncode != 0:
            why = f"ended with {done.returncode}: {' '.join(said.split())[-120:]}"
            yield check(f"{PROGRAM}, {subject}", False, why)
            return
        kernels.append(sum(kernels_ms(said)))
    yield milliseconds(f"{PROGRAM}, process, {subject}", statistics.median(walls))
    if any(kernels):
        yield figure(f"{PROGRAM}, kernels, {subject}", statistics.median(kernels), "ms", "as it prints them")
    else:
        yield Row("note", f"{PROGRAM}, {subject}: it prints no times of kernels")
