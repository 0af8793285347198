"""Structure factors from any supported file, symmetry expanded to P1.

Text (h k l F), MTZ, mmCIF structure factors, and atom models (PDB, mmCIF) whose amplitudes are calculated without
solvent; compressed with gzip or not. The content of the file decides, not its name. gemmi reads everything but text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nanobrag_torch.io import atom_model
from nanobrag_torch.io.columns import Choice, Table, choices, choose
from nanobrag_torch.io.file_kind import Content, load
from nanobrag_torch.io.hkl import Reflections, parse_hkl
from nanobrag_torch.io.mtz import Found, read_mtz
from nanobrag_torch.io.reading import ReaderError, decode_ascii
from nanobrag_torch.io.refln_cif import holds_model, read_refln
from nanobrag_torch.io.symmetry import count_distinct, expand_to_P1, representatives

_SAME = 1e-4  # relative difference of the amplitudes of a repeated reflection


@dataclass(frozen=True)
class Taken:
    """What was read from a file, for the terminal, the record and the report."""

    file: str
    format: str
    rows: int  # reflections in the file
    reflections: int  # different ones among them, with an amplitude
    in_P1: int
    block: str | None = None
    column: str | None = None
    missing: int = 0  # rows without a number
    negative: int = 0  # intensities below 0, counted as 0
    left_out: int = 0  # rows of a status that is not to be used
    merged_from: int | None = None  # rows that were averaged to reflections, if there are more rows than reflections
    not_taken: tuple[str, ...] = ()  # other columns that could have been read

    def line(self) -> str:
        """One sentence."""
        of = [self.format, self.block and f"block {self.block}", self.column and f"column {self.column}"]
        merged = f" (merged from {self.merged_from})" if self.merged_from else ""
        counts = f"{self.rows} rows, {self.reflections} reflections{merged}, {self.in_P1} in P1"
        losses = [
            (self.missing, "without a value left out"),
            (self.left_out, "of status x or - left out"),
            (self.negative, "negative intensities set to 0"),
        ]
        lost = "".join(f", {count} {reason}" for count, reason in losses if count)
        not_read = f"; not taken: {', '.join(self.not_taken)}" if self.not_taken else ""
        return f"structure factors of {self.file}: {', '.join(filter(None, of))}; {counts}{lost}{not_read}"


@dataclass(frozen=True)
class ReflectionFile:
    """Reflections in P1, the unit cell (A, deg) where the file has one, what was taken, and remarks for the user."""

    reflections: Reflections
    taken: Taken
    cell: tuple[float, ...] | None = None
    notices: list[str] = field(default_factory=list)


def _is_model(content: Content) -> bool:
    return content.kind == "pdb" or (content.kind == "cif" and holds_model(content))


def read_reflections(
    path: str | Path, resolution_A: Callable[[], float] | None = None, column: str | None = None
) -> ReflectionFile:
    """Read a file of reflections, or calculate them from an atom model.

    `resolution_A` gives the smallest spacing (A) of a model's amplitudes; it is called for a sound model alone.

    `column` names the column to take; otherwise measured amplitudes come before intensities and calculated ones.
    Raises ReaderError.
    """
    content = load(path)
    if content.kind == "text":
        return _from_text(content, column)
    if _is_model(content):
        _refuse_column(content, column, "is an atom model")
        return _from_model(content, resolution_A)
    notices: list[str] = []
    content_table = read_mtz(content) if content.kind == "mtz" else read_refln(content, column, notices)
    return _from_table(content, content_table, column, notices)


def _refuse_column(content: Content, column: str | None, kind: str) -> None:
    if column is not None:
        raise ReaderError(content.path, f"{kind}, which has no named columns, expected none asked for (-hkl_column)")


def _from_text(content: Content, column: str | None) -> ReflectionFile:
    _refuse_column(content, column, "is text")
    reflections = parse_hkl(content.path, decode_ascii(content.path, content.data))
    rows, distinct = len(reflections.hkl), count_distinct(reflections.hkl)
    return ReflectionFile(reflections, Taken(str(content.path), "text h k l F", rows, distinct, distinct))


def _from_table(content: Content, table_of_file: Found, column: str | None, notices: list[str]) -> ReflectionFile:
    table = table_of_file.table
    if not len(table.hkl):
        raise ReaderError(content.path, "holds no reflection that is to be used")
    choice = choose(table, column)
    values = choice.values
    known = np.isfinite(values)
    negative = np.count_nonzero(values[known] < 0) if choice.intensities else 0
    amplitudes = np.sqrt(np.maximum(values[known], 0.0)) if choice.intensities else values[known]
    hkl, amplitudes = _merged(content, table.hkl[known], amplitudes, table_of_file, notices)
    notices += _about(content, table, choice, column is not None)
    expanded = expand_to_P1(hkl, amplitudes, table_of_file.spacegroup.operations())
    not_taken = [choice_left.shown for choice_left in choices(table) if choice_left.name != choice.name]
    taken = Taken(
        file=str(content.path),
        format={"mtz": "MTZ", "cif": "mmCIF"}[content.kind],
        block=table.block,
        column=choice.shown,
        rows=len(table.hkl) + table.left_out,
        reflections=len(hkl),
        in_P1=len(expanded.hkl),
        missing=int(np.count_nonzero(~known)),
        negative=int(negative),
        left_out=table.left_out,
        merged_from=int(np.count_nonzero(known)) if len(hkl) < np.count_nonzero(known) else None,
        not_taken=tuple(not_taken),
    )
    return ReflectionFile(expanded, taken, table_of_file.cell, notices)


def _about(content: Content, table: Table, choice: Choice, asked: bool) -> list[str]:
    """Remarks on an automatic choice that a user may not expect."""
    remarks = []
    if choice.calculated and not asked:
        remarks.append(f"{content.path}: has no measured amplitudes or intensities, so {choice.shown} are read")
    elif choice.intensities and not asked:
        remarks.append(f"{content.path}: no amplitudes, so they are the roots of the intensities {choice.name}")
    if len(choice.columns) > 1:
        remarks.append(
            f"{content.path}: anomalous differences are ignored, the {choice.what} are means of {choice.name}"
        )
    return remarks


def _merged(
    content: Content, hkl: np.ndarray, amplitudes: np.ndarray, table_of_file: Found, notices: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Each reflection once. Friedel mates are averaged; other rows of one reflection must agree."""
    operations = table_of_file.spacegroup.operations()
    which = representatives(hkl, operations, friedel=True)
    _, first, group = np.unique(which, return_index=True, return_inverse=True)
    if len(first) == len(hkl):
        return hkl, amplitudes
    apart = np.abs(amplitudes - amplitudes[first][group]) > _SAME * np.abs(amplitudes).max()
    if not apart.any():
        return hkl[first], amplitudes[first]
    mates = representatives(hkl, operations, friedel=False)
    if len(np.unique(mates)) < len(hkl):
        rows = f"{len(hkl)} observations of {len(first)} reflections"
        raise ReaderError(content.path, f"is not merged ({rows}), expected one row a reflection: merge it first")
    mean = np.bincount(group, amplitudes) / np.bincount(group)
    notices.append(f"{content.path}: anomalous differences are ignored, {len(hkl)} rows are averaged to {len(first)}")
    return hkl[first], mean


def _from_model(content: Content, resolution: Callable[[], float] | None) -> ReflectionFile:
    if resolution is None:
        raise ReaderError(content.path, "is an atom model, so a resolution is needed to calculate amplitudes")
    made = atom_model.calculate_amplitudes(content, resolution)
    expanded = expand_to_P1(made.hkl, made.F_electrons, made.spacegroup.operations())
    models = f" in {made.models} models" if made.models > 1 else ""
    how = f"amplitudes calculated from {made.atoms} atoms{models} to {made.resolution_A:.3g} A, without solvent"
    taken = Taken(str(content.path), f"atom model, {how}", len(made.hkl), len(made.hkl), len(expanded.hkl))
    return ReflectionFile(expanded, taken, made.cell, [f"{content.path}: {how}", *made.notices])
