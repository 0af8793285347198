"""Input files of a scenario for both programs: orientation matrix, hkl text, source file, mask image."""

import argparse
import sys
from array import array
from pathlib import Path

from trace_audit.config.scenario import (
    ScenarioFiles,
    arguments,
    check_pixel,
    load_scenario,
    scenario_path,
    write_matrix,
)
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError
from trace_audit.core.files import write_atomic
from trace_audit.inputs.hkl_text import write_hkl


def prepare_inputs(scenario: Scenario, folder: Path, *, hkl: Path | None, scenario_folder: Path) -> ScenarioFiles:
    """Write matrix, sources and mask into `folder`; the hkl text is `hkl` if given, otherwise it is made.

    A synthetic set is calculated; a user's file (relative to `scenario_folder`) is converted. Raises InputError for a
    missing file.
    """
    if hkl is not None and not hkl.is_file():
        raise InputError(f"--hkl {hkl}: no such file; leave the option out to have it made from the scenario")
    made = (write_matrix(scenario, folder), write_sources(scenario, folder), write_mask(scenario, folder))
    matrix, sources, mask = (path.resolve() if path else None for path in made)
    if hkl is None:
        hkl = write_hkl(scenario, folder / f"{scenario.name}.hkl", scenario_folder)
    return ScenarioFiles(matrix, hkl.resolve() if hkl else None, sources, mask)


def prepared_files(options: argparse.Namespace, scenario: Scenario, folder: Path) -> ScenarioFiles:
    """The files of a command's scenario, made in `folder`; `options` are those of `add_scenario_options`."""
    scenario_folder = scenario_path(options.config, options.scenario_dir).parent
    return prepare_inputs(scenario, folder, hkl=options.hkl, scenario_folder=scenario_folder)


def prepared_experiment(options: argparse.Namespace, folder: Path) -> tuple[str, tuple[int, int], list[str]]:
    """A command's scenario: its name, the pixel (slow, fast) of `--pixel` or else its first, and its command line.

    `options` are those of `add_scenario_options`, and `pixel`; the files of the command line are in `folder`.
    """
    scenario = load_scenario(options.config, options.scenario_dir)
    slow, fast = options.pixel or scenario.pixels[0]
    check_pixel(scenario, slow, fast)
    return scenario.name, (slow, fast), arguments(scenario, prepared_files(options, scenario, folder))


def write_sources(scenario: Scenario, folder: Path) -> Path | None:
    """Write the sources to `folder`/sources.txt, one X Y Z weight wavelength a line, in metres; None if it has none."""
    if scenario.beam.sources is None:
        return None
    lines = []
    for source in scenario.beam.sources:
        wavelength = [] if source.wavelength_A is None else [repr(source.wavelength_A * 1e-10)]
        lines.append(" ".join([*map(repr, source.position_m), repr(source.weight), *wavelength]))
    path = Path(folder) / "sources.txt"
    write_atomic(path, "".join(f"{line}\n" for line in lines))
    return path


def write_mask(scenario: Scenario, folder: Path) -> Path | None:
    """Write the mask to `folder`/mask.img, an SMV image, 0 for a masked pixel, otherwise 1; None if it has none."""
    panel = scenario.detector
    if panel.masked is None:
        return None
    pixels = array("H", [1]) * (panel.pixels_fast * panel.pixels_slow)
    for region in panel.masked:
        for slow in range(region.slow[0], min(region.slow[1], panel.pixels_slow - 1) + 1):
            for fast in range(region.fast[0], min(region.fast[1], panel.pixels_fast - 1) + 1):
                pixels[slow * panel.pixels_fast + fast] = 0
    order = f"BYTE_ORDER={sys.byteorder}_endian;"
    keys = f"HEADER_BYTES=512;\n{order}\nSIZE1={panel.pixels_fast};\nSIZE2={panel.pixels_slow};\n"
    path = Path(folder) / "mask.img"
    write_atomic(path, f"{{\n{keys}}}\f".encode().ljust(512) + pixels.tobytes())
    return path
