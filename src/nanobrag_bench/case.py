"""The timed command lines: that of a scenario, and the changes that each part needs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nanobrag_bench.programs import PLAIN, Program
from trace_audit.config.scenario import arguments, load_scenario
from trace_audit.inputs.prepare import prepare_inputs

ONE_PIXEL = ["-roi", "0", "0", "0", "0"]  # what is left is start, reading and writing


class Sizes(NamedTuple):
    """Sides of the square detectors of the parts that do not take the scenario's, in pixels."""

    large: int
    memory: int
    huge: int
    gradient: int
    steps: int


class Bench(NamedTuple):
    """Everything that a part needs to know."""

    scenario: str
    words: list[str]  # the scenario's command line
    programs: list[Program]
    cache: Path  # folder of the torch program's compiled code, built beforehand
    repeats: int
    sizes: Sizes

    @property
    def plain(self) -> Program:
        """The usual build of the C program, which torch is compared with."""
        return next(program for program in self.programs if program.name == PLAIN)


def scenario_words(file: Path, hkl: Path | None, folder: Path) -> tuple[str, list[str]]:
    """Name and command line of a scenario; its files are made in `folder`. Raises InputError."""
    scenario = load_scenario(str(file))
    files = prepare_inputs(scenario, folder, hkl=hkl, scenario_folder=file.parent)
    return scenario.name, arguments(scenario, files)


def square(pixels: int) -> list[str]:
    """Flags of a detector of pixels x pixels; the last of several flags counts."""
    return ["-detpixels_x", str(pixels), "-detpixels_y", str(pixels)]


def steps(*, phi: int = 1, mosaic: int = 1, sources: int = 1, oversample: int = 1) -> list[str]:
    """Flags that give a pixel phi x mosaic x sources x oversample^2 steps."""
    spread = ["-mosaic", "0.3", "-mosaic_dom", str(mosaic)] if mosaic > 1 else []
    colours = ["-dispersion", "0.5", "-dispsteps", str(sources)] if sources > 1 else []
    return ["-phisteps", str(phi), *spread, *colours, "-oversample", str(oversample)]


def from_a_cell(argv: list[str]) -> list[str]:
    """The command line with a triclinic cell and a misset in place of a matrix, to be differentiated by them."""
    kept, position = [], 0
    while position < len(argv):
        if argv[position] == "-mat":
            position += 2
            continue
        kept.append(argv[position])
        position += 1
    return [*kept, "-cell", "74", "83", "92", "85", "95", "104", "-misset", "12", "34", "56"]
