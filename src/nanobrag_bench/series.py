"""Runs taken in turn, so that other load on the machine affects all equally; medians, ratios within one turn, goals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nanobrag_bench.programs import EXTERNAL
from trace_audit.core.errors import InputError

Figures = dict[str, float]
Runs = dict[str, list[Figures]]


class LongRuns(NamedTuple):
    """Programs that run only `repeats` times if their first run took longer than `wall_s`."""

    programs: frozenset[str]
    wall_s: float
    repeats: int

    def suffice(self, name: str, runs: list[Figures]) -> bool:
        """Whether a program has run often enough."""
        if name not in self.programs or not runs:
            return False
        return runs[0]["wall_s"] > self.wall_s and len(runs) >= self.repeats


def in_turn(actions: Mapping[str, Callable[[], Figures]], repeats: int, long: LongRuns | None = None) -> Runs:
    """`repeats` rounds of all actions by name. An external program that fails is left out of further rounds.

    Raises InputError if another program fails.
    """
    runs: Runs = {name: [] for name in actions}
    failed: set[str] = set()
    for _ in range(repeats):
        for name, action in actions.items():
            if name in failed or (long is not None and long.suffice(name, runs[name])):
                continue
            try:
                runs[name].append(action())
            except InputError:
                if name != EXTERNAL:
                    raise
                failed.add(name)
    return {name: figures_of_runs for name, figures_of_runs in runs.items() if name not in failed}


def row(program: str, subject: str, unit: str, runs: list[float]) -> dict[str, Any]:
    """One line of a table: the median, and every run it comes from."""
    return {"program": program, "what": subject, "unit": unit, "median": statistics.median(runs), "runs": runs}


def rows(runs: Runs, subject: str, unit: str, figure: str) -> list[dict[str, Any]]:
    """One line for each program, from the figure of that name."""
    return [
        row(name, subject, unit, [run[figure] for run in figures_of_runs]) for name, figures_of_runs in runs.items()
    ]


def ratio(runs: Runs, slower: str, faster: str, figure: str = "wall_s") -> dict[str, Any] | None:
    """The time of `slower` over that of `faster`, for every turn of both; None if one of them did not run."""
    if slower not in runs or faster not in runs:
        return None
    each = [slow_run[figure] / fast_run[figure] for slow_run, fast_run in zip(runs[slower], runs[faster], strict=False)]
    return {"of": slower, "to": faster, "median": statistics.median(each), "runs": each}


def less(runs: Runs, name: str, subtracted: str) -> list[float]:
    """Seconds that one program took longer than another, in every turn."""
    pairs = zip(runs[name], runs[subtracted], strict=True)
    return [longer["wall_s"] - shorter["wall_s"] for longer, shorter in pairs]


def ratios(runs: Runs, pairs: list[tuple[str, str]], figure: str = "wall_s") -> list[dict[str, Any]]:
    """The ratios of the pairs (slower, faster) that both ran."""
    all_ratios = (ratio(runs, slower, faster, figure) for slower, faster in pairs)
    return [known_ratio for known_ratio in all_ratios if known_ratio is not None]


def at_least(goal: str, measured: float | None, wanted: float) -> dict[str, Any]:
    """A goal that is met from `wanted` upwards."""
    met = None if measured is None else measured >= wanted
    return {"goal": goal, "wanted": f"at least {wanted:g}", "measured": measured, "met": met}


def at_most(goal: str, measured: float | None, wanted: float) -> dict[str, Any]:
    """A goal that is met up to `wanted`."""
    met = None if measured is None else measured <= wanted
    return {"goal": goal, "wanted": f"at most {wanted:g}", "measured": measured, "met": met}


def median_ratio(all_ratios: list[dict[str, Any]], slower: str, faster: str) -> float | None:
    """The median of one of the ratios; None if there is none."""
    return next(
        (ratio_row["median"] for ratio_row in all_ratios if (ratio_row["of"], ratio_row["to"]) == (slower, faster)),
        None,
    )
