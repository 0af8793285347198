"""Changes of our program that no flag makes: a stage that computes something else, as ports do by mistake.

A change is made through the simulator's hooks, so that images, traces and pixels come from the production code with
that one stage replaced.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nanobrag_torch.hooks import Place
from trace_audit.trace.parse import Trace

Seen = dict[str, Any]  # the last value of every name so far, and the `experiment`
Rule = Callable[[Any, Seen], Any]


@dataclass(frozen=True)
class Change:
    """One stage that computes something else; two changes of one name are the same change.

    `sentence` completes "our program gives the port's numbers if ...". `keys`: the trace keys that it alters first.
    `rules`: by the name of a value in the simulator, what takes its place. `experiment`: another experiment in its
    place. `of_trace`: what is printed otherwise, of the lines alone. `swaps_pixel`: slow and fast exchanged.
    """

    name: str
    sentence: str = field(compare=False)
    keys: tuple[str, ...] = field(compare=False)
    rules: Mapping[str, Rule] = field(default_factory=dict, compare=False)
    experiment: Callable[[Any], Any] | None = field(default=None, compare=False)
    of_trace: Callable[[Trace, Seen], Trace] | None = field(default=None, compare=False)
    swaps_pixel: bool = field(default=False, compare=False)
    rank: int = field(default=2, compare=False)


@dataclass(frozen=True)
class Variant:
    """Our program as it is run: a command line, and the changes of its stages."""

    words: tuple[str, ...]
    changes: tuple[Change, ...] = ()

    def with_change(self, change: Change) -> "Variant":
        """The variant with one change more."""
        return Variant(self.words, (*self.changes, change))

    def experiment(self, stated: Any) -> Any:
        """The experiment that is run in the place of the stated one."""
        for change in self.changes:
            stated = stated if change.experiment is None else change.experiment(stated)
        return stated

    @property
    def swaps_pixel(self) -> bool:
        """Whether slow and fast of a pixel are exchanged."""
        return sum(change.swaps_pixel for change in self.changes) % 2 == 1


class Hooked:
    """The hooks of one run with changes."""

    def __init__(self, changes: Sequence[Change], experiment: Any) -> None:
        self.changes = changes
        self.seen: Seen = {"experiment": experiment}

    def __call__(self, name: str, value: Any, _place: Place) -> Any:
        for change in self.changes:
            rule = change.rules.get(name)
            try:
                value = value if rule is None else rule(value, self.seen)
            except KeyError as error:  # of another shape of crystal, say
                raise ValueError(f"{change.name}: {error} is not worked out in this experiment") from error
        self.seen[name] = value
        return value

    def printed(self, trace: Trace) -> Trace:
        """The trace as these changes print it."""
        for change in self.changes:
            trace = trace if change.of_trace is None else change.of_trace(trace, self.seen)
        return trace
