"""From a checked command line to the experiment: arrays become tensors. This is the first module that needs torch."""

from __future__ import annotations

import numpy as np
import torch

from nanobrag_torch import limits
from nanobrag_torch.cli.command_line import CommandLine
from nanobrag_torch.cli.input_files import InputFiles
from nanobrag_torch.parameters import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ReflectionTable,
    SourceTable,
    Spindle,
    StructureFactors,
)
from nanobrag_torch.physics import detector as detector_physics
from nanobrag_torch.physics import detector_sides

_CPU = torch.device("cpu")


def experiment(line: CommandLine) -> Experiment:
    """The experiment of a command line. Raises UsageError where the beam misses the detector's plane."""
    settings, files = line.settings, line.files
    _check_placement(line.detector, line.defects)
    return Experiment(
        crystal=Crystal(**line.crystal, orientation_matrix=_tensor(files.matrix)),
        beam=Beam(**settings.beam, sources=_source_table(files)),
        spindle=Spindle(**settings.spindle),
        detector=Detector(**settings.detector, mask=_tensor(files.mask)),
        structure_factors=StructureFactors(**settings.structure_factors, table=_reflection_table(files)),
        defects=line.defects,
    )


def dtype_of(name: str) -> torch.dtype:
    """torch.float32 or torch.float64."""
    return {"float32": torch.float32, "float64": torch.float64}[name]


def placement_warnings(panel: Detector, defects: frozenset[str]) -> list[str]:
    """One warning where some of the pixels are reached from behind."""
    if not panel.thickness_m > 0:
        return []
    g = detector_physics.build(panel, defects, _CPU)
    behind = detector_sides.pixels_behind(g)
    warning = f"{behind} of {g.n_fast * g.n_slow} pixels are reached from behind and count 0; check -odet_vector and "
    return [f"{warning}-curved_det"] if behind else []


def _check_placement(panel: Detector, defects: frozenset[str]) -> None:
    """The beam must hit the plane of the detector, and the sample must lie in front of that plane."""
    g = detector_physics.build(panel, defects, _CPU)
    hint = "-distance, -close_distance, the vectors and rotations"
    limits.check_placement(float(g.close_distance_m), float(g.distance_m), hint)
    detector_sides.check_front(g)


def _tensor(array: np.ndarray | None) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array)


def _source_table(files: InputFiles) -> SourceTable | None:
    if files.sources is None:
        return None
    columns = torch.from_numpy(files.sources)
    return SourceTable(columns[:, :3].clone(), columns[:, 3].clone(), columns[:, 4].clone())


def _reflection_table(files: InputFiles) -> ReflectionTable | None:
    box = files.amplitudes
    return None if box is None else ReflectionTable(torch.from_numpy(box.F_electrons), box.h_min, box.k_min, box.l_min)
