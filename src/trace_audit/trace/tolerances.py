"""The tolerances of the comparison, from `data/tolerances.json`: one place, a reason for each, no way around them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from trace_audit.core.files import sha256_of_bytes
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Trace


@dataclass(frozen=True)
class Tolerance:
    """`floor` is the magnitude below which a difference is judged against the floor itself.

    `floor_unit` says what the floor multiplies: the key's `own` unit, the `largest N` or `product of N` of the
    cell counts, or the `largest of the log` of that key.
    """

    key: str
    floor: float
    floor_unit: str
    reason: str


@cache
def _text() -> str:
    return files("trace_audit").joinpath("data/tolerances.json").read_text(encoding="utf-8")


@cache
def relative_tolerance() -> float:
    """The relative tolerance of every key."""
    return float(json.loads(_text())["relative"])


@cache
def file_sha256() -> str:
    """Hash of the tolerance file, recorded with each comparison."""
    return sha256_of_bytes(_text().encode())


@cache
def rows() -> tuple[Tolerance, ...]:
    """All rows of the file, in order."""
    return tuple(Tolerance(**row) for row in json.loads(_text())["rows"])


@cache
def tolerance_of(name: str) -> Tolerance:
    """The last row whose glob matches `name`."""
    return [row for row in rows() if fnmatchcase(name, row.key)][-1]


def floors(traces: Iterable[Trace]) -> Mapping[str, float]:
    """The floor of each key for a pair of logs, in the key's own unit.

    Cell counts come from the first log that states them; otherwise they count as 1.
    """
    logs = list(traces)
    n_cells = next((n for n in (log.values("N_cells") for log in logs) if n), (1, 1, 1))
    counts = [max(float(n), 1.0) for n in n_cells]
    result = {}
    for name in registry():
        row = tolerance_of(name)
        factor = {"own": 1.0, "largest N": max(counts), "product of N": counts[0] * counts[1] * counts[2]}
        if row.floor_unit == "largest of the log":
            values = [abs(float(record.values[0])) for log in logs for record in log.of(name)]
            result[name] = row.floor * max(values, default=0.0)
        else:
            result[name] = row.floor * factor[row.floor_unit]
    return result
