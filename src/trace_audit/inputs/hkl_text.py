"""`python -m trace_audit.inputs.hkl_text`: the structure factors of a scenario as hkl text.

A synthetic set is calculated; a user's file is converted and expanded to P1.
"""

import argparse
import sys
from pathlib import Path

from trace_audit.config.scenario import load_scenario, scenario_path
from trace_audit.config.scenario_errors import NO_AMPLITUDES
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError, run_command


def write_hkl(scenario: Scenario, path: Path, scenario_folder: Path) -> Path | None:
    """Write the structure factors of the scenario as hkl text; None if it has only a default amplitude.

    A line on standard error says what was read from a user's file.
    """
    factors = scenario.structure_factors
    if not factors.have_an_origin:
        raise InputError(f"scenario {scenario.name}: {NO_AMPLITUDES}; or give --hkl")
    if factors.synthetic is not None:
        from trace_audit.inputs.synthetic import write_synthetic

        write_synthetic(scenario, path)
        return path
    if factors.file is not None:
        from trace_audit.inputs.user_file import convert_user_file

        for line in convert_user_file(scenario, scenario_folder / factors.file, path).lines:
            print(line, file=sys.stderr)
        return path
    return None


def main(argv: list[str]) -> int:
    """Write the structure factors of a scenario, calculated or converted from the user's file."""
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.inputs.hkl_text", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--scenario", required=True, metavar="SCENARIO", help="name of a scenario, or its YAML file")
    parser.add_argument("--scenario-dir", type=Path, metavar="DIR", help="where scenarios are (config/scenarios)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the hkl text")
    options = parser.parse_args(argv)
    scenario = load_scenario(options.scenario, options.scenario_dir)
    folder = scenario_path(options.scenario, options.scenario_dir).parent
    if write_hkl(scenario, options.out, folder) is None:
        raise InputError(f"scenario {scenario.name}: has only default_F_electrons, there is nothing to write")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
