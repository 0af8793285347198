"""Attribution: which known defect, switched the other way in the torch program, restores agreement."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from trace_audit.compare.comparison import Comparison, compare
from trace_audit.trace.parse import Trace
from trace_audit.trace.tolerances import relative_tolerance

Retrace = Callable[[frozenset[str]], Trace]


@dataclass(frozen=True)
class Trial:
    """Outcome of one re-trace with `switched` defects the other way."""

    switched: tuple[str, ...]
    on: tuple[str, ...]  # those of `switched` that were switched on, the others were switched off
    agrees: bool
    worst_key: str
    worst_relative_difference: float

    def sentence(self) -> str:
        """As text: "agrees to 1.2e-12 with phi_carryover on"."""
        state = " and ".join(f"{name} {'on' if name in self.on else 'off'}" for name in self.switched)
        verb = "agrees to" if self.agrees else "still differs by"
        return f"{verb} {self.worst_relative_difference:.1e} with {state}"


@dataclass(frozen=True)
class Attribution:
    """The defects that explain a divergence (empty if none does), and the trials that show it."""

    defects: tuple[str, ...]
    explanations: tuple[Trial, ...]
    trials: int


def attribute(reference: Trace, retrace: Retrace, *, active: frozenset[str], candidates: Iterable[str]) -> Attribution:
    """Switch each candidate defect, then each pair, and compare the new torch trace with the reference.

    `active` are the defects of the original torch trace; `retrace(names)` gives the torch trace with exactly those
    defects on, or raises ValueError where that combination is refused. Singles are tried before pairs; pairs are
    tried only if no single defect explains everything. Of several explanations the closest comes first.
    """
    names = sorted(candidates)
    count = 0
    for size in (1, 2):
        trials: list[Trial] = []
        for switched in combinations(names, size):
            trial = _try(reference, retrace, active, switched)
            count += 1
            if trial is not None and trial.agrees:
                trials.append(trial)
        if trials:
            trials.sort(key=lambda trial: trial.worst_relative_difference)
            return Attribution(trials[0].switched, tuple(trials), count)
    return Attribution((), (), count)


def _try(reference: Trace, retrace: Retrace, active: frozenset[str], switched: tuple[str, ...]) -> Trial | None:
    try:
        trace = retrace(active.symmetric_difference(switched))
    except ValueError:
        return None
    comparison = compare(reference, trace)
    on = tuple(name for name in switched if name not in active)
    worst = max(_judged(comparison), default=(0.0, ""))
    agrees = worst[0] <= relative_tolerance() and bool(comparison.factors) and _sound(comparison)
    return Trial(switched, on, agrees, worst[1], worst[0])


def _judged(comparison: Comparison) -> Iterator[tuple[float, str]]:
    """Relative difference and name of each compared factor, except the list of defects itself."""
    for factor in comparison.factors:
        if factor.key.compared and factor.key.name != "defects":
            yield factor.relative_difference, factor.key.name


def _sound(comparison: Comparison) -> bool:
    return not any(comparison.problems.values())
