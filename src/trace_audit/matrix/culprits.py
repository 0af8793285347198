"""Which source files explain the effect of a compiler option? Objects of two builds are exchanged, by bisection.

The program is linked from the objects of the strict build, some of them taken from the other one; delta debugging finds
the fewest that still move the result beyond the tolerance. These then stay with the strict build, and the search goes
on until the rest of the other build no longer moves the result.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trace_audit.matrix.c_build import LINK, Build, mixed
from trace_audit.matrix.cells import Distance, Experiment, Outcome, distance, run_c
from trace_audit.reduce.ddmin import ddmin

_MOST_GROUPS = 6


@dataclass(frozen=True)
class Culprit:
    """Source files (LINK: the linking step) that move the result if all come from the other build, and how far."""

    files: tuple[str, ...]
    distance: Distance


@dataclass(frozen=True)
class Culprits:
    """All files that move the result beyond the tolerance. `rest`: how far the rest of the other build moves it.

    Empty if mixed objects do not show the difference, for example because it is not reproducible.
    """

    groups: tuple[Culprit, ...] = ()
    rest: Distance | None = None
    links: int = 0


@dataclass
class _Bench:
    """Links mixtures of two builds and runs them."""

    strict: Build
    other: Build
    experiment: Experiment
    base: Outcome
    folder: Path
    time_limit_s: float
    say: Callable[[str], None]
    tried: dict[frozenset[str], Distance] = field(default_factory=dict)

    def distance(self, files: Sequence[str]) -> Distance:
        """How far the result moves with these files from the other build."""
        part = frozenset(files)
        if part not in self.tried:
            self.say(f"{self.other.variant.name}: objects swapped, link {len(self.tried) + 1}")
            program = mixed(self.strict, self.other, part, self.folder / "mixed")
            outcome = run_c(program, self.experiment, self.time_limit_s)
            self.tried[part] = distance(self.base, outcome, "float64")
        return self.tried[part]

    def moves(self, files: Sequence[str]) -> bool:
        """Whether the result moves beyond the tolerance."""
        return self.distance(files).is_beyond


def culprits(
    strict: Build,
    other_build: Build,
    experiment: Experiment,
    whole: Distance,
    time_limit_s: float,
    say: Callable[[str], None] = lambda _: None,
) -> Culprits:
    """The source files that move the result. `found`: the effect of the whole other build."""
    links = 0
    for quick in _experiments(experiment, whole):
        base = run_c(strict.program, quick, time_limit_s)
        if base.failure is not None:
            continue
        with tempfile.TemporaryDirectory(prefix="objects-") as away:
            bench = _Bench(strict, other_build, quick, base, Path(away), time_limit_s, say)
            groups, rest = _groups(bench, [*strict.objects, LINK])
        links += len(bench.tried)
        if groups:
            return Culprits(tuple(groups), rest, links)
    return Culprits(links=links)


def _groups(bench: _Bench, names: list[str]) -> tuple[list[Culprit], Distance]:
    groups: list[Culprit] = []
    left = names
    while len(groups) < _MOST_GROUPS and bench.moves(left):
        files = ddmin(left, bench.moves)
        groups.append(Culprit(tuple(files), bench.distance(files)))
        left = [name for name in left if name not in files]
    return groups, bench.distance(left)


def _experiments(experiment: Experiment, whole: Distance) -> list[Experiment]:
    """Experiments that may show the difference, quickest first: the traced pixel, then the whole image."""
    slow, fast = experiment.pixel
    alone = experiment.of_pixel(slow, fast)
    shows_there = whole.failure is not None or whole.diverging > 0
    return [alone, experiment] if shows_there else [experiment]
