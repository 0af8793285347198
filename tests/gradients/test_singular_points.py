"""Gradients where formulas have a singular point, a jump or a border: finite there, and right."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from nanobrag_torch import integrate, kernel
from nanobrag_torch.backends import eager
from nanobrag_torch.parameters import Beam, Crystal, Detector, Experiment, ReflectionTable, StructureFactors
from nanobrag_torch.physics import scattering
from nanobrag_torch.physics.interference import slopes
from nanobrag_torch.simulator import Simulation, simulate
from tests.gradients.test_gradients import BASE
from tests.physics.helpers import small

SHAPES = ["SQUARE", "ROUND", "GAUSS", "TOPHAT"]


def value(number):
    return torch.tensor(number, dtype=torch.float64, requires_grad=True)


def on_the_beam(shape="SQUARE", interpolate=False, **crystal):
    """Nine pixels around the direct beam, whose own pixel has q = 0 and h = k = l = 0 exactly."""
    panel = Detector(pixel_size_m=1e-3, n_fast=3, n_slow=3, oversample=1, distance_m=0.1, Xbeam_m=1e-3, Ybeam_m=1e-3)
    amplitudes = torch.full((9, 9, 9), 10.0, dtype=torch.float64)
    xtal = Crystal(**{"cell_lengths_A": (50.0, 60.0, 70.0), "n_cells": (5, 4, 3), "shape": shape, **crystal})
    return Experiment(
        crystal=xtal,
        beam=Beam(wavelength_m=1e-10, fluence_photons_per_m2=1e24),
        detector=panel,
        structure_factors=StructureFactors(table=ReflectionTable(amplitudes, -4, -4, -4), interpolate=interpolate),
    )


@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_direct_beam_is_a_peak_with_finite_gradients(shape, interpolate):
    lengths, counts, distance, tilt = value([50.0, 60.0, 70.0]), value([5.0, 4.0, 3.0]), value(0.1), value(0.0)
    base = on_the_beam(shape, interpolate, cell_lengths_A=lengths, n_cells=tuple(counts.unbind()))
    image = simulate(
        replace(base, detector=replace(base.detector, distance_m=distance, rotx_rad=tilt)), image_dtype=torch.float64
    )
    assert image.argmax() == 4
    for pixel in (image[1, 1], image.sum()):
        by = (lengths, counts, distance, tilt)
        gradients = torch.autograd.grad(pixel, by, retain_graph=True, materialize_grads=True)
        assert all(torch.isfinite(g).all() for g in gradients)
    (by_counts,) = torch.autograd.grad(image[1, 1], counts)
    assert torch.allclose(by_counts, 2 * image[1, 1].detach() / counts.detach(), rtol=1e-9, atol=0)


def test_slope_of_the_interference_function_next_to_its_peak():
    """Compared with extended precision. The two terms of the plain derivative cancel: at f = 1e-14 no digit is left."""
    n = torch.tensor([1.0, 2.0, 5.0, 36.0, 7.3], dtype=torch.float64).view(-1, 1)
    distances = [0.0, 1e-300, 1e-20, 1e-14, 1e-9, 1e-6, 1e-4, 5e-4, 8.2e-5, 2e-3, 0.01, 0.1, 0.37, 0.5]
    f = torch.tensor(distances + [-x for x in distances], dtype=torch.float64).expand(5, -1)
    by_n, by_f = slopes(n, f)
    exact_n, exact_f = extended_slopes(n.numpy(), f.numpy())
    assert (by_n - exact_n).abs().max() < 1e-11
    assert ((by_f - exact_f) / (n * n)).abs().max() < 1e-11


def extended_slopes(n, f):
    """Derivatives of sin(pi N f)/sin(pi f) up to the sign of the reduction by whole turns, in long double."""
    n, f = np.longdouble(n), np.longdouble(f)
    pi = np.longdouble("3.14159265358979323846264338327950288")
    sign = np.where(np.round(np.float64(n * f)) % 2 == 0, 1, -1)
    with np.errstate(all="ignore"):
        s, c, sn, cn = np.sin(pi * f), np.cos(pi * f), np.sin(pi * n * f), np.cos(pi * n * f)
        by_n, by_f = pi * f * cn / s, pi * (n * cn * s - sn * c) / (s * s)
    near = np.abs(n * f) < 1e-5
    by_n = np.where(near, 1 - (pi * f) ** 2 * (3 * n * n - 1) / 6, by_n * sign)
    by_f = np.where(near, pi * n * pi * f * (1 - n * n) / 3, by_f * sign)
    return torch.from_numpy(np.float64(by_n)), torch.from_numpy(np.float64(by_f))


def test_gradient_does_not_explode_a_hair_from_the_peak():
    """At the direct beam a fractional index may be 1e-14 from whole, where rounding alone would make the gradient."""

    def slope(offset_m):
        centre = value(1e-3 + offset_m)
        base = on_the_beam()
        image = simulate(replace(base, detector=replace(base.detector, Xbeam_m=centre)), image_dtype=torch.float64)
        return abs(float(torch.autograd.grad(image[1, 1], centre)[0]))

    assert slope(1e-17) < 1e-10 * slope(1e-5)


def test_rounding_tie():
    """A pixel with l = 1/2 exactly: finite, and the gradient of one of the two sides, which are opposite here."""
    base = on_the_beam(cell_lengths_A=(50.0, 50.0, 50.0), n_cells=(5, 4, 2.6))
    q_per_m = scattering_of(base)
    component = int(q_per_m.abs().argmax())
    length_A = abs(0.5 / float(q_per_m[component])) * 1e10
    length_A = next(x for x in neighbours(length_A) if abs(index_of(base, x, component)) == 0.5)

    def gradient(a):
        lengths = value([a, a, a])
        changed = replace(base, crystal=replace(base.crystal, cell_lengths_A=lengths))
        (gradient,) = torch.autograd.grad(simulate(changed, image_dtype=torch.float64)[1, 2], lengths)
        return gradient

    there = gradient(length_A)
    below, above = (gradient(length_A * (1 + sign * 1e-9)) for sign in (-1, 1))
    matches = [torch.allclose(there, side, rtol=1e-6, atol=1e-6 * float(there.abs().max())) for side in (below, above)]
    assert sorted(matches) == [False, True]


def scattering_of(base, slow=1, fast=2):
    """Scattering vector (3,) of a pixel, in 1/m."""
    model = Simulation(base).model
    rays = kernel.rays_of(model, torch.tensor([fast]), torch.tensor([slow]), kernel.samples_of(model, 0, 1))
    return kernel.illuminate(model, rays, 0).q_per_m[:, 0]


def index_of(base, a, component):
    """Fractional index along one axis at that pixel, for a cubic cell."""
    model = Simulation(replace(base, crystal=replace(base.crystal, cell_lengths_A=(a, a, a)))).model
    return float(scattering.miller_indices(scattering_of(base).unsqueeze(1), model.real_m[:1]).hkl[component, 0, 0])


def neighbours(number, reach=200):
    below = above = number
    yield number
    for _ in range(reach):
        below, above = math.nextafter(below, 0.0), math.nextafter(above, math.inf)
        yield below
        yield above


def test_amplitude_of_zero():
    """The image is quadratic in F: where F = 0 the gradient by it is 0, the second derivative is not."""
    table = BASE.structure_factors.table
    zero = torch.zeros_like(table.F_electrons).requires_grad_()
    factors = replace(BASE.structure_factors, table=replace(table, F_electrons=zero))
    image = simulate(replace(BASE, structure_factors=factors), image_dtype=torch.float64)
    (first,) = torch.autograd.grad(image.sum(), zero, create_graph=True)
    assert (first == 0).all()
    (second,) = torch.autograd.grad(first.sum(), zero)
    assert torch.isfinite(second).all() and second.max() > 0


@pytest.mark.parametrize("interpolate", [False, True])
def test_geometry_with_amplitudes_of_zero(interpolate):
    distance = value(0.08)
    table = BASE.structure_factors.table
    factors = replace(BASE.structure_factors, table=replace(table, F_electrons=0 * table.F_electrons),
                      interpolate=interpolate)  # fmt: skip
    panel = replace(BASE.detector, distance_m=distance)
    image = simulate(replace(BASE, detector=panel, structure_factors=factors), image_dtype=torch.float64)
    (gradient,) = torch.autograd.grad(image.sum(), distance)
    assert gradient == 0


def test_gradient_does_not_depend_on_tiles(monkeypatch):
    def gradient():
        distance = value(0.08)
        base = small()
        image = simulate(replace(base, detector=replace(base.detector, distance_m=distance)), image_dtype=torch.float64)
        weight = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64).view(image.shape)
        return float(torch.autograd.grad((image * weight).sum(), distance)[0])

    whole = gradient()
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 56)
    monkeypatch.setattr(eager, "FEWEST_RAYS_PER_PASS", 7)
    simulation = Simulation(small())
    assert eager.EagerBackend(simulation.model).pixels < 20
    assert gradient() == pytest.approx(whole, rel=1e-12)


def test_polarization_axis_along_the_beam():
    """Then psi does not exist; it counts as 0, and gradients stay finite."""
    distance = value(0.08)
    panel = replace(BASE.detector, convention="CUSTOM", polar_vector=(1.0, 0.0, 0.0), distance_m=distance)
    image = simulate(replace(BASE, detector=panel), image_dtype=torch.float64)
    (gradient,) = torch.autograd.grad(image.sum(), distance)
    assert torch.isfinite(gradient) and gradient != 0


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own forward-mode rules
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_modes_of_differentiation_agree(dtype):
    """Forward mode, which refinement uses, against reverse mode."""
    lengths = torch.tensor([50.0, 60.0, 70.0], dtype=torch.float64)

    def photons(a):
        experiment = replace(BASE, crystal=replace(BASE.crystal, cell_lengths_A=a))
        model = Simulation(experiment, dtype=dtype).model
        index = torch.arange(30)
        return integrate.integrate(model, index % 6, index // 6).photons

    forward, reverse = torch.func.jacfwd(photons)(lengths), torch.autograd.functional.jacobian(photons, lengths)
    assert forward.abs().max() > 0
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    assert (forward - reverse).abs().max() < tolerance * reverse.abs().max()
