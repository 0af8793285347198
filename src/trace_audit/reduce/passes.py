"""The steps of a reduction that use no physics: flags dropped, counts set to 1, numbers with fewer digits.

Each step proposes smaller experiments in a fixed order; one that still fails becomes the best.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trace_audit.reduce.ddmin import ddmin
from trace_audit.reduce.experiment import Experiment, FlagWords, Language
from trace_audit.reduce.trials import Trials

_MOST_DIGITS = 3


@dataclass
class Search:
    """The smallest failing experiment so far, and what made it smaller."""

    trials: Trials
    language: Language
    best: Experiment
    steps: list[str] = field(default_factory=list)
    stays: set[FlagWords] = field(default_factory=set)  # flags that make the experiment small

    def fails(self, experiment: Experiment) -> bool:
        """Whether an experiment still fails, with progress."""
        size = f"{len(self.best.flags)} flags, pixel {self.best.pixel[0]} {self.best.pixel[1]}"
        self.trials.say(f"trial {len(self.trials.record.known) + 1}: smallest so far {size}")
        return self.trials.fails(experiment)

    def take(self, experiment: Experiment, step: str) -> bool:
        """Make the experiment the best if it still fails."""
        if experiment == self.best or not self.fails(experiment):
            return False
        self.best = experiment
        self.steps.append(step)
        return True


def drop_flags(search: Search) -> None:
    """Drop every flag that the failure does not need."""
    before = search.best
    movable = [index for index, flag in enumerate(before.flags) if flag not in search.stays]

    def part_of(indices: list[int]) -> tuple[FlagWords, ...]:
        return tuple(flag for i, flag in enumerate(before.flags) if flag in search.stays or i in indices)

    left = part_of(ddmin(movable, lambda indices: search.fails(replace(before, flags=part_of(indices)))))
    if left != before.flags:
        search.best = replace(before, flags=left)
        search.steps.append(f"{len(before.flags)} flags to {len(left)}")


def drop_values(search: Search) -> None:
    """Drop trailing values of a flag where they are optional (angles of a cell)."""
    for index in range(len(search.best.flags)):
        while len(search.best.flags[index]) > 2:
            flags = list(search.best.flags)
            flags[index] = flags[index][:-1]
            shorter = replace(search.best, flags=tuple(flags))
            if not search.take(shorter, f"{flags[index][0]} without its value {search.best.flags[index][-1]}"):
                break


def lower_counts(search: Search) -> None:
    """Set every count to 1, or to the smallest value that still fails."""
    for index, flag in enumerate(search.best.flags):
        for value in search.language.counts(flag):
            _lower(search, index, value)


def _lower(search: Search, index: int, value: int) -> None:
    name = search.best.flags[index][0]
    count = int(search.best.flags[index][value])
    for smaller in (1, 2, 3):
        if smaller < count and search.take(
            search.best.with_value(index, value, str(smaller)), f"{name} {count} to {smaller}"
        ):
            return
    while count > 3:
        smaller = count // 2
        if not search.take(search.best.with_value(index, value, str(smaller)), f"{name} {count} to {smaller}"):
            return
        count = smaller


def shorten_numbers(search: Search) -> None:
    """Give every real number as few digits as still fail."""
    for index, flag in enumerate(search.best.flags):
        for value in search.language.numbers(flag):
            text = search.best.flags[index][value]
            for digits in range(1, _MOST_DIGITS + 1):
                shorter = f"{float(f'{float(text):.{digits}g}'):.12g}"
                if len(shorter) >= len(text):
                    break
                if search.take(search.best.with_value(index, value, shorter), f"{flag[0]} {text} to {shorter}"):
                    break


def until_nothing_changes(search: Search, *passes: Callable[[Search], None], rounds: int = 8) -> None:
    """Repeat the passes in turn as long as one of them makes the experiment smaller."""
    for _ in range(rounds):
        before = search.best
        for step in passes:
            step(search)
        if search.best == before:
            return
