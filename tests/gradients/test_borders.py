"""Derivatives at borders and special points, in both types, by eager and by compiled code, are finite and right.

Differences of float64 images show the right values.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends.compiled import cache, selection
from nanobrag_torch.parameters import Beam, Crystal, Detector, ReflectionTable, Spindle, StructureFactors
from nanobrag_torch.simulator import Simulation, simulate
from tests.c_program import HAS_COMPILER
from tests.gradients.test_singular_points import scattering_of
from tests.physics.helpers import small

BASE = small()
BASE = replace(
    BASE,
    detector=replace(BASE.detector, oversample=1),
    beam=Beam(wavelength_m=BASE.beam.wavelength_m, fluence_photons_per_m2=1e24),
)
PANEL, CRYSTAL = BASE.detector, BASE.crystal
INSIDE = torch.zeros(PANEL.n_slow, PANEL.n_fast, dtype=torch.bool)
INSIDE[4:13, 5:17] = True
BRIGHTEST = (10, 20)
PATHS = ("never", "always")
TYPES = {torch.float64: 1e-6, torch.float32: 1e-4}


def of_panel(**values):
    return lambda x: replace(BASE, detector=replace(PANEL, distance_m=x, **values))


def of_crystal(**values):
    return lambda x: replace(BASE, crystal=replace(CRYSTAL, cell_lengths_A=(x, 60.0, 70.0), **values))


def of_phi(x):
    return replace(BASE, spindle=Spindle(phi_start_deg=x, osc_deg=0.4, phisteps=3))


def of_beam_pixel(x):
    """Every pixel of a column at h = 0 exactly, the direct beam among them."""
    panel = Detector(pixel_size_m=1e-3, n_fast=3, n_slow=3, oversample=1, distance_m=0.1, Xbeam_m=1e-3, Ybeam_m=1e-3)
    amplitudes = torch.full((9, 9, 9), 10.0, dtype=torch.float64)
    return replace(
        BASE,
        detector=panel,
        spindle=Spindle(),
        crystal=Crystal(cell_lengths_A=(50.0, 60.0, 70.0), n_cells=(x, 4.0, 3.0)),
        structure_factors=StructureFactors(table=ReflectionTable(amplitudes, -4, -4, -4)),
    )


def spacing_m():
    """The resolution d of the brightest pixel, which the limit `-dmin` then hits exactly."""
    return float(1.0 / scattering_of(BASE, *BRIGHTEST).norm())


# name: (experiment by one number, the number, step of the differences)
POINTS = {
    "border of a region": (of_panel(roi=(5, 16, 4, 12)), 0.08, 1e-7),
    "border of a mask": (of_panel(mask=INSIDE), 0.08, 1e-7),
    "spindle at 0": (of_phi, 0.0, 1e-5),
    "one cell": (of_crystal(n_cells=(1, 1, 1)), 50.0, 1e-4),
    "two cells": (of_crystal(n_cells=(2, 2, 2)), 50.0, 1e-4),
    "direct beam on a pixel": (of_beam_pixel, 5.0, 1e-5),
}


@pytest.fixture(params=PATHS)
def path(request, monkeypatch, compiled_code):
    if request.param == "always" and not HAS_COMPILER:
        pytest.skip("no C compiler on this machine")
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    monkeypatch.setenv(selection.MODE_VARIABLE, request.param)
    return request.param


def weighted(image):
    return (image * torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64).view_as(image)).sum()


def by_differences(of, at, step):
    def total(x):
        return float(weighted(simulate(of(x), image_dtype=torch.float64)))

    return (total(at + step) - total(at - step)) / (2 * step)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("point", POINTS)
def test_derivative_at_a_special_point(point, dtype, path, monkeypatch):
    of, at, step = POINTS[point]
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    simulation = Simulation(of(x), dtype=dtype)
    image = simulation.image(image_dtype=torch.float64)
    (gradient,) = torch.autograd.grad(weighted(image), x, materialize_grads=True)
    assert torch.isfinite(gradient) and torch.isfinite(image).all()
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    expected = by_differences(of, at, step)
    assert float(gradient) == pytest.approx(
        expected, rel=TYPES[dtype], abs=TYPES[dtype] * float(image.detach().sum()) * 1e-3
    )


@pytest.mark.parametrize("border", ["region", "mask"])
def test_pixels_at_a_border_have_the_derivatives_of_the_whole_image(border, path):
    """The pixels inside the region have derivatives; those outside are 0 and add nothing."""
    limited = of_panel(roi=(5, 16, 4, 12)) if border == "region" else of_panel(mask=INSIDE)

    def inside(of):
        x = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
        image = simulate(of(x), image_dtype=torch.float64)
        assert of is not limited or (image[~INSIDE] == 0).all()
        return float(torch.autograd.grad(weighted(torch.where(INSIDE, image, 0.0)), x)[0])

    assert inside(limited) == pytest.approx(inside(of_panel()), rel=1e-9)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_pixel_exactly_at_the_resolution_limit_is_inside_or_outside(dtype, path):
    """The derivative is the one of the side on which the pixel is counted: that of the whole image, or 0."""
    x = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
    limit = spacing_m()

    def of(d_min_m):
        factors = replace(BASE.structure_factors, d_min_m=d_min_m)
        return replace(of_panel()(x), structure_factors=factors)

    def pixel(d_min_m):
        image = Simulation(of(d_min_m), dtype=dtype).image(image_dtype=torch.float64)[BRIGHTEST]
        (slope,) = torch.autograd.grad(image, x, materialize_grads=True)
        return float(image.detach()), float(slope)

    at, inside, outside = pixel(limit), pixel(0.9 * limit), pixel(1.1 * limit)
    assert outside == (0.0, 0.0) and inside[1] != 0
    assert at == outside or at == pytest.approx(inside, rel=1e-6)


def test_no_mosaic_spread_is_one_domain_that_nothing_depends_on(path):
    """As docs/gradients.md says: 0, since a spread of 0 leaves one domain without a tilt."""
    x = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    crystal = replace(CRYSTAL, mosaic_spread_rad=x, mosaic_domains=5)
    image = simulate(replace(BASE, crystal=crystal), image_dtype=torch.float64)
    assert torch.equal(
        image.detach(),
        simulate(replace(BASE, crystal=replace(crystal, mosaic_spread_rad=0.0)), image_dtype=torch.float64),
    )
    (gradient,) = (
        torch.autograd.grad(image.sum(), x, materialize_grads=True) if image.requires_grad else (torch.zeros(()),)
    )
    assert gradient == 0
