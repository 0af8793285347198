"""Flags that tell the C program what an experiment states, or that give a parameter an effect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nanobrag_torch.gradients.parameter import Flags
from nanobrag_torch.parameters import number
from nanobrag_torch.parameters.conventions import CONVENTIONS

if TYPE_CHECKING:
    from nanobrag_torch.parameters import Experiment, Scalar

T = TypeVar("T")


def number_text(value: Scalar | None) -> str:
    """A number as text that reads back to the same double."""
    assert value is not None  # only parameters that the experiment states are written
    return repr(number(value))


def part_of(value: T | None) -> T:
    """The part of the experiment that holds the parameter; raises an error if the experiment does not state it."""
    if value is None:
        raise ValueError("the experiment does not state this parameter")
    return value


def arguments_of(line: str) -> list[str]:
    """The arguments of a command line without quotes."""
    return line.split()


def always(*stated: str) -> Flags:
    """Flags that do not depend on the experiment."""
    return lambda experiment, folder: list(stated)


def same_sources(experiment: Experiment, folder: Path) -> list[str]:
    """The sources of a file, each with its own wavelength: one that states none has that of -lambda."""
    return [] if experiment.beam.sources is None else source_flags(experiment, folder)


def same_polarization(experiment: Experiment, folder: Path) -> list[str]:
    """-nopolar where the beam is not polarized."""
    return [] if experiment.beam.polarized else ["-nopolar"]


def same_reflections(experiment: Experiment, folder: Path) -> list[str]:
    """The table with its gaps, which are filled with the default when a file is read."""
    return [] if experiment.structure_factors.table is None else reflection_flags(experiment, folder)


def cell_flags(experiment: Experiment, folder: Path) -> list[str]:
    """The cell, as it is."""
    crystal = experiment.crystal
    lengths_A: Any = part_of(crystal.cell_lengths_A)
    return ["-cell", *(number_text(number) for number in (*lengths_A, *crystal.cell_angles_deg))]


def matrix_flags(experiment: Experiment, folder: Path) -> list[str]:
    """The orientation matrix, as a file."""
    path = folder / "orientation.mat"
    rows = part_of(experiment.crystal.orientation_matrix).tolist()
    path.write_text("".join(" ".join(map(number_text, row)) + "\n" for row in rows))
    return ["-mat", str(path)]


def some_mosaic(experiment: Experiment, folder: Path) -> list[str]:
    """Three domains, unless the experiment has some."""
    return [] if experiment.crystal.mosaic_spread_rad else ["-mosaic", "0.03", "-mosaic_dom", "3"]


def some_matrix(experiment: Experiment, folder: Path) -> list[str]:
    """The orientation of the experiment's cell as a matrix file."""
    (folder / "orientation.mat").write_text("0.03 0.004 -0.002\n-0.001 0.025 0.003\n0.002 0.001 0.022\n")
    return ["-mat", str(folder / "orientation.mat")]


def source_flags(experiment: Experiment, folder: Path) -> list[str]:
    """The sources, as a file."""
    table = part_of(experiment.beam.sources)
    columns = zip(table.position_m.tolist(), table.weight.tolist(), table.wavelength_m.tolist(), strict=True)
    path = folder / "sources.txt"
    path.write_text("".join(" ".join(map(number_text, (*position, *rest))) + "\n" for position, *rest in columns))
    return ["-sourcefile", str(path)]


def three_sources(experiment: Experiment, folder: Path) -> list[str]:
    """Three sources with different weights, wavelengths and positions around the beam; the weights are used."""
    beam, wavelength_m = beam_direction(experiment), float(experiment.beam.wavelength_m)
    rows = []
    for index, weight in enumerate((1.0, 2.0, 0.5)):
        position = [-10.0 * b + 0.004 * (index - 1) * (1 + axis) for axis, b in enumerate(beam)]
        rows.append((*position, weight, wavelength_m * (1 + 0.002 * (index - 1))))
    (folder / "sources.txt").write_text("".join(" ".join(map(number_text, row)) + "\n" for row in rows))
    return ["-sourcefile", str(folder / "sources.txt"), "-defects", "default,-source_weights_ignored"]


def beam_direction(experiment: Experiment) -> tuple[float, ...]:
    """Where the beam goes, before it is normalised."""
    panel = experiment.detector
    stated = panel.beam_vector if panel.convention == "CUSTOM" else None
    if stated is None:
        return CONVENTIONS[panel.convention].beam_vector
    return tuple(map(number, stated))


def reflection_flags(experiment: Experiment, folder: Path) -> list[str]:
    """The table of amplitudes, as a file."""
    table = part_of(experiment.structure_factors.table)
    path = folder / "reflections.hkl"
    with path.open("w") as stream:
        for i, plane in enumerate(table.F_electrons.tolist()):
            for j, line in enumerate(plane):
                for k, value in enumerate(line):
                    stream.write(f"{table.h_min + i} {table.k_min + j} {table.l_min + k} {value!r}\n")
    return ["-hkl", str(path)]


def far_reflection(experiment: Experiment, folder: Path) -> list[str]:
    """A table without any reflection that the detector sees."""
    (folder / "far.hkl").write_text("90 90 90 1\n")
    return ["-hkl", str(folder / "far.hkl"), "-default_F", "20"]


def custom_axes(experiment: Experiment, folder: Path) -> list[str]:
    """A CUSTOM detector tilted about every axis, with pivot SAMPLE."""
    vectors = {
        "-fdet_vector": (0.02, -0.01, 1.0),
        "-sdet_vector": (0.01, -1.0, 0.03),
        "-beam_vector": (1.0, 0.02, -0.01),
        "-polar_vector": (0.03, 0.1, 1.0),
        "-spindle_axis": (0.1, 0.05, 1.0),
        "-twotheta_axis": (0.02, -0.03, -1.0),
    }
    arguments = [argument for flag, vector in vectors.items() for argument in (flag, *map(number_text, vector))]
    return [*arguments, "-pivot", "sample", "-twotheta", "5"]
