"""The goals on an H100, each with the figure or the checks that decide it, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nanobrag_bench.gpu.rows import Row

DTYPES = ("float32", "float64")
SUPERVISOR = "2500 x 2500, 10 orientations"  # 62.5 million steps
LARGEST = "1024 x 1024, 500 orientations, 4 sources"  # 2.1e9 steps
SLOPES = "image and derivatives by cell, misset and distance"


class Limit(NamedTuple):
    """A figure, and the number that it should not exceed; for rates, that it should reach."""

    figure: str
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def wanted(self) -> str:
        number = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        return f"{number} {self.unit}"

    def met(self, value: float) -> bool:
        return value <= self.at_most if self.at_most is not None else value >= (self.at_least or 0.0)


class Checks(NamedTuple):
    """Checks that must all hold, known by how their names begin."""

    subject: str
    prefixes: tuple[str, ...]

    @property
    def wanted(self) -> str:
        return "all hold"


def _limits() -> list[Limit]:
    limits = []
    for dtype in DTYPES:
        limits += [
            Limit(f"kernel, {SUPERVISOR}, {dtype}", "ms", at_most=0.30),
            Limit(f"image(), {SUPERVISOR}, {dtype}", "ms", at_most=0.45),
            Limit(f"kernel, {LARGEST}, {dtype}", "ms", at_most=9.5 if dtype == "float32" else 13.0),
            Limit(f"rate, {LARGEST}, {dtype}", "Gsteps/s", at_least=220.0 if dtype == "float32" else 160.0),
            Limit(f"image from an experiment, 1024 x 1024, {dtype}", "ms", at_most=2.0),
            Limit(f"{SLOPES}, 1024 x 1024, {dtype}", "ms", at_most=6.0),
            Limit(f"{SLOPES}, 2048 x 2048, {dtype}", "ms", at_most=12.0),
        ]
    return [
        *limits,
        Limit("launches of an image with samples, sources and layers", "launch", at_most=1),
        Limit("frames, 512 x 512, without noise", "frames/s", at_least=500.0),
        Limit("frames, 512 x 512, with noise", "frames/s", at_least=300.0),
    ]


CHECKS = (
    Checks("golden cases, by eager and compiled code, in both types", ("golden: ",)),
    Checks("images to 1e-6 of the peak", ("image: ",)),
    Checks("a traced pixel is the image's", ("trace: ",)),
    Checks("derivatives, to 1e-6 in float64", ("derivatives: ",)),
    Checks("derivatives are compiled", ("derivative path: ",)),
    Checks("same bytes from run to run", ("same bytes: ",)),
    Checks("same bytes in tiles of any size", ("tiles: ",)),
    Checks("same bytes with any number of frames a launch", ("frames: ",)),
    Checks("noise has the bytes of the CPU", ("noise: ",)),
)
LIMITS = tuple(_limits())


class Verdict(NamedTuple):
    """A goal: what was wanted, what there is, and whether it is met (None: not measured)."""

    goal: str
    wanted: str
    measured: str
    met: bool | None
    value: float | None = None

    @property
    def word(self) -> str:
        return {True: "met", False: "missed", None: "not measured"}[self.met]


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """Every goal, measured or not."""
    figures = {row.name: row.value for row in rows if row.kind == "figure"}
    return [
        *(_of_checks(goal, rows) for goal in CHECKS),
        *(_of_limit(goal, figures.get(goal.figure)) for goal in LIMITS),
    ]


def _of_checks(goal: Checks, rows: Sequence[Row]) -> Verdict:
    named = [row for row in rows if row.kind in ("check", "not run") and row.name.startswith(goal.prefixes)]
    asked = [row for row in named if row.kind == "check"]
    missing = sum(row.kind == "not run" for row in named)
    count = f"{sum(row.holds for row in asked)} of {len(asked)}" + (f", {missing} not run" if missing else "")
    if not asked:
        return Verdict(goal.subject, goal.wanted, "-" if not missing else "not run", None)
    return Verdict(goal.subject, goal.wanted, count, all(row.holds for row in named))


def _of_limit(goal: Limit, value: float | None) -> Verdict:
    figure = "-" if value is None else f"{value:.3g} {goal.unit}"
    return Verdict(goal.figure, goal.wanted, figure, None if value is None else goal.met(value), value)


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of the table."""
    lines = [f"{'goal':76s} {'wanted':24s} {'here':22s}"]
    lines += [
        f"{verdict.goal:76s} {verdict.wanted:24s} {verdict.measured:22s} {verdict.word}" for verdict in verdicts(rows)
    ]
    return lines
