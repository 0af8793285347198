"""Columns of a table of reflections: which hold amplitudes or intensities, and which of them to take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanobrag_torch.io.reading import ReaderError, shorten

# Column types as MTZ files have them.
AMPLITUDE, INTENSITY, AMPLITUDE_OF_MATE, INTENSITY_OF_MATE = "F", "J", "G", "K"
_WORDS = {"F": "amplitudes", "G": "amplitudes", "J": "intensities", "K": "intensities"}
_TYPES = {"P": "phases", "Q": "standard deviations", "L": "standard deviations", "M": "standard deviations"}
_PREFERRED = ("F", "FP", "FOBS", "F-obs", "F_meas_au", "F_meas", "F-obs-filtered")
_CALCULATED = re.compile(
    r"FC($|[^a-z].*|alc.*)|F[-_ ]?(calc|model|mask|bulk|part).*|.*WT|2?m?Fo-?d?Fc.*|DELF.*|FDM|.*(_|-)calc(_.*)?", re.I
)
_SIGN = re.compile(r"\(([+-])\)|\[([+-])\]|_?(plus|minus)|([+-])$", re.I)


class Column(NamedTuple):
    """A column of a file: its label, its type, values (n,) in float64, NaN where there is none."""

    label: str
    kind: str
    values: np.ndarray


class Table(NamedTuple):
    """Reflections of a file, unchanged."""

    path: str | Path
    hkl: np.ndarray  # (n, 3) int64
    columns: list[Column]
    block: str | None = None
    left_out: int = 0  # of a status that is not to be used; those are in no array


class Choice(NamedTuple):
    """A column, or a pair of columns of Friedel mates, that gives amplitudes."""

    name: str
    columns: tuple[Column, ...]

    @property
    def intensities(self) -> bool:
        return self.columns[0].kind in (INTENSITY, INTENSITY_OF_MATE)

    @property
    def what(self) -> str:
        return _WORDS[self.columns[0].kind]

    @property
    def calculated(self) -> bool:
        return any(_CALCULATED.fullmatch(column.label) for column in self.columns)

    @property
    def values(self) -> np.ndarray:
        """The column, or the mean of those mates that are present."""
        if len(self.columns) == 1:
            return self.columns[0].values
        both = np.array([column.values for column in self.columns])
        known = np.isfinite(both)
        mean: np.ndarray = np.where(known, both, 0.0).sum(axis=0) / np.where(
            known.any(axis=0), known.sum(axis=0), np.nan
        )
        return mean

    @property
    def shown(self) -> str:
        made = "calculated " if self.calculated else ""
        return f"{self.name} ({made}{self.what})"


def choices(table: Table) -> list[Choice]:
    """All choices of the table, in this order: measured amplitudes, those of mates, intensities, calculated values."""
    offered = [Choice(column.label, (column,)) for column in table.columns if column.kind in (AMPLITUDE, INTENSITY)]
    offered += _mates(table, AMPLITUDE_OF_MATE) + _mates(table, INTENSITY_OF_MATE)
    return sorted(offered, key=_rank)


def _rank(choice: Choice) -> tuple[bool, int, int]:
    preferred = _PREFERRED.index(choice.name) if choice.name in _PREFERRED else len(_PREFERRED)
    order = (AMPLITUDE, AMPLITUDE_OF_MATE, INTENSITY, INTENSITY_OF_MATE)
    return choice.calculated, 2 * order.index(choice.columns[0].kind) + 2 - len(choice.columns), preferred


def _mates(table: Table, kind: str) -> list[Choice]:
    """Pairs F(+) F(-) of one name; a column without its mate stands alone."""
    columns = [column for column in table.columns if column.kind == kind]
    if len(columns) == 2 and not any(_SIGN.search(column.label) for column in columns):
        return [Choice(" ".join(column.label for column in columns), tuple(columns))]
    by_name: dict[str, list[Column]] = {}
    for column in columns:
        by_name.setdefault(_SIGN.sub("", column.label, count=1), []).append(column)
    pairs = [group for group in by_name.values() if len(group) == 2 and len({_sign(c.label) for c in group}) == 2]
    alone = [[column] for group in by_name.values() if group not in pairs for column in group]
    return [Choice(" ".join(column.label for column in group), tuple(group)) for group in [*pairs, *alone]]


def _sign(label: str) -> str | None:
    match = _SIGN.search(label)
    return None if match is None else ("+" if "+" in match[0] or "plus" in match[0].lower() else "-")


def choose(table: Table, wanted: str | None) -> Choice:
    """The column to read: the requested one, or the first that holds a number. Raises ReaderError."""
    offered = choices(table)
    if wanted is not None:
        return _named(table, offered, wanted)
    if not offered:
        labels = shorten(" ".join(column.label for column in table.columns), 200)
        raise ReaderError(table.path, f"has the columns {labels}, expected amplitudes (type F) or intensities (type J)")
    for choice in offered:
        if np.isfinite(choice.values).any():
            return choice
    raise ReaderError(table.path, f"holds no amplitude that is a number in {offered[0].name}")


def _named(table: Table, offered: list[Choice], wanted: str) -> Choice:
    plain = wanted.strip().removeprefix("_refln.").removeprefix("_refln_")
    by_name: dict[str, Choice] = {}
    for choice in offered:
        by_name[choice.name] = choice
        by_name.setdefault(_SIGN.sub("", choice.columns[0].label, count=1), choice)
        for column in choice.columns:
            by_name.setdefault(column.label, Choice(column.label, (column,)))
    lower = {name.lower(): choice for name, choice in by_name.items()}
    match = by_name.get(plain) or lower.get(plain.lower())
    there = shorten(", ".join(choice.shown for choice in offered) or "none", 300)
    if match is None:
        kind = next((column.kind for column in table.columns if column.label == plain), None)
        problem = f"has no column {shorten(plain)}"
        if kind is not None:
            problem = f"has a column {shorten(plain)}, but of {_TYPES.get(kind, f'type {kind}')}"
        raise ReaderError(table.path, f"{problem}, expected one of: {there}")
    if not np.isfinite(match.values).any():
        raise ReaderError(table.path, f"holds no number in {match.name}, expected one of: {there}")
    return match
