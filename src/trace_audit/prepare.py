"""Input files of a scenario, made ready for both programs: orientation matrix and hkl text."""

from pathlib import Path

from trace_audit.errors import InputError
from trace_audit.scenario import ScenarioFiles, write_matrix
from trace_audit.scenario_model import Scenario


def prepare_inputs(scenario: Scenario, folder: Path, *, hkl: Path | None, scenario_folder: Path) -> ScenarioFiles:
    """Write the matrix into `folder` and see to the hkl text: `hkl` if given, otherwise made from the scenario.

    A synthetic set is calculated; a user's file (relative to `scenario_folder`) is converted. Raises InputError for a
    file that is not there.
    """
    if hkl is not None and not hkl.is_file():
        raise InputError(f"--hkl {hkl}: no such file; leave the option out to have it made from the scenario")
    matrix = write_matrix(scenario, folder)
    if hkl is None:
        hkl = write_hkl(scenario, folder / f"{scenario.name}.hkl", scenario_folder)
    return ScenarioFiles(matrix.resolve() if matrix else None, hkl.resolve() if hkl else None)


def write_hkl(scenario: Scenario, path: Path, scenario_folder: Path) -> Path | None:
    """Write the structure factors of the scenario as hkl text; None if it has but a default amplitude."""
    factors = scenario.structure_factors
    if factors.synthetic is not None:
        from trace_audit.synthetic import write_synthetic

        write_synthetic(scenario, path)
        return path
    if factors.file is not None:
        from trace_audit.user_file import convert_user_file

        convert_user_file(scenario, scenario_folder / factors.file, path)
        return path
    return None
