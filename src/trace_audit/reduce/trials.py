"""Trials of a reduction: does the experiment still fail at the same key? Each is recorded and never run twice.

The record is a file of JSON lines; the first line says what is reduced, and each trial is written before the next
begins. A killed run continues from it, since the order of the trials depends only on their outcomes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trace_audit.core.documents import Document, Number, problem_of
from trace_audit.core.errors import InputError
from trace_audit.core.files import append_to, canonical_json, parse_json, sha256_of_bytes, write_atomic
from trace_audit.reduce.experiment import Experiment
from trace_audit.reduce.judge import Difference, Judge
from trace_audit.reduce.sides import Side, SideFailed

FAILS, PASSES, ELSEWHERE, REFUSED = "fails", "passes", "fails elsewhere", "refused"
RUN = "(run)"  # used instead of a key if the candidate does not complete
SMALLEST_SHARE = 0.1


class LimitReached(Exception):
    """The time or the number of trials is used up."""


@dataclass(frozen=True)
class Failure:
    """What must be preserved: the key (RUN: the way the candidate ends), and the initial difference of the sides."""

    key: str
    relative: float
    is_head: bool
    kind: str = ""
    values: Any = ((), ())


@dataclass
class Record:
    """The trials so far, by the hash of their experiment, in the file `path`."""

    path: Path
    about: dict[str, Any]
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def open(self) -> None:
        """Read the record of an earlier run, or begin one. Raises InputError for the record of another reduction."""
        if self.path.exists():
            lines = self.path.read_bytes().split(b"\n")[:-1]  # an unfinished line is ignored
            rows = [row for row in map(_parsed, lines) if row is not None]
            if rows and rows[0].get("about") != self.about:
                raise InputError(
                    f"{self.path}: is the record of another reduction (other programs, flags, pixel or key); "
                    "give another --out, or remove that folder"
                )
            self.known = {row["experiment"]: row for row in rows[1:] if problem_of(row, Trial) is None}
        text = canonical_json({"about": self.about}) + "".join(map(canonical_json, self.known.values()))
        write_atomic(self.path, text)

    def add(self, row: dict[str, Any]) -> None:
        """Record one trial."""
        self.known[row["experiment"]] = row
        with append_to(self.path) as stream:
            stream.write(canonical_json(row).encode())
            stream.flush()


@dataclass
class Trials:
    """Runs both programs on an experiment and decides whether it still fails in the same way."""

    reference: Side
    candidate: Side
    judge: Judge
    record: Record
    folder: Path
    deadline: float
    most_trials: int
    failure: Failure | None = None
    run_now: int = 0
    say: Callable[[str], None] = lambda _: None

    def first_failure(self, experiment: Experiment, key: str | None) -> Failure:
        """The failure at the start: the named key, or the first in order of computation. Raises InputError."""
        try:
            printed = self.reference.output(experiment)
        except SideFailed as error:
            raise InputError(f"{self.reference.name} {error}; the reference has to run the experiment") from error
        try:
            differences = self.judge.differences(printed, self.candidate.output(experiment))
        except SideFailed as error:
            if key is not None:
                raise InputError(f"{self.candidate.name} {error}; without --key this end is what is reduced") from error
            return Failure(RUN, 1.0, True, error.kind)
        diverging = [name for name, difference in differences.items() if not difference.agrees]
        heads = self.judge.graph.heads(diverging)
        if key is None and not heads:
            extent = (
                f"on all {len(differences)} keys that both print"
                if differences
                else "since they print no key in common"
            )
            raise InputError(f"nothing to reduce: {self.reference.name} and {self.candidate.name} agree {extent}")
        chosen = key or heads[0]
        if chosen not in diverging:
            state = "agrees" if chosen in differences else "is not printed by both"
            raise InputError(f"--key {chosen}: {state}; keys that differ: {', '.join(diverging[:12]) or 'none'}")
        return Failure(chosen, differences[chosen].relative, chosen in heads, values=differences[chosen].values)

    def fails(self, experiment: Experiment) -> bool:
        """Whether the experiment fails in the same way. Raises LimitReached."""
        name = self._hash(experiment)
        if name not in self.record.known:
            if time.monotonic() > self.deadline or self.run_now >= self.most_trials:
                raise LimitReached
            self.run_now += 1
            self.record.add(self._trial(name, experiment))
        return bool(self.record.known[name]["outcome"] == FAILS)

    def values(self, experiment: Experiment) -> tuple[Any, Any]:
        """The key's values on both sides, for an experiment that fails."""
        row = self.record.known.get(self._hash(experiment))
        assert self.failure is not None
        return (row["reference"], row["candidate"]) if row else self.failure.values

    def _hash(self, experiment: Experiment) -> str:
        argv = [argument.replace(str(self.folder), "$OUT") for argument in experiment.words]
        return sha256_of_bytes(canonical_json([argv, experiment.pixel]).encode())[:20]

    def _trial(self, name: str, experiment: Experiment) -> dict[str, Any]:
        outcome, difference = self._outcome(experiment)
        row: dict[str, Any] = {"experiment": name, "flags": len(experiment.flags), "outcome": outcome}
        sides = difference.values if difference else ((), ())
        return row | {"reference": list(sides[0]), "candidate": list(sides[1])}

    def _outcome(self, experiment: Experiment) -> tuple[str, Difference | None]:
        failure = self.failure
        assert failure is not None
        try:
            printed = self.reference.output(experiment)
        except SideFailed:
            return REFUSED, None
        try:
            differences = self.judge.differences(printed, self.candidate.output(experiment))
        except SideFailed as error:
            return (FAILS if failure.key == RUN and error.kind == failure.kind else REFUSED), None
        here = differences.get(failure.key)
        if here is None or here.agrees or here.relative < SMALLEST_SHARE * failure.relative:
            return PASSES, here
        diverging = [name for name, difference in differences.items() if not difference.agrees]
        if failure.is_head and failure.key not in self.judge.graph.heads(diverging):
            return ELSEWHERE, here
        return FAILS, here


class Trial(Document):
    """A trial on record."""

    experiment: str
    outcome: str
    reference: list[str | Number]
    candidate: list[str | Number]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = parse_json(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
