"""The unit cell that -cell or -mat gives: checked, and compared with that of the structure factors."""

from __future__ import annotations

import math

import numpy as np

from nanobrag_torch import limits
from nanobrag_torch.cli.settings import Section
from nanobrag_torch.cli.tokens import UsageError
from nanobrag_torch.parameters import Beam

_SHORTEST_LIKELY_A = 2.0  # no crystal has axes that are all shorter
_MISFIT = 0.01  # of a length, or of 90 deg


def parameters(crystal: Section, matrix: np.ndarray | None, beam: Beam) -> tuple[np.ndarray, np.ndarray]:
    """Lengths (A) and angles (deg) of the cell; a matrix gives the angles, and without -cell the lengths too.

    Raises UsageError if there is neither.
    """
    lengths_A = None
    if crystal.get("cell_lengths_A") is not None:
        lengths_A = np.array(crystal["cell_lengths_A"], dtype=float)
    if matrix is None:
        if lengths_A is None:
            raise UsageError("no unit cell: expected -cell a b c alpha beta gamma or -mat FILE; --help lists all flags")
        return lengths_A, np.array(crystal["cell_angles_deg"], dtype=float)
    own_A, angles_deg = _of_matrix(matrix * (1e-10 / float(beam.wavelength_m)))
    return own_A if lengths_A is None else lengths_A, angles_deg


def _of_matrix(star: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and angles of the real-space axes for reciprocal axes, the columns of `star` (1/A)."""
    with np.errstate(all="ignore"):
        cross = np.cross(star[:, [1, 2, 0]].T, star[:, [2, 0, 1]].T)
        lengths_A = np.linalg.norm(cross, axis=1) / abs(np.dot(star[:, 0], cross[0]))
        unit = cross / np.linalg.norm(cross, axis=1, keepdims=True)
        cosines = [unit[i] @ unit[j] for i, j in ((1, 2), (2, 0), (0, 1))]
        return lengths_A, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def check(crystal: Section, matrix: np.ndarray | None, beam: Beam) -> None:
    """The axes of the unit cell, and the number of cells along each, are what some crystal could have."""
    lengths_A, _ = parameters(crystal, matrix, beam)
    limits.check_axes_of_cell("cell axis", [float(length) for length in lengths_A], ": check -cell, -mat and -lambda")
    limits_m = (math.inf, beam.beamsize_m, beam.beamsize_m)
    for size_m, limit_m, length_A in zip(crystal.get("sample_size_m", (0, 0, 0)), limits_m, lengths_A, strict=True):
        limits.check_cells("-samplesize", min(size_m, limit_m), length_A)


def other_cell(
    path: str, of_file: tuple[float, ...], crystal: Section, matrix: np.ndarray | None, beam: Beam
) -> list[str]:
    """A warning where the file of structure factors has another cell (A, deg) than the crystal."""
    lengths_A, angles_deg = parameters(crystal, matrix, beam)
    own = np.array([*lengths_A, *angles_deg])
    scale = np.array([*lengths_A, 90.0, 90.0, 90.0])
    if (np.abs(np.array(of_file) - own) <= _MISFIT * scale).all():
        return []
    shown = [" ".join(f"{value:g}" for value in np.round(cell, 4)) for cell in (of_file, own)]
    return [f"{path} has the unit cell {shown[0]}, the crystal {shown[1]}: check that they belong together"]


def matrix_warnings(path: str, matrix: np.ndarray, beam: Beam, further: tuple[float, ...]) -> list[str]:
    """Warnings about an orientation matrix; `further`: three numbers that follow its nine."""
    warnings = []
    if np.linalg.det(matrix) < 0:
        warnings.append(f"-mat {path}: its axes are left-handed; expected right-handed a*, b*, c*")
    lengths_A, _ = parameters({}, matrix, beam)
    if max(lengths_A) < _SHORTEST_LIKELY_A:
        axes = " x ".join(f"{length_A:.3g}" for length_A in lengths_A)
        warnings.append(
            f"-mat {path}: makes cell axes of {axes} A, so it looks like a real-space matrix; expected "
            "a*, b*, c* times the wavelength"
        )
    if any(further):
        angles = " ".join(f"{angle:g}" for angle in further)
        warnings.append(f"-mat {path}: the missets behind the matrix ({angles} deg) are not used; see -misset")
    return warnings
