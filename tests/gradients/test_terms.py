"""Derivatives of several samples, layers and sources: one program, launched for each of them and all pixels at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled.derivative import DifferentiableBackend
from nanobrag_torch.backends.compiled.gradient import GradientBackend
from nanobrag_torch.parameters.experiment import SourceTable
from nanobrag_torch.simulator import Simulation
from tests.c_program import needs_compiler
from tests.gradients.test_compiled_derivatives import ONE, always, whole_graph, with_leaves  # noqa: F401
from tests.physics.emulated_gpu import EmulatedGpu, emulate, needs_cpp

pytestmark = needs_compiler


def close(got, expected, tolerance):
    return all(
        float((one - value).abs().max()) <= tolerance * float(value.abs().max())
        for one, value in zip(got, expected, strict=True)
    )


def test_a_derivative_by_an_image_in_float32_is_read_as_it_is(always, monkeypatch, capfd):  # noqa: F811
    """The image is rounded once, and so is its derivative; everything between is float64."""

    def slopes():
        made, leaves = with_leaves(replace(ONE, detector=replace(ONE.detector, roi=(3, 17, 2, 16))))
        image = Simulation(made).image(image_dtype=torch.float32)
        weights = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float32).view_as(image)
        return torch.autograd.grad(image, list(leaves.values()), weights, materialize_grads=True)

    got = slopes()
    assert "not used" not in capfd.readouterr().err
    whole_graph(monkeypatch)
    assert close(got, slopes(), 1e-11)


def thick_and_wet(defects, **detector):
    """Several layers, sub-pixels and sources with weights, a resolution limit and water."""
    position = torch.tensor([[-10.0, 0.01 * i, 0.02 * i] for i in range(3)], dtype=torch.float64)
    weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    wavelength = torch.tensor([1.0e-10, 1.01e-10, 1.02e-10], dtype=torch.float64)
    panel = replace(ONE.detector, oversample=2, thickness_m=3e-4, thick_steps=2, attenuation_per_m=2e3, **detector)
    return replace(
        ONE,
        beam=replace(ONE.beam, sources=SourceTable(position, weight, wavelength)),
        detector=panel,
        structure_factors=replace(ONE.structure_factors, water_size_m=1e-6),
        defects=defects,
    )


def by_sources(experiment):
    """Derivatives by all that each source has of its own, the amplitudes, the distance and the water."""
    table = experiment.beam.sources
    of_sources = [part.clone().requires_grad_() for part in (table.position_m, table.weight, table.wavelength_m)]
    distance = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
    water = torch.tensor(1e-6, dtype=torch.float64, requires_grad=True)
    amplitudes = experiment.structure_factors.table.F_electrons.clone().requires_grad_()
    factors = experiment.structure_factors
    made = replace(
        experiment,
        beam=replace(experiment.beam, sources=SourceTable(*of_sources)),
        detector=replace(experiment.detector, distance_m=distance),
        structure_factors=replace(factors, water_size_m=water, table=replace(factors.table, F_electrons=amplitudes)),
    )
    image = Simulation(made).image(image_dtype=torch.float64)
    weights = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64).view_as(image)
    leaves = [*of_sources, distance, water, amplitudes]
    return torch.autograd.grad((image * weights).sum(), leaves, materialize_grads=True)


CASES = {
    "historic": thick_and_wet(None),
    "corrected": thick_and_wet(frozenset()),
    "per_term": thick_and_wet(frozenset(), oversample_omega=True, oversample_polar=True, oversample_thick=True),
}


@pytest.mark.parametrize("name", CASES)
def test_several_layers_sub_pixels_and_sources(name, always, monkeypatch, capfd):  # noqa: F811
    got = by_sources(CASES[name])
    assert "not used" not in capfd.readouterr().err
    whole_graph(monkeypatch)
    assert close(got, by_sources(CASES[name]), 1e-11)


def test_only_a_limit_that_chooses_the_polarization_takes_stages(always, monkeypatch):  # noqa: F811
    """Everything else that has several samples or sources is a sum over them."""
    kinds = []
    for kind in (DifferentiableBackend, GradientBackend):
        real = kind.slopes
        monkeypatch.setattr(kind, "slopes", lambda self, *a, real=real: kinds.append(type(self)) or real(self, *a))
    limited = replace(ONE.structure_factors, d_min_m=4e-10)
    for per_term in (False, True):
        kinds.clear()
        panel = replace(ONE.detector, oversample=2, oversample_polar=per_term)
        distance = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
        made = replace(ONE, detector=replace(panel, distance_m=distance), structure_factors=limited)
        Simulation(made).image().sum().backward()
        assert set(kinds) == {GradientBackend if per_term else DifferentiableBackend}


@needs_cpp
def test_several_terms_on_a_gpu(tmp_path_factory, monkeypatch, capfd):
    """The same bytes every time: each launch adds to sums that no other one writes."""
    emulate(monkeypatch, tmp_path_factory.getbasetemp() / "emulated")
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)
    case = replace(CASES["corrected"], detector=replace(CASES["corrected"].detector, n_fast=8, n_slow=12, oversample=1))
    got, again = by_sources(case), by_sources(case)
    assert EmulatedGpu.launches and "not used" not in capfd.readouterr().err
    assert all(torch.equal(one, other) for one, other in zip(got, again, strict=True))
    whole_graph(monkeypatch)
    assert close(got, by_sources(case), 1e-9)
