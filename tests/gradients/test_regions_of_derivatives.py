"""Derivatives of rectangles of pixels that compiled programs count, with masks, and of several samples and sources."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled.derivative import DifferentiableBackend
from nanobrag_torch.backends.compiled.gradient import GradientBackend
from nanobrag_torch.parameters.experiment import SourceTable
from nanobrag_torch.simulator import Simulation
from nanobrag_torch.simulator.pixels import Pixels
from tests.c_program import needs_compiler
from tests.gradients.test_compiled_derivatives import ONE, always, whole_graph, with_leaves  # noqa: F401
from tests.physics.emulated_gpu import EmulatedGpu, emulate, needs_cpp

pytestmark = needs_compiler


def hidden(n_slow: int, n_fast: int) -> torch.Tensor:
    """A mask with the first row, a run of pixels and single ones left out."""
    mask = torch.ones(n_slow, n_fast, dtype=torch.bool)
    mask[0], mask[7, 4:12] = False, False
    mask[9::5, 3::7] = False
    return mask


MASK = hidden(ONE.detector.n_slow, ONE.detector.n_fast)
PANELS = {
    "whole": ONE.detector,
    "roi": replace(ONE.detector, roi=(3, 17, 2, 16)),
    "mask": replace(ONE.detector, mask=MASK),
    "roi_and_mask": replace(ONE.detector, roi=(2, 20, 0, 12), mask=MASK),
    "mostly_hidden": replace(
        ONE.detector, mask=torch.rand(MASK.shape, generator=torch.Generator().manual_seed(1)) < 0.02
    ),
}
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-6}


def slopes(experiment, image_dtype=torch.float64):
    """Derivatives of a weighted sum of the pixels; nothing may be read of the weights of pixels that are hidden."""
    made, leaves = with_leaves(experiment)
    image = Simulation(made).image(image_dtype=image_dtype)
    weights = torch.linspace(0.5, 1.5, image.numel(), dtype=image_dtype).view_as(image)
    mask = experiment.detector.mask
    if mask is not None:
        weights = torch.where(mask, weights, torch.nan)
    found = torch.autograd.grad(image, list(leaves.values()), weights, materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def close(got, expected, tolerance):
    return all(
        float((got[leaf] - value).abs().max()) <= tolerance * float(value.abs().max())
        for leaf, value in expected.items()
    )


@pytest.mark.parametrize("image_dtype", TOLERANCE, ids=["float64", "float32"])
@pytest.mark.parametrize("panel", PANELS)
def test_pixels_of_a_region(panel, image_dtype, always, monkeypatch, capfd):  # noqa: F811
    """What is read of the image's derivative is that of the pixels which are computed, wherever they are."""
    experiment = replace(ONE, detector=PANELS[panel])
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 100)
    got = slopes(experiment, image_dtype)
    assert "not used" not in capfd.readouterr().err
    whole_graph(monkeypatch)
    assert close(got, slopes(experiment, image_dtype), TOLERANCE[image_dtype])


def test_no_list_of_pixels_is_made(always, monkeypatch):  # noqa: F811
    slopes(replace(ONE, detector=PANELS["roi_and_mask"]))  # builds, and is compared with eager code
    monkeypatch.setattr(Pixels, "tiles", lambda *_: pytest.fail("lists of pixels"))
    found = slopes(replace(ONE, detector=PANELS["roi_and_mask"]))
    assert all(bool(value.abs().max() > 0) for leaf, value in found.items() if leaf != "default_F")


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
    found = torch.autograd.grad((image * weights).sum(), leaves, materialize_grads=True)
    return dict(enumerate(found))


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
        slopes(replace(ONE, detector=panel, structure_factors=limited))
        assert set(kinds) == {GradientBackend if per_term else DifferentiableBackend}


@needs_cpp
@pytest.mark.parametrize("panel", ["roi_and_mask", "mask"])
def test_masked_pixels_on_a_gpu(panel, tmp_path_factory, monkeypatch, capfd):
    """The text for a GPU: one launch, and one more for what is by amplitudes."""
    emulate(monkeypatch, tmp_path_factory.getbasetemp() / "emulated")
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)
    experiment = replace(ONE, detector=PANELS[panel])
    got, again = slopes(experiment), slopes(experiment)
    assert EmulatedGpu.launches and "not used" not in capfd.readouterr().err
    assert all(torch.equal(got[leaf], again[leaf]) for leaf in got)
    whole_graph(monkeypatch)
    assert close(got, slopes(experiment), 1e-9)


@needs_cpp
def test_several_terms_on_a_gpu(tmp_path_factory, monkeypatch, capfd):
    emulate(monkeypatch, tmp_path_factory.getbasetemp() / "emulated")
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)
    got, again = by_sources(CASES["corrected"]), by_sources(CASES["corrected"])
    assert EmulatedGpu.launches and "not used" not in capfd.readouterr().err
    assert all(torch.equal(got[leaf], again[leaf]) for leaf in got)
    whole_graph(monkeypatch)
    assert close(got, by_sources(CASES["corrected"]), 1e-9)
