"""Largest resident memory: the scenario's image, its growth with the number of steps, a huge detector."""

from __future__ import annotations

from typing import Any

from nanobrag_bench import compiled
from nanobrag_bench.case import Bench, square, steps
from nanobrag_bench.parts.process import whole
from nanobrag_bench.programs import DTYPES, torch_command
from nanobrag_bench.series import at_most, in_turn, row, rows

_BASE = "1 step a pixel"
_FLAGS = {
    _BASE: steps(),
    "64 phi steps": steps(phi=64),
    "64 mosaic domains": steps(mosaic=64),
    "32 sources": steps(sources=32),
    "8 x 8 sub-pixels": steps(oversample=8),
}
_IMAGE_MIB, _GROWTH, _HUGE_MIB = 700, 1.1, 2.5e9 / 2**20


def run(bench: Bench) -> dict[str, Any]:
    ready = compiled.environment(bench.cache)
    actions = {
        program.name: lambda program=program: whole([str(program.binary), *bench.words]) for program in bench.programs
    }
    for dtype in DTYPES:
        actions[f"torch {dtype}"] = lambda dtype=dtype: whole(torch_command(bench.words, dtype), ready)
    image = rows(in_turn(actions, bench.repeats), f"image of {bench.scenario}", "MiB", "peak_MiB")
    growth = [program for dtype in DTYPES for program in _growth(bench, dtype)]
    huge = _huge(bench)
    peaks = {program["program"]: program["median"] for program in image}
    return {
        "title": "largest resident memory",
        "rows": [*image, *growth, *huge],
        "ratios": [],
        "goals": [
            at_most("image, torch float32, MiB", peaks["torch float32"], _IMAGE_MIB),
            at_most("image, torch float64, MiB", peaks["torch float64"], _IMAGE_MIB),
            at_most("32 to 64 steps a pixel / one, the worst", _worst_growth(growth), _GROWTH),
            at_most("huge detector, MiB", huge[0]["median"], _HUGE_MIB),
        ],
    }


def _growth(bench: Bench, dtype: str) -> list[dict[str, Any]]:
    """Peak memory with one step a pixel, and with many of each kind, on a smaller detector; all by compiled code."""
    ready = compiled.one_code(bench.cache)
    argv = [*bench.words, *square(bench.sizes.memory)]
    actions = {
        subject: lambda more=more: whole(torch_command([*argv, *more], dtype), ready)
        for subject, more in _FLAGS.items()
    }
    runs = in_turn(actions, min(bench.repeats, 3))
    side = f"{bench.sizes.memory} x {bench.sizes.memory} pixels"
    return [
        row(f"torch {dtype}", f"{side}, {subject}", "MiB", [run["peak_MiB"] for run in figures])
        for subject, figures in runs.items()
    ]


def _worst_growth(growth: list[dict[str, Any]]) -> float:
    """The largest median with many steps relative to that with one step, for the same type."""
    peaks = {(measured["program"], measured["what"].split(", ")[1]): measured["median"] for measured in growth}
    return max(float(peak / peaks[name, _BASE]) for (name, _), peak in peaks.items())


def _huge(bench: Bench) -> list[dict[str, Any]]:
    """One run on a detector that fills memory: its peak and its time."""
    side = bench.sizes.huge
    argv = [*bench.words, *square(side), *steps()]
    figures = whole(torch_command(argv, "float32"), compiled.environment(bench.cache))
    subject = f"{side} x {side} pixels, 1 step a pixel"
    return [
        row("torch float32", subject, "MiB", [figures["peak_MiB"]]),
        row("torch float32", f"{subject}, process", "s", [figures["wall_s"]]),
    ]
