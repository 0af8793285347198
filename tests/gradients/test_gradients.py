"""Gradients of the image with respect to every continuous parameter, against finite differences in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.parameters import Detector
from nanobrag_torch.simulator import simulate
from tests.gradients.differences import check_gradient, image
from tests.physics.helpers import small

BASE = replace(small(), detector=replace(small().detector, n_fast=6, n_slow=5, pixel_size_m=6e-3))


def with_crystal(**changes):
    return replace(BASE, crystal=replace(BASE.crystal, **changes))


def with_detector(**changes):
    return replace(BASE, detector=replace(BASE.detector, **changes))


def with_beam(**changes):
    return replace(BASE, beam=replace(BASE.beam, **changes))


def with_factors(**changes):
    return replace(BASE, structure_factors=replace(BASE.structure_factors, **changes))


TABLE = BASE.structure_factors.table
# name: (starting value, scale of a step, experiment of that value)
PARAMETERS = {
    "cell_lengths_A": ((50.0, 60.0, 70.0), 1e-3, lambda v: with_crystal(cell_lengths_A=v)),
    "cell_angles_deg": ((80.0, 95.0, 100.0), 1e-3, lambda v: with_crystal(cell_angles_deg=v)),
    "misset_deg": ((10.0, 20.0, 30.0), 1e-3, lambda v: with_crystal(misset_deg=v)),
    "n_cells": ((6.3, 5.2, 4.1), 1e-4, lambda v: with_crystal(n_cells=(v[0], v[1], v[2]))),
    "mosaic_spread_rad": (0.01, 4e-4, lambda v: with_crystal(mosaic_spread_rad=v)),
    "phi_start_deg": (1.0, 1e-3, lambda v: replace(BASE, spindle=replace(BASE.spindle, phi_start_deg=v))),
    "osc_deg": (0.5, 1e-3, lambda v: replace(BASE, spindle=replace(BASE.spindle, osc_deg=v))),
    "distance_m": (0.08, 1e-6, lambda v: with_detector(distance_m=v)),
    "Xbeam_m": (0.016, 1e-6, lambda v: with_detector(Xbeam_m=v)),
    "Ybeam_m": (0.017, 1e-6, lambda v: with_detector(Ybeam_m=v)),
    "rotx_rad": (0.02, 1e-5, lambda v: with_detector(rotx_rad=v)),
    "roty_rad": (0.03, 1e-5, lambda v: with_detector(roty_rad=v)),
    "rotz_rad": (0.04, 1e-5, lambda v: with_detector(rotz_rad=v)),
    "twotheta_rad": (0.1, 1e-5, lambda v: with_detector(twotheta_rad=v)),
    "thickness_m": (3e-4, 1e-8, lambda v: with_detector(thickness_m=v, attenuation_per_m=3e3, thick_steps=2)),
    "attenuation_per_m": (3e3, 1e-1, lambda v: with_detector(thickness_m=3e-4, attenuation_per_m=v, thick_steps=2)),
    "wavelength_m": (1.1e-10, 1e-15, lambda v: with_beam(wavelength_m=v)),
    "fluence": (1e24, 1e20, lambda v: with_beam(fluence_photons_per_m2=v)),
    "polarization_factor": (0.9, 1e-4, lambda v: with_beam(polarization_factor=v)),
    "default_F": (2.0, 1e-4, lambda v: with_factors(table=None, default_F=v)),
    "water_size_m": (5e-6, 1e-10, lambda v: with_factors(water_size_m=v)),
    "F_cell": (
        TABLE.F_electrons, 1e-3,
        lambda v: with_factors(table=replace(TABLE, F_electrons=v)),
    ),
    "F_cell_interpolated": (
        TABLE.F_electrons, 1e-3,
        lambda v: with_factors(table=replace(TABLE, F_electrons=v), interpolate=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_derivative_along_a_random_direction(name):
    # drawn mosaic angles are rounded to single precision, which a finite difference sees and a gradient does not
    check_gradient(*PARAMETERS[name], floor=2e-5 if name == "mosaic_spread_rad" else 1e-7)


def test_autograd_check_of_the_whole_path():
    typical = float(image(BASE).max())

    def photons(lengths, misset, distance):
        experiment = replace(
            with_crystal(cell_lengths_A=lengths, misset_deg=misset),
            detector=replace(BASE.detector, distance_m=distance, n_fast=3, n_slow=2, pixel_size_m=1e-2),
        )
        return image(experiment) / typical

    inputs = (
        torch.tensor([50.0, 60.0, 70.0], dtype=torch.float64, requires_grad=True),
        torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64, requires_grad=True),
        torch.tensor(0.08, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(photons, inputs, eps=1e-7, atol=1e-5, rtol=1e-5, nondet_tol=0.0)


@pytest.mark.parametrize("shape", ["SQUARE", "ROUND", "GAUSS", "TOPHAT"])
def test_no_nan_at_the_exact_peak_or_at_the_direct_beam(shape):
    """A pixel on the direct beam has h = k = l = 0 and q = 0 exactly."""
    length = torch.tensor([50.0, 50.0, 50.0], dtype=torch.float64, requires_grad=True)
    distance = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    panel = Detector(
        pixel_size_m=1e-3, n_fast=3, n_slow=3, oversample=1, distance_m=distance, Xbeam_m=1e-3, Ybeam_m=1e-3
    )
    xtal = replace(BASE.crystal, cell_lengths_A=length, misset_deg=None, shape=shape, mosaic_domains=None,
                   mosaic_spread_rad=None)  # fmt: skip
    photons = image(replace(BASE, crystal=xtal, detector=panel))
    assert photons.argmax() == 4
    gradients = torch.autograd.grad(photons.sum(), (length, distance), allow_unused=shape == "TOPHAT")
    assert all(torch.isfinite(g).all() for g in gradients if g is not None)
    assert gradients[1] is not None


def test_no_gradient_is_cut_between_parameters_and_image():
    value = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
    assert simulate(with_detector(distance_m=value)).requires_grad
    assert not simulate(with_detector(distance_m=0.08)).requires_grad
