"""The parts of the benchmark, by name: each takes a `Bench` and returns rows, ratios and goals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nanobrag_bench.case import Bench
from nanobrag_bench.parts import gpu, gradient, kernel, large, memory, process, steps

PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "kernel": kernel.run,
    "process": process.run,
    "large": large.run,
    "memory": memory.run,
    "gradient": gradient.run,
    "steps": steps.run,
    "gpu": gpu.run,
}
