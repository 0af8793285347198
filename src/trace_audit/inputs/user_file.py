"""A user's own structure factors, converted to the hkl text that both programs read."""

from pathlib import Path

from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError
from trace_audit.core.files import write_atomic


def convert_user_file(scenario: Scenario, source: Path, path: Path) -> list[str]:
    """Read hkl text, MTZ, mmCIF or PDB, expand it to P1 and write hkl text; returns remarks for the user.

    Amplitudes of an atom model are calculated to d_min of the scenario, or to the corner of the detector. Raises
    InputError for a file that cannot be read.
    """
    from nanobrag_torch.io.reading import ReaderError
    from nanobrag_torch.io.reflections import read_reflections

    try:
        content = read_reflections(source, lambda: _resolution_A(scenario))
    except ReaderError as error:
        raise InputError(f"structure factors: {error}") from error
    rows = zip(content.reflections.hkl.tolist(), content.reflections.F_electrons.tolist(), strict=True)
    write_atomic(path, "".join(f"{h:4d} {k:4d} {l:4d} {F:.15g}\n" for (h, k, l), F in rows))
    return content.notices


def _resolution_A(scenario: Scenario) -> float:
    from trace_audit.inputs.synthetic import detector_corner_per_A

    return scenario.structure_factors.d_min_A or 1.0 / detector_corner_per_A(scenario)
