"""Amplitudes calculated from an atom model (PDB, mmCIF), without solvent: density on a grid, then FFT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nanobrag_torch.io.file_kind import Content
from nanobrag_torch.io.gemmi_reading import usable_cell, with_gemmi
from nanobrag_torch.io.reading import ReaderError

MAX_MODEL_CELLS = 400_000_000
# What is beyond is no crystal, and would keep gemmi busy for ever: it goes over all grid points near an atom.
MIN_SPACING_A, MAX_COORDINATE_A, MAX_B_A2 = 0.5, 1e5, 2000.0


class Calculated(NamedTuple):
    """Unique reflections (n, 3), their amplitudes (electrons), and what they come from."""

    hkl: np.ndarray
    F_electrons: np.ndarray
    spacegroup: Any
    cell: tuple[float, ...]
    atoms: int
    models: int
    resolution_A: float
    notices: list[str]


def calculate_amplitudes(content: Content, resolution: Callable[[], float]) -> Calculated:
    """Raises ReaderError for a model without atoms, unit cell or space group."""
    return with_gemmi(content.path, "atom model", lambda gemmi: _calculate(gemmi, content, resolution))


def _calculate(gemmi: Any, content: Content, resolution: Callable[[], float]) -> Calculated:
    path = content.path
    structure = _structure(gemmi, content)
    notices = _leave_out_unknown(path, structure)
    if not any(model.count_atom_sites() for model in structure):
        raise ReaderError(path, "holds no atom")
    cell = usable_cell(structure.cell)
    if cell is None:
        raise ReaderError(path, "has no unit cell (CRYST1 or _cell) that a crystal has, so it gives no amplitudes")
    if structure.find_spacegroup() is None:
        raise ReaderError(path, "names no known space group, so its amplitudes cannot be calculated")
    _check_sizes(path, structure)
    resolution_A = resolution()
    if not resolution_A > 0:
        raise ReaderError(path, f"needs a resolution above 0 A to calculate amplitudes, got {resolution_A:g} A")
    points = structure.cell.volume / (resolution_A / 3.0) ** 3  # grid steps of a third of the resolution
    if points > MAX_MODEL_CELLS:
        raise ReaderError(path, f"needs a map of {points:.3g} points to {resolution_A:.3g} A; give -dmin to limit it")
    weight = _weight(path, structure, notices)
    hkl, amplitudes = calculate(gemmi, structure, resolution_A)
    atoms = sum(model.count_atom_sites() for model in structure)
    return Calculated(
        hkl, weight * amplitudes, structure.find_spacegroup(), cell, atoms, len(structure), resolution_A, notices
    )


def _check_sizes(path: str | Path, structure: Any) -> None:
    """Raise ReaderError for lattice planes that lie too close, and for atoms that are too far away or too wide."""
    spacing_A = min(1.0 / per_A for per_A in structure.cell.reciprocal().parameters[:3])
    if not spacing_A >= MIN_SPACING_A:
        shown = " ".join(f"{number:g}" for number in structure.cell.parameters)
        least = f"expected at least {MIN_SPACING_A:g} A"
        raise ReaderError(path, f"has the unit cell {shown}, whose planes lie {spacing_A:.3g} A apart, {least}")
    for site in (site for model in structure for site in model.all()):
        atom = site.atom
        where_A = atom.pos.tolist()
        B_A2 = max(abs(atom.b_iso), 8 * np.pi**2 * max(abs(u_A2) for u_A2 in atom.aniso.elements_pdb()))
        if not all(abs(x_A) <= MAX_COORDINATE_A for x_A in where_A):
            raise ReaderError(path, f"has atom {atom.name} at {where_A} A, expected at most {MAX_COORDINATE_A:g} A")
        if not B_A2 <= MAX_B_A2:
            raise ReaderError(path, f"has atom {atom.name} of B factor {B_A2:g} A^2, expected at most {MAX_B_A2:g} A^2")


def _structure(gemmi: Any, content: Content) -> Any:
    if content.kind == "pdb":
        return gemmi.read_pdb_string(content.text())
    document = gemmi.cif.read_string(content.text())
    block = next(block for block in document if block.find_loop("_atom_site.Cartn_x"))
    return gemmi.make_structure_from_block(block)


def _leave_out_unknown(path: str | Path, structure: Any) -> list[str]:
    """Remove the atoms of no element, for which there are no scattering factors."""
    unknown: dict[str, int] = {}
    for model in structure:
        for chain in model:
            for residue in chain:
                for index in reversed(range(len(residue))):
                    element = residue[index].element
                    if element.atomic_number == 0 or element.it92 is None:
                        unknown[element.name] = unknown.get(element.name, 0) + 1
                        del residue[index]
    named = ", ".join(f"{count} of element {name}" for name, count in unknown.items())
    return [f"{path}: atoms without scattering factors are left out: {named}"] if unknown else []


def _weight(path: str | Path, structure: Any, notices: list[str]) -> float:
    """The weight of each model: 1 if all models share one crystal's occupancies, else 1 over their number."""
    if len(structure) == 1:
        return 1.0
    occupancy = sum(_mean_occupancy(model) for model in structure)
    shared = occupancy <= 1.01
    how = "added, as their occupancies are" if shared else "averaged, as each of them is whole"
    notices.append(f"{path}: holds {len(structure)} models, whose amplitudes are {how}")
    return 1.0 if shared else 1.0 / len(structure)


def _mean_occupancy(model: Any) -> float:
    occupancies = [atom.occ for chain in model for residue in chain for atom in residue if atom.altloc in ("\0", "A")]
    return float(np.mean(occupancies)) if occupancies else 0.0


def calculate(gemmi: Any, structure: Any, resolution_A: float) -> tuple[np.ndarray, np.ndarray]:
    """Unique reflections (n, 3) of all models together and their amplitudes (electrons)."""
    structure.setup_cell_images()
    calculator = gemmi.DensityCalculatorX()
    calculator.d_min = resolution_A
    calculator.rate = 1.5
    blurs = []
    for model in structure:
        calculator.set_refmac_compatible_blur(model)
        blurs.append(calculator.blur)
    calculator.blur = max(blurs)
    calculator.set_grid_cell_and_spacegroup(structure)
    calculator.initialize_grid()
    for model in structure:
        calculator.add_model_density_to_grid(model)
    calculator.grid.symmetrize_sum()
    transformed = gemmi.transform_map_to_f_phi(calculator.grid, half_l=True)
    unique = transformed.prepare_asu_data(dmin=resolution_A, unblur=calculator.blur)
    return unique.miller_array.astype(np.int64), np.abs(unique.value_array).astype(np.float64)
