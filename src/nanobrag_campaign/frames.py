"""One frame: its orientation and wavelength put into its scenario, as a command line and for a running series."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nanobrag_campaign.shards import Shard
from nanobrag_torch.physics.constants import HC_EV_A
from trace_audit.config.campaign import Campaign
from trace_audit.config.scenario import ScenarioFiles, arguments
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError
from trace_audit.inputs.prepare import prepare_inputs

if TYPE_CHECKING:
    from nanobrag_torch.parameters import Experiment
    from nanobrag_torch.simulator import Simulation
    from nanobrag_torch.simulator.series import Series

_PER_A = 1e10


@dataclass(frozen=True)
class Frame:
    """Number `number` of the frames of its scenario; the angles turn the crystal about lab x, then y, then z."""

    number: int
    misset_deg: tuple[float, float, float]
    wavelength_A: float


def scenario_wavelength_A(scenario: Scenario) -> float:
    """Wavelength that a scenario states, itself or as an energy."""
    beam = scenario.beam
    if beam.energy_eV is not None:
        return HC_EV_A / beam.energy_eV
    assert beam.wavelength_A is not None  # a scenario states one of the two
    return beam.wavelength_A


def frame_scenario(scenario: Scenario, frame: Frame, extra_flags: list[str]) -> Scenario:
    """The scenario of one frame: both programs get the command line that it makes."""
    crystal = {"misset_deg": list(frame.misset_deg), "misset_random_seed": None}
    matrix = frame_matrix(scenario, frame)
    if matrix is not None:
        crystal["matrix"] = matrix
    beam = {"wavelength_A": frame.wavelength_A, "energy_eV": None}
    return scenario.model_copy(
        update={
            "crystal": scenario.crystal.model_copy(update=crystal),
            "beam": scenario.beam.model_copy(update=beam),
            "extra_flags": [*scenario.extra_flags, *extra_flags],
        }
    )


def frame_matrix(scenario: Scenario, frame: Frame) -> list[float] | None:
    """The orientation matrix, which is times the wavelength, of the same crystal at the wavelength of the frame."""
    if scenario.crystal.matrix is None:
        return None
    ratio = frame.wavelength_A / scenario_wavelength_A(scenario)
    return [number * ratio for number in scenario.crystal.matrix]


def frame_words(
    scenario: Scenario, frame: Frame, settings: Campaign, folder: Path, hkl: Path | None, scenario_folder: Path
) -> tuple[list[str], ScenarioFiles]:
    """The command line of a frame and the input files that it names, written into `folder`."""
    own = frame_scenario(scenario, frame, settings.extra_flags)
    files = prepare_inputs(own, folder, hkl=hkl, scenario_folder=scenario_folder)
    return arguments(own, files), files


def experiment_of(arguments: list[str], frame: Frame) -> "Experiment":
    """The experiment of a frame's command line. Raises InputError if flags undo what makes the frame."""
    from nanobrag_torch.cli import parse

    experiment = parse(arguments).experiment
    stated = tuple(experiment.crystal.misset_deg or ()), experiment.beam.wavelength_m
    if stated != (frame.misset_deg, frame.wavelength_A / _PER_A):
        raise InputError(
            "extra_flags change the orientation or the wavelength, which the campaign sets for each frame; "
            "leave -misset, -lambda, -energy and -img out of them"
        )
    return experiment


def simulations_of(series: "Series", scenario: Scenario, frames: Sequence[Frame]) -> list["Simulation"]:
    """The simulations of frames, made from the running series of their scenario."""
    import torch

    numbers = [frame_matrix(scenario, frame) for frame in frames]
    matrices = [torch.tensor(nine, dtype=torch.float64).view(3, 3) for nine in numbers if nine is not None]
    angles, lengths_m = [frame.misset_deg for frame in frames], [frame.wavelength_A / _PER_A for frame in frames]
    return series.several(angles, lengths_m, matrices or None)


def place_of(shard: Shard, frame: Frame) -> str:
    """Where a frame is, in words."""
    return f"{shard.name}, frame {frame.number - shard.first} of the file (number {frame.number} of {shard.scenario})"
