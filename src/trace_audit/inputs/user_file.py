"""A user's own structure factors, converted to the hkl text that both programs read."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nanobrag_torch.io.reflections import Taken
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError
from trace_audit.core.files import sha256_of_file, write_atomic


@dataclass(frozen=True)
class Conversion:
    """What was read from a user's file, for terminal, record and report."""

    source: Path
    taken: Taken
    remarks: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """One sentence about what was read, then the remarks."""
        return [self.taken.line(), *self.remarks]

    def record(self) -> dict[str, Any]:
        """As JSON-ready data, with the hash of the file."""
        counts = {**asdict(self.taken), "file_sha256": sha256_of_file(self.source)}
        return {"kind": "file", "line": self.taken.line(), "remarks": list(self.remarks), **counts}


def convert_user_file(scenario: Scenario, source: Path, path: Path, column: str | None = None) -> Conversion:
    """Read hkl text, MTZ, mmCIF or PDB, expand it to P1 and write hkl text; returns what was read, and remarks.

    `column` names the column to read; without it, that of the scenario, or measured amplitudes first.

    Amplitudes of an atom model are calculated to d_min of the scenario, or to the corner of the detector. Raises
    InputError for a file that cannot be read.
    """
    from nanobrag_torch.io.reading import ReaderError
    from nanobrag_torch.io.reflections import read_reflections

    try:
        content = read_reflections(source, lambda: _resolution_A(scenario), column or scenario.structure_factors.column)
    except ReaderError as error:
        raise InputError(f"structure factors: {error}") from error
    rows = zip(content.reflections.hkl.tolist(), content.reflections.F_electrons.tolist(), strict=True)
    write_atomic(path, "".join(f"{h:4d} {k:4d} {l:4d} {F:.15g}\n" for (h, k, l), F in rows))
    remarks = (*content.notices, *_other_cell(scenario, source, content.cell))
    return Conversion(source, content.taken, remarks)


def _other_cell(scenario: Scenario, source: Path, of_file: tuple[float, ...] | None) -> list[str]:
    """A remark if the file's unit cell differs from the crystal's."""
    cell = scenario.crystal.cell
    if cell is None or of_file is None:
        return []
    own = (cell.a_A, cell.b_A, cell.c_A, cell.alpha_deg, cell.beta_deg, cell.gamma_deg)
    scales = (*own[:3], 90.0, 90.0, 90.0)
    if all(abs(a - b) <= 0.01 * scale for a, b, scale in zip(of_file, own, scales, strict=True)):
        return []
    shown = [" ".join(f"{value:g}" for value in values) for values in (of_file, own)]
    return [f"{source} has the unit cell {shown[0]}, the crystal {shown[1]}: check that they belong together"]


def _resolution_A(scenario: Scenario) -> float:
    from trace_audit.inputs.synthetic import detector_corner_per_A

    return scenario.structure_factors.d_min_A or 1.0 / detector_corner_per_A(scenario)
