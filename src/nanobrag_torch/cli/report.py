"""Text on standard output: the experiment before the run, statistics after it."""

from __future__ import annotations

import numpy as np
import torch

from nanobrag_torch.cli.solid_angle import solid_angle_sr
from nanobrag_torch.io.pixel_values import Statistics
from nanobrag_torch.physics.constants import DEG_PER_RAD
from nanobrag_torch.simulator import Simulation

_M_TO_A = 1e10
_MAX_LISTED = 20


def _vector(values: torch.Tensor) -> str:
    return " ".join(f"{value:g}" for value in values.tolist())


def experiment_lines(simulation: Simulation) -> list[str]:
    """Detector, beam, crystal and sampling as resolved."""
    return [*_detector_lines(simulation), *_crystal_lines(simulation), *_beam_lines(simulation)]


def _detector_lines(simulation: Simulation) -> list[str]:
    g, model = simulation.geometry, simulation.model
    made = g.construction
    pivot = "the sample" if made.pivot == "SAMPLE" else "the direct beam spot"
    x_min, x_max, y_min, y_max = simulation.roi
    lines = [
        f"convention {made.convention}, rotation about {pivot}",
        f"detector {g.n_fast} x {g.n_slow} pixels of {float(g.pixel_size_m) * 1e3:g} mm, fast x slow",
        f"  region fast {x_min}..{x_max} slow {y_min}..{y_max}",
        f"  fast {_vector(g.fdet)}  slow {_vector(g.sdet)}  normal {_vector(g.odet)}",
        f"  origin {_vector(g.pix0_m)} m",
        f"  distance {float(g.distance_m):g} m, close distance {float(g.close_distance_m):g} m",
        f"  beam centre fast {float(g.Fbeam_m) * 1e3:g} mm slow {float(g.Sbeam_m) * 1e3:g} mm",
    ]
    if model.absorbing:
        depths = [f"{layer * float(model.layer_pitch_m) * 1e6:g}" for layer in range(min(model.layers, _MAX_LISTED))]
        lines.append(f"  {model.layers} sensor layers at {' '.join(depths)} um")
    return lines


def _crystal_lines(simulation: Simulation) -> list[str]:
    model = simulation.model
    real_A, reciprocal = model.cell.real_m * _M_TO_A, model.cell.reciprocal_per_A
    lengths = torch.linalg.norm(real_A, dim=1)
    unit = real_A / lengths.unsqueeze(1)
    angles = [float(torch.acos((unit[i] @ unit[j]).clamp(-1, 1))) * DEG_PER_RAD for i, j in ((1, 2), (2, 0), (0, 1))]
    volume = float(torch.linalg.det(real_A).abs())
    lines = [
        f"cell {_vector(lengths)} A {' '.join(f'{angle:g}' for angle in angles)} deg, volume {volume:g} A^3",
        *(f"  {name} {_vector(row)} A" for name, row in zip("abc", real_A, strict=True)),
        *(f"  {name}* {_vector(row)} A^-1" for name, row in zip("abc", reciprocal, strict=True)),
    ]
    counts = [int(n) for n in model.n_cells.tolist()]
    extent_um = [n * float(length) * 1e-4 for n, length in zip(counts, lengths, strict=True)]
    return [
        *lines,
        f"crystal {counts[0]} x {counts[1]} x {counts[2]} cells, {model.shape}, "
        f"{' x '.join(f'{extent:g}' for extent in extent_um)} um",
    ]


def _beam_lines(simulation: Simulation) -> list[str]:
    model = simulation.model
    sources = model.sources
    phi = [f"{angle * DEG_PER_RAD:g}" for angle in model.phi_rad[:_MAX_LISTED].tolist()]
    wavelengths = sources.wavelength_m.unique()[:_MAX_LISTED] * _M_TO_A
    return [
        f"wavelengths {_vector(wavelengths)} A, fluence {float(model.fluence_photons_per_m2):g} photons/m^2",
        f"{model.source_count} sources, {model.mosaic_domains} mosaic domains, {model.phi_count} spindle angles "
        f"({' '.join(phi)}{' ...' if model.phi_count > _MAX_LISTED else ''} deg), "
        f"{model.oversample} x {model.oversample} sub-pixels: {model.steps} steps a pixel",
    ]


def statistics_lines(simulation: Simulation, stats: Statistics) -> list[str]:
    """Solid angle, largest value and where, mean, rms and rmsd."""
    g, n = simulation.geometry, simulation.model.oversample
    last = float(g.pixel_size_m) / n
    fast_m = last * (stats.max_fast * n + n - 1) + last / 2
    slow_m = last * (stats.max_slow * n + n - 1) + last / 2
    return [
        f"solid angle of the computed pixels = {solid_angle_sr(simulation):g} sr",
        f"max_I = {stats.max_photons:g} at {fast_m:g} {slow_m:g} m (fast {stats.max_fast} slow {stats.max_slow})",
        f"mean = {stats.mean_photons:g} rms = {stats.rms_photons:g} rmsd = {stats.rmsd_photons:g} photons",
    ]


def printout_lines(simulation: Simulation, slow: int, fast: int, trace: list[str]) -> list[str]:
    """The factors of one pixel, from its trace; the last value of a repeated key counts."""
    last: dict[str, str] = {}
    for line in trace:
        key, _, value = line.partition(": ")[2].partition(" ")
        last[key] = value
    vector = np.array([float(number) for number in last.get("scattering_vec_A_inv", "0 0 0").split()])
    keys = (
        "pixel_pos_meters", "hkl_frac", "hkl_rounded", "F_cell", "F_latt", "I_before_scaling", "steps", "polar",
        "omega_pixel", "capture_fraction", "I_pixel_final", "rot_a_angstroms", "rot_b_angstroms", "rot_c_angstroms",
    )  # fmt: skip
    stol_per_A = float(np.linalg.norm(vector)) / 2.0 / _M_TO_A
    return [f"{fast} {slow} : stol = {stol_per_A:g} 1/A", *(f"  {key} {last[key]}" for key in keys if key in last)]
