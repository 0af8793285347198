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
    actions = {one.name: lambda one=one: whole([str(one.binary), *bench.words]) for one in bench.programs}
    for dtype in DTYPES:
        actions[f"torch {dtype}"] = lambda dtype=dtype: whole(torch_command(bench.words, dtype), ready)
    image = rows(in_turn(actions, bench.repeats), f"image of {bench.scenario}", "MiB", "peak_MiB")
    growth = [one for dtype in DTYPES for one in _growth(bench, dtype)]
    huge = _huge(bench)
    peaks = {one["program"]: one["median"] for one in image}
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
    words = [*bench.words, *square(bench.sizes.memory)]
    actions = {
        what: lambda more=more: whole(torch_command([*words, *more], dtype), ready) for what, more in _FLAGS.items()
    }
    runs = in_turn(actions, min(bench.repeats, 3))
    side = f"{bench.sizes.memory} x {bench.sizes.memory} pixels"
    return [
        row(f"torch {dtype}", f"{side}, {what}", "MiB", [run["peak_MiB"] for run in found])
        for what, found in runs.items()
    ]


def _worst_growth(growth: list[dict[str, Any]]) -> float:
    """The largest median with many steps over that with one, within the same type."""
    peaks = {(one["program"], one["what"].split(", ")[1]): one["median"] for one in growth}
    return max(float(peak / peaks[name, _BASE]) for (name, _), peak in peaks.items())


def _huge(bench: Bench) -> list[dict[str, Any]]:
    """One run on a detector that fills memory: its peak and its time."""
    side = bench.sizes.huge
    words = [*bench.words, *square(side), *steps()]
    found = whole(torch_command(words, "float32"), compiled.environment(bench.cache))
    what = f"{side} x {side} pixels, 1 step a pixel"
    return [
        row("torch float32", what, "MiB", [found["peak_MiB"]]),
        row("torch float32", f"{what}, process", "s", [found["wall_s"]]),
    ]
