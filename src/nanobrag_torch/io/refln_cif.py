"""Reflections of mmCIF and CIF files: the loops `_refln.` and `_refln_`, their unit cell and space group."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanobrag_torch.io.columns import (
    AMPLITUDE,
    AMPLITUDE_OF_MATE,
    INTENSITY,
    INTENSITY_OF_MATE,
    Column,
    Table,
    choices,
)
from nanobrag_torch.io.file_kind import Content
from nanobrag_torch.io.gemmi_reading import usable_cell, with_gemmi
from nanobrag_torch.io.mtz import Found
from nanobrag_torch.io.reading import ReaderError, shorten

_KINDS = {
    AMPLITUDE: "F_meas_au F_meas F_calc_au F_calc pdbx_F_calc_with_solvent pdbx_F_calc_part_solvent pdbx_FWT "
    "pdbx_DELFWT",
    INTENSITY: "intensity_meas F_squared_meas intensity_calc F_squared_calc",
    AMPLITUDE_OF_MATE: "pdbx_F_plus pdbx_F_minus",
    INTENSITY_OF_MATE: "pdbx_I_plus pdbx_I_minus",
}
_KIND_OF = {tag: kind for kind, tags in _KINDS.items() for tag in tags.split()}
_NOT_USED = ("x", "-")  # unreliable, and systematically absent
_PREFIXES = ("_refln.", "_refln_")
_NAMES = (
    "_symmetry.space_group_name_H-M",
    "_space_group.name_H-M_alt",
    "_space_group.name_H-M_full",
)
_HALL = ("_symmetry.space_group_name_Hall", "_space_group.name_Hall")
_NUMBERS = ("_symmetry.Int_Tables_number", "_space_group.IT_number")
_OPERATIONS = ("_symmetry_equiv.pos_as_xyz", "_space_group_symop.operation_xyz")
_CELL = tuple(
    f"_cell.{name}" for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
)


def holds_model(content: Content) -> bool:
    """Whether a CIF holds atoms and no reflections. Raises ReaderError where it holds neither."""
    if b"_refln" not in content.data and b"_atom_site" in content.data:
        return True
    document = _document(content)
    if any(_loop(block) is not None for block in document):
        return False
    if any(block.find_loop("_atom_site.Cartn_x") for block in document):
        return True
    if any(block.find_loop("_diffrn_refln.index_h") for block in document):
        raise ReaderError(
            content.path, "holds observations that are not merged (_diffrn_refln), expected _refln: merge them first"
        )
    if len(document) == 0:
        raise ReaderError(content.path, "holds no data block, expected an mmCIF file")
    raise ReaderError(content.path, "holds neither reflections (_refln) nor atoms (_atom_site), expected one of them")


def _document(content: Content) -> Any:
    return with_gemmi(content.path, "mmCIF file", lambda gemmi: gemmi.cif.read_string(content.text()))


def read_refln(content: Content, wanted: str | None, notices: list[str]) -> Found:
    """The first block with amplitudes or intensities (with the column `wanted`). Raises ReaderError."""
    return with_gemmi(content.path, "mmCIF structure factor file", lambda gemmi: _read(gemmi, content, wanted, notices))


def _read(gemmi: Any, content: Content, wanted: str | None, notices: list[str]) -> Found:
    document = gemmi.cif.read_string(content.text())
    blocks = [(block, _loop(block)) for block in document]
    tables = [_table(gemmi, content, block, loop) for block, loop in blocks if loop is not None]
    good = [table for table in tables if _offers(table, wanted)]
    if not good and len(tables) > 1 and wanted is None:
        names = shorten(" ".join(str(table.block) for table in tables), 100)
        raise ReaderError(content.path, f"holds no amplitude that is a number in any of its blocks {names}")
    table = (good or tables)[0]
    skipped = [str(skipped_table.block) for skipped_table in tables if skipped_table is not table]
    if skipped:
        notices.append(f"{content.path}: block {table.block} is read, not {shorten(' '.join(skipped), 100)}")
    own = next(block for block in document if block.name == table.block)
    group = next(filter(None, (_group(gemmi, block) for block in [own, *document])), None)
    if group is None:
        raise ReaderError(content.path, "names no space group, so its reflections cannot be expanded to P1")
    return Found(table, group, next(filter(None, (_cell(gemmi, block) for block in [own, *document])), None))


def _loop(block: Any) -> Any:
    """The loop of reflections of a block, None without one."""
    for prefix in _PREFIXES:
        column = block.find_loop(prefix + "index_h")
        if column:
            return column.get_loop()
    return None


def _table(gemmi: Any, content: Content, block: Any, loop: Any) -> Table:
    names = [tag.removeprefix("_refln").lstrip("._") for tag in loop.tags]
    texts = {name: list(loop.values[column :: len(names)]) for column, name in enumerate(names)}
    if not {"index_h", "index_k", "index_l"} <= set(names):
        raise ReaderError(content.path, f"has reflections without index_h, index_k and index_l in block {block.name}")
    hkl = np.column_stack([_numbers(gemmi, texts[f"index_{axis}"]) for axis in "hkl"])
    if not (np.isfinite(hkl).all() and (hkl == np.rint(hkl)).all() and (np.abs(hkl) < 1e8).all()):
        raise ReaderError(content.path, f"has indices that are not whole numbers in block {block.name}")
    used = ~np.isin(texts.get("status", ["o"] * len(hkl)), _NOT_USED)
    unused = np.full(np.count_nonzero(used), np.nan)
    columns = [
        Column(name, _KIND_OF.get(name, ""), _numbers(gemmi, texts[name])[used] if name in _KIND_OF else unused)
        for name in names
    ]
    return Table(content.path, hkl[used].astype(np.int64), columns, block.name, int((~used).sum()))


def _offers(table: Table, wanted: str | None) -> bool:
    if wanted is not None:
        plain = wanted.removeprefix("_refln.").removeprefix("_refln_").lower()
        return any(column.label.lower() == plain and column.kind for column in table.columns)
    return any(np.isfinite(choice.values).any() for choice in choices(table))


def _numbers(gemmi: Any, texts: list[str]) -> np.ndarray:
    """Numbers; NaN for `?`, `.` and text that is no number. A standard deviation in brackets is dropped."""
    array = np.array(texts, dtype=np.str_)
    plain = np.where(np.isin(array, ("?", ".")), "nan", array)
    try:
        return plain.astype(np.float64)
    except ValueError:
        return np.array([gemmi.cif.as_number(text) for text in texts], dtype=np.float64)


def _value(gemmi: Any, block: Any, tag: str) -> str | None:
    """The value under a tag of mmCIF, or under its spelling in older CIF."""
    for spelling in (tag, tag.replace(".", "_", 1)):
        value = block.find_value(spelling)
        if value and value not in ("?", "."):
            return str(gemmi.cif.as_string(value))
    return None


def _cell(gemmi: Any, block: Any) -> tuple[float, ...] | None:
    texts = [_value(gemmi, block, tag) for tag in _CELL]
    if None in texts:
        return None
    numbers = [gemmi.cif.as_number(text) for text in texts]
    return usable_cell(gemmi.UnitCell(*numbers)) if np.isfinite(numbers).all() else None


def _group(gemmi: Any, block: Any) -> Any:
    """gemmi's space group by name, by its operations, or by number in the standard setting; None without any."""
    cell = _cell(gemmi, block)
    alpha, gamma = (cell[3], cell[5]) if cell else (0.0, 0.0)
    for tag in _NAMES:
        name = _value(gemmi, block, tag)
        group = name and gemmi.find_spacegroup_by_name(name, alpha, gamma)
        if group:
            return group
    for tag in _HALL:
        name = _value(gemmi, block, tag)
        group = name and gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(name))
        if group:
            return group
    for tag in _OPERATIONS:
        column = block.find_loop(tag) or block.find_loop(tag.replace(".", "_", 1))
        if column:
            operations = gemmi.GroupOps([gemmi.Op(gemmi.cif.as_string(text)) for text in column])
            group = gemmi.find_spacegroup_by_ops(operations)
            if group:
                return group
    for tag in _NUMBERS:
        text = _value(gemmi, block, tag)
        if text and text.isdecimal() and 1 <= int(text) <= 230:
            return gemmi.find_spacegroup_by_number(int(text))
    return None
