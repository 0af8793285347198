"""Structure factors from any supported file, symmetry expanded to P1.

Text (h k l F), MTZ, mmCIF structure factors, and atom models (PDB, mmCIF) whose amplitudes are calculated without
solvent. Everything but text goes through gemmi.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nanobrag_torch.io.hkl import Reflections, parse_hkl
from nanobrag_torch.io.reading import ReaderError, read_ascii, read_bytes

if TYPE_CHECKING:
    import gemmi

T = TypeVar("T")
AMPLITUDE_LABELS = ("F", "FP", "FOBS", "F-obs", "F_meas", "FMODEL", "F-model", "FC", "FCALC")
MAX_MODEL_CELLS = 400_000_000
# Of an atom model: what is beyond is no crystal, and would keep gemmi busy for ever.
MIN_SPACING_A, MAX_LENGTH_A, MAX_B_A2 = 1.0, 1e5, 2000.0
_MODEL_SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")


@dataclass(frozen=True)
class ReflectionFile:
    """Reflections in P1, the unit cell (A, deg) where the file has one, and remarks for the user."""

    reflections: Reflections
    cell: tuple[float, ...] | None = None
    notices: list[str] = field(default_factory=list)


def read_reflections(path: str | Path, resolution_A: Callable[[], float] | None = None) -> ReflectionFile:
    """Read a file of reflections, or calculate them from an atom model. Raises ReaderError.

    `resolution_A` gives the smallest spacing (A) of a model's amplitudes; it is called after the
    model was checked.
    """
    try:
        return _of_kind(path, _kind(path, read_bytes(path)[:8192]), resolution_A)
    except UnicodeDecodeError:  # a label that gemmi hands over as text
        raise ReaderError(path, "holds a label or name that is not UTF-8 text") from None


def _of_kind(path: str | Path, kind: str, resolution_A: Callable[[], float] | None) -> ReflectionFile:
    if kind == "text":
        return ReflectionFile(parse_hkl(path, read_ascii(path)))
    if kind == "mtz":
        _check_mtz_frame(path)
        return _from_mtz(path, _gemmi_read(path, "MTZ file", lambda gemmi: gemmi.read_mtz_file(str(path))))
    if kind == "pdb" or _kind_of_cif(path) == "model":
        return _from_model(path, resolution_A)
    return _from_cif(path)


def _check_mtz_frame(path: str | Path) -> None:
    """Check where the header of an MTZ file begins: gemmi allocates whatever memory the first words ask for."""
    data = read_bytes(path)
    order = ">" if data[8:9] and data[8] >> 4 == 1 else "<"
    offset = struct.unpack_from(order + "i", data, 4)[0] if len(data) >= 80 else 0
    if offset == -1:
        offset = struct.unpack_from(order + "q", data, 12)[0]
    if not data.startswith(b"MTZ ") or not 80 <= 4 * (offset - 1) <= len(data) - 80:
        raise ReaderError(path, "is no MTZ file: its header is not where its first words say, expected an MTZ file")


def _kind(path: str | Path, start: bytes) -> str:
    suffix = Path(path).suffix.lower()
    if start.startswith(b"MTZ ") or suffix == ".mtz":
        return "mtz"
    if suffix in (".pdb", ".ent"):
        return "pdb"
    if suffix in (".cif", ".mmcif") or start.lstrip().startswith(b"data_"):
        return "cif"
    if start.startswith((b"HEADER ", b"CRYST1", b"REMARK ", b"TITLE ")):
        return "pdb"
    return "text"


def _kind_of_cif(path: str | Path) -> str | None:
    if _kind(path, read_bytes(path)[:8192]) != "cif":
        return None
    block = _cif_block(path)
    if block.find_loop("_refln.index_h"):
        return "reflections"
    if block.find_loop("_atom_site.Cartn_x"):
        return "model"
    raise ReaderError(path, "holds neither reflections (_refln) nor atoms (_atom_site), expected one of them")


def _cif_block(path: str | Path) -> gemmi.cif.Block:
    document: gemmi.cif.Document = _gemmi_read(path, "mmCIF file", lambda gemmi: gemmi.cif.read(str(path)))
    for block in document:
        if block.find_loop("_refln.index_h") or block.find_loop("_atom_site.Cartn_x"):
            return block
    if len(document) == 0:
        raise ReaderError(path, "holds no data block, expected an mmCIF file")
    return document[0]


def _gemmi_read(path: str | Path, what: str, read: Callable[[Any], T]) -> T:
    """Call gemmi; its exceptions become ReaderErrors."""
    read_bytes(path)
    import gemmi

    try:
        return read(gemmi)
    except (RuntimeError, ValueError, OSError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReaderError(path, f"is no {what} that gemmi can read ({reason})") from None


def _from_cif(path: str | Path) -> ReflectionFile:
    def convert(gemmi: Any) -> Any:
        blocks = gemmi.as_refln_blocks(gemmi.cif.read(str(path)))
        return gemmi.CifToMtz().convert_block_to_mtz(next(block for block in blocks if block))

    return _from_mtz(path, _gemmi_read(path, "mmCIF structure factor file", convert))


def _from_mtz(path: str | Path, mtz: gemmi.Mtz) -> ReflectionFile:
    if mtz.nreflections == 0:
        raise ReaderError(path, "holds no reflection")
    if mtz.spacegroup is None:
        raise ReaderError(path, "names no space group, so its reflections cannot be expanded to P1")
    notices: list[str] = []
    amplitudes = _amplitudes(path, mtz, notices)
    hkl = mtz.make_miller_array().astype(np.int64)
    known = np.isfinite(amplitudes)
    if not known.any():
        raise ReaderError(path, "holds no amplitude that is a number")
    if not known.all():
        notices.append(f"{path}: {np.count_nonzero(~known)} reflections without an amplitude are left out")
    expanded = expand_to_P1(hkl[known], amplitudes[known], mtz.spacegroup.operations())
    cell = mtz.get_cell()
    return ReflectionFile(expanded, tuple(cell.parameters) if cell.is_crystal() else None, notices)


def _amplitudes(path: str | Path, mtz: gemmi.Mtz, notices: list[str]) -> np.ndarray:
    """The amplitudes: a column with a usual label, else the first of type F, else from intensities or pairs."""
    by_type = {kind: [column for column in mtz.columns if column.type == kind] for kind in "FJGK"}
    plain = by_type["F"]
    wanted = [column for label in AMPLITUDE_LABELS for column in plain if column.label == label] + plain
    if wanted:
        if len(plain) > 1:
            others = " ".join(column.label for column in plain if column is not wanted[0])
            notices.append(f"{path}: amplitudes are read from column {wanted[0].label}, not from {others}")
        return np.array(wanted[0].array, dtype=np.float64)
    if by_type["J"]:
        notices.append(f"{path}: no amplitudes, so they are the roots of the intensities {by_type['J'][0].label}")
        return np.sqrt(np.maximum(np.array(by_type["J"][0].array, dtype=np.float64), 0.0))
    for kind, name in (("G", "amplitudes"), ("K", "intensities")):
        pair = np.array([column.array for column in by_type[kind][:2]], dtype=np.float64)
        if len(pair):
            notices.append(f"{path}: anomalous differences are ignored, the {name} are means of Friedel mates")
            known = np.isfinite(pair)
            count = np.where(known.any(axis=0), known.sum(axis=0), np.nan)
            mean: np.ndarray = np.where(known, pair, 0.0).sum(axis=0) / count
            if kind == "K":
                mean = np.sqrt(np.maximum(mean, 0.0))
            return mean
    labels = " ".join(mtz.column_labels())
    raise ReaderError(path, f"has the columns {labels}, expected amplitudes (type F) or intensities (type J)")


def expand_to_P1(hkl: np.ndarray, amplitudes: np.ndarray, operations: gemmi.GroupOps) -> Reflections:
    """All symmetry mates and Friedel mates of reflections (n, 3), without duplicates.

    |F(h R)| = |F(h)| for the rotation R of every symmetry operation, and |F(-h)| = |F(h)| without anomalous scattering.
    """
    mates = []
    for operation in operations.sym_ops:
        turned = hkl @ np.array(operation.rot, dtype=np.int64) // operation.DEN
        mates += [turned, -turned]
    everything = np.concatenate(mates)
    values = np.tile(amplitudes, len(mates))
    unique, first = np.unique(everything, axis=0, return_index=True)
    return Reflections(unique, values[first])


def _from_model(path: str | Path, resolution: Callable[[], float] | None) -> ReflectionFile:
    if resolution is None:
        raise ReaderError(path, "is an atom model, so a resolution is needed to calculate amplitudes")
    structure = _gemmi_read(path, "atom model", lambda gemmi: gemmi.read_structure(str(path)))
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise ReaderError(path, "holds no atom")
    if not structure.cell.is_crystal():
        raise ReaderError(path, "has no unit cell (CRYST1 or _cell), so its amplitudes cannot be calculated")
    if structure.find_spacegroup() is None:
        raise ReaderError(path, "names no known space group, so its amplitudes cannot be calculated")
    _check_model_sizes(path, structure)
    resolution_A = resolution()
    if not resolution_A > 0:
        raise ReaderError(path, f"needs a resolution above 0 A to calculate amplitudes, got {resolution_A:g} A")
    spacing = resolution_A / 3.0  # grid steps of a third of the resolution
    cells = structure.cell.volume / spacing**3
    if cells > MAX_MODEL_CELLS:
        raise ReaderError(path, f"needs a map of {cells:.3g} points to {resolution_A:.3g} A; give -dmin to limit it")
    hkl, amplitudes = _gemmi_read(path, "atom model", lambda gemmi: calculate(gemmi, structure, resolution_A))
    expanded = expand_to_P1(hkl, amplitudes, structure.find_spacegroup().operations())
    atoms = structure[0].count_atom_sites()
    notice = f"{path}: amplitudes calculated from {atoms} atoms to {resolution_A:.3g} A, without solvent"
    return ReflectionFile(expanded, tuple(structure.cell.parameters), [notice])


def _check_model_sizes(path: str | Path, structure: gemmi.Structure) -> None:
    """Raise ReaderError for a cell or an atom whose size has no bound: gemmi goes over all grid points near an atom."""
    cell = structure.cell
    numbers = np.array(cell.parameters)
    spacings_A = [1.0 / per_A if per_A else np.inf for per_A in cell.reciprocal().parameters[:3]]
    shown = " ".join(f"{number:g}" for number in numbers)
    wanted = f"a crystal's cell, its lattice planes {MIN_SPACING_A:g} to {MAX_LENGTH_A:g} A apart"
    sizes = np.array([*numbers[:3], *spacings_A])
    angles = ((numbers[3:] > 0) & (numbers[3:] < 180)).all()
    if not (angles and (sizes >= MIN_SPACING_A).all() and (sizes <= MAX_LENGTH_A).all()):
        raise ReaderError(path, f"has the unit cell {shown}, expected {wanted}")
    for site in structure[0].all():
        atom = site.atom
        u_A2 = [abs(u) for u in atom.aniso.elements_pdb()]
        if not all(abs(x) <= MAX_LENGTH_A for x in atom.pos.tolist()):
            raise ReaderError(path, f"has atom {atom.name} at {atom.pos.tolist()} A, expected at most {MAX_LENGTH_A:g}")
        if not all(B_A2 <= MAX_B_A2 for B_A2 in (abs(atom.b_iso), 8 * np.pi**2 * max(u_A2))):
            raise ReaderError(path, f"has atom {atom.name} with a B factor beyond {MAX_B_A2:g} A^2, expected less")


def calculate(gemmi: Any, structure: gemmi.Structure, resolution_A: float) -> tuple[np.ndarray, np.ndarray]:
    """Unique reflections (n, 3) of a model and their amplitudes (electrons): electron density on a grid, then FFT."""
    structure.setup_cell_images()
    calculator = gemmi.DensityCalculatorX()
    calculator.d_min = resolution_A
    calculator.rate = 1.5
    calculator.set_refmac_compatible_blur(structure[0])
    calculator.set_grid_cell_and_spacegroup(structure)
    calculator.put_model_density_on_grid(structure[0])
    transformed = gemmi.transform_map_to_f_phi(calculator.grid, half_l=True)
    unique = transformed.prepare_asu_data(dmin=resolution_A, unblur=calculator.blur)
    return unique.miller_array.astype(np.int64), np.abs(unique.value_array).astype(np.float64)
