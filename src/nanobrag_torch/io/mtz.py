"""Reflections of MTZ files (CCP4), through gemmi."""

from __future__ import annotations

import struct
import tempfile
from typing import Any, NamedTuple

import numpy as np

from nanobrag_torch.io.columns import Column, Table
from nanobrag_torch.io.file_kind import Content
from nanobrag_torch.io.gemmi_reading import usable_cell, with_gemmi
from nanobrag_torch.io.reading import ReaderError

_UNMERGED_TYPES = ("B", "Y")  # batch number, and the symmetry operation of an observation


class Found(NamedTuple):
    """A table of reflections, the space group (gemmi's) and the unit cell (A, deg) of its file."""

    table: Table
    spacegroup: Any
    cell: tuple[float, ...] | None


def read_mtz(content: Content) -> Found:
    """Raises ReaderError for what is no MTZ file, for one that is not merged, and for one without a space group."""
    _check_frame(content)
    return with_gemmi(content.path, "MTZ file", lambda gemmi: _read(gemmi, content))


def _check_frame(content: Content) -> None:
    """The header of an MTZ file begins where its first words say; gemmi would allocate whatever they say."""
    data = content.data
    order = ">" if data[8:9] and data[8] >> 4 == 1 else "<"
    offset = struct.unpack_from(order + "i", data, 4)[0] if len(data) >= 80 else 0
    if offset == -1:
        offset = struct.unpack_from(order + "q", data, 12)[0]
    if not data.startswith(b"MTZ ") or not 80 <= 4 * (offset - 1) <= len(data) - 80:
        raise ReaderError(
            content.path, "is no MTZ file: its header is not where its first words say, expected an MTZ file"
        )


def _read(gemmi: Any, content: Content) -> Found:
    with tempfile.NamedTemporaryFile(suffix=".mtz") as file:  # gemmi reads MTZ from files alone
        file.write(content.data)
        file.flush()
        mtz = gemmi.read_mtz_file(file.name)
    if mtz.nreflections == 0:
        raise ReaderError(content.path, "holds no reflection")
    columns = [(column.label, column.type, np.array(column.array, dtype=np.float64)) for column in mtz.columns]
    unmerged = [label for label, kind, _ in columns if kind in _UNMERGED_TYPES]
    if unmerged or len(mtz.batches):
        signs = f" (it has {' '.join(unmerged)})" if unmerged else " (it has batches)"
        raise ReaderError(content.path, f"is not merged{signs}, expected one row a reflection: merge it first")
    missing = np.float64(np.float32(mtz.valm))
    taken = [
        Column(label, kind, np.where(values == missing, np.nan, values))
        for label, kind, values in columns
        if kind not in ("H", "I")
    ]
    group = mtz.spacegroup or gemmi.find_spacegroup_by_number(mtz.spacegroup_number)
    if group is None:
        raise ReaderError(content.path, "names no space group, so its reflections cannot be expanded to P1")
    return Found(Table(content.path, _indices(content, columns), taken), group, usable_cell(mtz.get_cell()))


def _indices(content: Content, columns: list[tuple[str, str, np.ndarray]]) -> np.ndarray:
    """H, K and L by their labels, else the first three columns of the type of indices."""
    by_label = {label.upper(): values for label, kind, values in columns if kind == "H"}
    labelled = [by_label[name] for name in "HKL" if name in by_label]
    if len(labelled) < 3:
        labelled = [values for _, kind, values in columns if kind == "H"][:3]
    if len(labelled) < 3:
        raise ReaderError(content.path, "has no three columns of indices (type H), expected H K L")
    hkl = np.column_stack(labelled)
    if not (np.isfinite(hkl).all() and (hkl == np.rint(hkl)).all()):
        raise ReaderError(content.path, "has indices that are not whole numbers in its columns H K L")
    return hkl.astype(np.int64)
