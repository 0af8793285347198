"""Random experiments with all their parameters, their derivatives on four paths, and differences of their images.

An experiment is that of a random command line (`tests.parity.command_lines`), of as many cells, steps and sub-pixels as
at the start, so that none can change within a difference. Its parameters are all of docs/gradients.md that it states
and that are smooth there; a direction moves all of them at once, each by about a millionth of itself.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch

from nanobrag_torch import integrate
from nanobrag_torch.cli import parse
from nanobrag_torch.gradients import Parameter, parameters
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.parameters.defects import active
from nanobrag_torch.simulator import Simulation, simulate
from tests.parity.command_lines import CommandLine, command_line

STEP = 1e-6
MOST_STEPS = 40_000  # samples times sources times orientations of all pixels
TYPICAL = {"deg": 30.0, "mm": 10.0, "pixel": 10.0}  # of a number that may be 0
_REACH = (-2, -1, 1, 2)


@dataclass(frozen=True)
class Case:
    """A random experiment, and the parameters that move it."""

    line: CommandLine
    words: list[str]
    experiment: Experiment
    rows: list[Parameter]
    start: torch.Tensor  # (parameters,)
    direction: torch.Tensor

    def at(self, values: Iterable[torch.Tensor]) -> Experiment:
        """The experiment with these values of the parameters."""
        made = self.experiment
        for row, value in zip(self.rows, values, strict=True):
            made = row.put(made, value)
        return made

    def image(self, values: torch.Tensor, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        return simulate(self.at(values), dtype=dtype, image_dtype=torch.float64)

    def along(self, t: torch.Tensor) -> torch.Tensor:
        """The image t steps along the direction."""
        return self.image(self.start + t * self.direction)


def case(seed: int, folder: Path) -> Case:
    """The experiment of a seed; `folder` takes its files."""
    line = command_line(seed)
    for name, content in line.files.items():
        (folder / name).write_bytes(content)
    arguments = [str(folder / argument) if argument in line.files else argument for argument in line.words]
    with contextlib.chdir(folder):
        stated = parse(arguments).experiment
    resolved = Simulation(stated).model
    experiment = replace(
        stated,
        crystal=replace(stated.crystal, n_cells=tuple(resolved.n_cells.tolist()), sample_size_m=(0.0, 0.0, 0.0)),
        detector=replace(stated.detector, oversample=resolved.oversample),
        structure_factors=replace(stated.structure_factors, interpolate=resolved.amplitudes.interpolate),
    )
    experiment, arguments = fewer_pixels(experiment, arguments)
    random = Random(seed)
    rows = [
        row for row in parameters().values() if row.kind != "none" and not row.is_tensor and smooth(row, experiment)
    ]
    start = torch.tensor([row.value(experiment) for row in rows], dtype=torch.float64)
    sizes = [max(abs(float(v)), TYPICAL.get(r.unit.name, 0.0)) for r, v in zip(rows, start, strict=True)]
    signs = [random.choice((-1, 1)) * random.uniform(0.5, 1.0) for _ in rows]
    direction = STEP * torch.tensor(sizes, dtype=torch.float64) * torch.tensor(signs, dtype=torch.float64)
    return Case(line, arguments, experiment, rows, start, direction)


def fewer_pixels(experiment: Experiment, words: list[str]) -> tuple[Experiment, list[str]]:
    """Of an image of many steps some rows about its brightest pixel: each pixel has a derivative by every parameter."""
    simulation = Simulation(experiment)
    geometry = simulation.geometry
    told_a_pixel = experiment.detector.roi is not None or {"-printout_pixel", "-trace_pixel"}.intersection(words)
    if simulation.steps <= MOST_STEPS or told_a_pixel:
        return experiment, words
    rows = max(3, geometry.n_slow * MOST_STEPS // simulation.steps)
    with torch.no_grad():
        brightest = int(simulation.image().argmax()) // geometry.n_fast
    first = min(max(brightest - rows // 2, 0), geometry.n_slow - rows)
    region = (0, geometry.n_fast - 1, first, first + rows - 1)
    experiment = replace(experiment, detector=replace(experiment.detector, roi=region))
    return experiment, [*words, "-roi", *map(str, region)]


def smooth(row: Parameter, experiment: Experiment) -> bool:
    """Whether the image has a two-sided derivative by a parameter at this point that differences can measure."""
    value, defects = row.value(experiment), active(experiment.defects)
    if value is None or not math.isfinite(value) or (value == 0 and row.range) or row.name == "mosaic_spread":
        return False  # tilts are rounded to single precision, which a difference sees and a derivative does not
    if row.name in ("N_a", "N_b", "N_c"):
        return value > 1
    if row.name.startswith("cell_") and experiment.crystal.cell_lengths_A is None:
        return False
    if row.name in ("phi_start", "osc", "phistep"):
        phi = Simulation(experiment).model.phi_rad
        carried = "phi_carryover" in defects and len(phi) > 1 and bool((phi == 0).any())
        return not carried and (row.name == "phi_start" or (experiment.spindle.phisteps or 0) > 0)
    if row.name == "pixel_size":
        return experiment.detector.n_fast is not None and experiment.detector.n_slow is not None
    if row.name in ("hdiv_step", "vdiv_step"):
        return not experiment.beam.round_divergence
    if row.name.startswith("odet_vector"):
        return "normal_exact_length" not in defects
    return True


def differences(subject: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """Change of the image along the direction by differences of fourth order, and the pixels where they hold.

    They do not where a term of a pixel passes to another reflection, over the rim of a spot or the limit of resolution.
    """
    with torch.no_grad():
        images = {step: subject.along(torch.tensor(float(step), dtype=torch.float64)) for step in _REACH}
        tables = [regions(subject.at(subject.start + step * subject.direction)) for step in (0, *_REACH)]
    smooth_there = torch.stack([table == tables[0] for table in tables[1:]]).all(0).view_as(images[1])
    near, far = (images[1] - images[-1]) / 2, (images[2] - images[-2]) / 4
    return (4 * near - far) / 3, smooth_there


def regions(experiment: Experiment) -> torch.Tensor:
    """A number (pixels,) for each pixel that changes where the image may jump or bend."""
    simulation = Simulation(experiment)
    interpolated = simulation.model.amplitudes.interpolate
    tile = next(iter(simulation.pixels.tiles(1 << 30)), None)
    table = simulation.blank(torch.float64).view(-1)
    if tile is None:
        return table
    pixels, generator = tile.fast.shape[0], torch.Generator().manual_seed(0)

    def note(name, value, place):
        if name == "hkl" and interpolated:
            value_there = torch.floor(value)
        elif name == "F_latt" and simulation.model.shape == "TOPHAT":
            value_there = value != 0
        elif name in ("hkl_rounded", "accepted"):
            value_there = value
        else:
            return value
        terms = value_there.reshape(-1, pixels).double()
        table[tile.where] += torch.rand(terms.shape[0], generator=generator, dtype=torch.float64) @ terms
        return value

    integrate.integrate(simulation.model, tile.fast, tile.slow, hooks=note)
    return table
