"""What the parts of `gpu-check` report: outcomes one by one, as text for people and as JSON between processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

Kind = Literal["check", "figure", "note", "not run"]


class Row(NamedTuple):
    """A check that holds or does not, a figure in its unit, a note, or a piece of work that was not run and why."""

    kind: Kind
    name: str
    note: str = ""
    holds: bool = True
    value: float | None = None
    unit: str = ""

    def as_json(self) -> str:
        return json.dumps(self)

    def as_text(self) -> str:
        """One line of the report."""
        if self.kind == "figure":
            assert self.value is not None
            return f"      {self.name:76s} {self.value:11.3f} {self.unit:9s} {self.note}".rstrip()
        if self.kind == "check":
            return f"{'ok  ' if self.holds else 'FAIL'}  {self.name:76s} {self.note}".rstrip()
        return f"      {self.name}: not run: {self.note}" if self.kind == "not run" else f"      {self.name}".rstrip()


Task = tuple[str, Callable[[], Iterator[Row]]]  # what it is about, and its rows


def check(name: str, holds: bool, note: str = "") -> Row:
    return Row("check", name, note, holds)


def milliseconds(name: str, seconds: float, note: str = "") -> Row:
    return Row("figure", name, note, value=1e3 * seconds, unit="ms")


def figure(name: str, value: float, unit: str, note: str = "") -> Row:
    return Row("figure", name, note, value=value, unit=unit)


def not_run(name: str, reason: str, holds: bool = True) -> Row:
    """`holds`: False where the work should have been done, and something of it is therefore unknown."""
    return Row("not run", name, reason, holds)


def from_json(line: str) -> Row | None:
    """The row of a line; None if the line is something else that a process printed."""
    try:
        fields = json.loads(line)
        return Row(*fields) if isinstance(fields, list) and len(fields) == len(Row._fields) else None
    except ValueError:
        return None
