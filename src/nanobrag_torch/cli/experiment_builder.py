"""Builds the experiment from settings: reads the files, fills the dataclasses. The first place that needs torch."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from nanobrag_torch.cli import unit_cell
from nanobrag_torch.cli.beam_flags import beam_flag_warnings
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.tokens import UsageError, one_line
from nanobrag_torch.io.fdump import read_fdump
from nanobrag_torch.io.hkl import fill_box
from nanobrag_torch.io.matrix import read_matrix
from nanobrag_torch.io.reflections import ReflectionFile, needs_resolution, read_reflections
from nanobrag_torch.io.smv import read_smv
from nanobrag_torch.io.source_table import read_sources
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
from nanobrag_torch.physics.conventions import CONVENTIONS, pixel_counts

MAX_PIXELS = 2**31 - 1
_CPU = torch.device("cpu")
# Amplitudes are calculated a little beyond the corner of the detector, for divergence and interpolation.
_RESOLUTION_MARGIN = 0.98


class Built(NamedTuple):
    """The experiment, what was read of files (a line each), and the warnings due."""

    experiment: Experiment
    taken: list[str]
    warnings: list[str]


def experiment(settings: Settings, defects: frozenset[str], reflections: ReflectionFile | None = None) -> Built:
    """Build it; `reflections` where those of -hkl have been read already.

    Raises UsageError, ReaderError or ExperimentError.
    """
    warnings: list[str] = []
    taken: list[str] = []
    panel = Detector(**settings.detector)
    n_fast, n_slow, _, _ = pixel_counts(panel)
    if n_fast * n_slow > MAX_PIXELS:
        raise UsageError(f"-detpixels: {n_fast} x {n_slow} pixels, expected at most {MAX_PIXELS} in all")
    _check_roi(panel, n_fast, n_slow)
    _check_axes(panel)
    _check_placement(panel, defects)
    panel = Detector(**settings.detector, mask=_mask(settings, n_fast, n_slow))
    beam = Beam(**settings.beam)
    beam = Beam(**settings.beam, sources=_sources(settings, panel, beam, defects))
    found = reflections or _reflections(settings, panel, beam, defects)
    crystal = dict(settings.crystal)
    if "-mat" in settings.files:
        path = settings.files["-mat"]
        matrix, further = read_matrix(path)
        crystal["orientation_matrix"] = torch.from_numpy(matrix)
        warnings += unit_cell.matrix_warnings(path, crystal, beam, further)
    elif "cell_lengths_A" not in crystal:
        cell = found and found.cell
        if cell is None:
            raise UsageError("no unit cell: expected -cell a b c alpha beta gamma or -mat FILE; --help lists all flags")
        crystal.update(cell_lengths_A=cell[:3], cell_angles_deg=cell[3:])
        taken.append(f"the unit cell is that of {settings.files['-hkl']}: {' '.join(f'{x:g}' for x in cell)}")
    if found is not None:
        taken.append(found.taken.line())
        warnings += [*found.notices, *unit_cell.other_cell(found, crystal, beam)]
    unit_cell.check(crystal, beam)
    made = Experiment(
        crystal=Crystal(**crystal),
        beam=beam,
        spindle=Spindle(**settings.spindle),
        detector=panel,
        structure_factors=StructureFactors(**settings.structure_factors, table=_table(settings, found)),
        defects=defects,
    )
    return Built(
        made, taken, [*warnings, *beam_flag_warnings(settings.given, panel, defects), *ignored_inputs(made, defects)]
    )


def _check_roi(panel: Detector, n_fast: int, n_slow: int) -> None:
    if panel.roi is None:
        return
    for low, n, axis in ((panel.roi[0], n_fast, "x"), (panel.roi[2], n_slow, "y")):
        if low >= n:
            raise UsageError(f"-roi: {axis}min is {low}, expected below {n}, the number of pixels")


def _check_axes(panel: Detector) -> None:
    """Fast and slow must span a plane."""
    if panel.convention != "CUSTOM":
        return
    habit = CONVENTIONS["CUSTOM"]
    fast, slow = (
        np.array(given or default, dtype=np.float64)
        for given, default in ((panel.fdet_vector, habit.fdet_vector), (panel.sdet_vector, habit.sdet_vector))
    )
    fast, slow = fast / np.linalg.norm(fast), slow / np.linalg.norm(slow)
    if np.linalg.norm(np.cross(fast, slow)) < 1e-9:
        raise UsageError("-fdet_vector and -sdet_vector are parallel, expected two directions that span the detector")


def _check_placement(panel: Detector, defects: frozenset[str]) -> None:
    """The beam meets the detector's plane, which does not hold the sample."""
    g = detector_physics.build(panel, defects, _CPU)
    close_m, distance_m = float(g.close_distance_m), float(g.distance_m)
    if not (math.isfinite(distance_m) and math.isfinite(close_m) and close_m != 0.0 and distance_m != 0.0):
        raise UsageError(
            f"the detector's plane holds the sample or misses the beam (close distance {close_m:g} m, distance "
            f"{distance_m:g} m), expected otherwise: check -distance, -close_distance, the vectors and rotations"
        )


def _mask(settings: Settings, n_fast: int, n_slow: int) -> torch.Tensor | None:
    if "-mask" not in settings.files:
        return None
    path = settings.files["-mask"]
    pixels = read_smv(path)[1]
    if pixels.shape != (n_slow, n_fast):
        has = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise UsageError(f"-mask {one_line(path)}: has {has} pixels, expected {n_fast} x {n_slow} as the detector has")
    return torch.from_numpy(pixels != 0)


def _sources(settings: Settings, panel: Detector, beam: Beam, defects: frozenset[str]) -> SourceTable | None:
    if "-sourcefile" not in settings.files:
        return None
    given = panel.beam_vector if panel.convention == "CUSTOM" else None
    x, y, z = given or CONVENTIONS[panel.convention].beam_vector
    length = math.sqrt(x * x + y * y + z * z)
    rows = read_sources(settings.files["-sourcefile"], (x / length, y / length, z / length), beam.wavelength_m)
    total = rows[:, 3].sum()
    if "source_weights_ignored" not in defects and not 0 < total < math.inf:
        raise UsageError(f"-sourcefile: the weights add up to {total:g}, expected more than 0")
    columns = torch.from_numpy(rows)
    return SourceTable(columns[:, :3].clone(), columns[:, 3].clone(), columns[:, 4].clone())


def _reflections(settings: Settings, panel: Detector, beam: Beam, defects: frozenset[str]) -> ReflectionFile | None:
    path = settings.files.get("-hkl")
    if path is None:
        return None
    resolution_A = _resolution_A(settings, panel, beam, defects) if needs_resolution(path) else None
    return read_reflections(path, resolution_A, settings.run.get("hkl_column"))


def _table(settings: Settings, found: ReflectionFile | None) -> ReflectionTable | None:
    if found is not None:
        box = fill_box(settings.files["-hkl"], found.reflections, settings.structure_factors.get("default_F", 0.0))
    elif "-dumpfile" in settings.files:
        box = read_fdump(settings.files["-dumpfile"])
    else:
        return None
    return ReflectionTable(torch.from_numpy(box.F_electrons), box.h_min, box.k_min, box.l_min)


def _resolution_A(settings: Settings, panel: Detector, beam: Beam, defects: frozenset[str]) -> float:
    """Smallest spacing that the detector's corners see: lambda / (2 sin(theta)), or -dmin where that is larger (A)."""
    g = detector_physics.build(panel, defects, _CPU)
    fast = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64) * g.size_fast_m
    slow = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64) * g.size_slow_m
    rays = detector_physics.pixel_geometry(g, fast, slow, torch.zeros_like(fast))
    cos_2theta = float((g.beam_vector @ rays.direction).min()) if not g.curved else -1.0
    sin_theta = math.sqrt(max(0.0, (1.0 - cos_2theta) / 2.0))
    spread = float(beam.dispersion_fraction)
    shortest_m = float(beam.wavelength_m) * max(1.0 - spread, 0.1)
    if beam.sources is not None:
        shortest_m = float(beam.sources.wavelength_m.min())
    smallest_A = shortest_m * 1e10 / (2.0 * sin_theta) * _RESOLUTION_MARGIN if sin_theta > 0 else math.inf
    asked_A = settings.structure_factors.get("d_min_m", 0.0) * 1e10
    return min(max(smallest_A, asked_A), 50.0)


def ignored_inputs(made: Experiment, defects: frozenset[str]) -> list[str]:
    """One warning for each input that an active defect makes the program ignore."""
    panel, beam = made.detector, made.beam
    forced = CONVENTIONS[panel.convention].forced_pivot
    weights = None if beam.sources is None else beam.sources.weight
    cases = {
        "pix0_ignored": (
            panel.pix0_vector_m is not None,
            "-pix0_vector: its numbers are not used, it only selects the CUSTOM convention",
        ),
        "pivot_overwritten": (
            forced is not None and panel.pivot_explicit not in (None, forced),
            f"-pivot is ignored: the {panel.convention} convention rotates about the {(forced or '').lower()}",
        ),
        "nopolar_overridden": (
            not beam.polarized and panel.oversample_polar,
            "-nopolar is ignored: -oversample_polar applies polarization",
        ),
        "source_weights_ignored": (
            weights is not None and bool((weights != weights[0]).any()),
            "the weights of -sourcefile are ignored: every source counts the same",
        ),
    }
    return [
        f"{text} (historic; use them with -defects default,-{name})"
        for name, (applies, text) in cases.items()
        if applies and name in defects
    ]


def compute_target(name: str, dtype: str) -> tuple[str, torch.dtype]:
    """Check a device name against what is there. Returns the name as torch takes it, and the dtype."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cpu", *(f"cuda:{index}" for index in range(cuda))]
    if name == "auto":
        name = "cuda" if cuda else "cpu"
    kind, colon, number = name.partition(":")
    if kind == "mps" and not colon:
        raise UsageError(f"-device mps: has no float64, which the geometry needs, expected one of {', '.join(there)}")
    if name != "cpu" and not (kind == "cuda" and (not colon or (number.isascii() and number.isdigit()))):
        raise UsageError(f"-device is '{one_line(name)}', expected cpu, cuda, cuda:N, mps or auto")
    if kind == "cuda" and int(number or 0) >= cuda:
        raise UsageError(f"-device {one_line(name)}: no such device here, expected one of {', '.join(there)}")
    return name, {"float32": torch.float32, "float64": torch.float64}[dtype]
