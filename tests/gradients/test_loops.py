"""Derivatives of pixels with several samples, layers and sources by one program, as C and as CUDA."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.parameters.experiment import SourceTable
from nanobrag_torch.simulator import Simulation
from tests.gradients.test_compiled_derivatives import ONE, always, used, whole_graph, with_leaves  # noqa: F401
from tests.gradients.test_emulated_gpu import gpu  # noqa: F401
from tests.physics.emulated_gpu import EmulatedGpu, needs_cpp
from tests.physics.helpers import per_term

THICK = replace(ONE.detector, oversample=2, thickness_m=3e-4, thick_steps=3, attenuation_per_m=2e3)
WATER = replace(ONE.structure_factors, water_size_m=2e-8)
SEVERAL = replace(ONE, detector=THICK, structure_factors=WATER)
EXPERIMENTS = {
    "historic": SEVERAL,
    "corrected": replace(SEVERAL, defects=frozenset()),
    "corrected, per term, resolution limit": replace(
        per_term(SEVERAL), defects=frozenset(), structure_factors=replace(WATER, d_min_m=4e-10)
    ),
    "interpolated": replace(
        SEVERAL, detector=replace(THICK, oversample=1), structure_factors=replace(WATER, interpolate=True)
    ),
    "few": replace(
        SEVERAL, detector=replace(THICK, oversample=1, thick_steps=2, roi=(3, 12, 4, 15)), defects=frozenset()
    ),
    "one source": replace(SEVERAL, defects=frozenset()),
    "one sample": replace(ONE, defects=frozenset(), structure_factors=WATER),
}


def slopes(name, dtype=torch.float64):
    """By all that moves: of the experiment, of the sensor, of the water and of each source."""
    made, leaves = with_leaves(EXPERIMENTS[name])
    leaves |= {
        "water": torch.tensor(2e-8, dtype=torch.float64, requires_grad=True),
        "attenuation": torch.tensor(2e3, dtype=torch.float64, requires_grad=True),
        "fluence": torch.tensor(1e24, dtype=torch.float64, requires_grad=True),
    }
    beam = replace(made.beam, fluence_photons_per_m2=leaves["fluence"])
    if name != "one source":
        leaves |= {
            "weights": torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64, requires_grad=True),
            "wavelengths": torch.tensor([1.0e-10, 1.01e-10, 1.02e-10], dtype=torch.float64, requires_grad=True),
            "positions": torch.tensor([[-10.0, 0.01 * i, 0.0] for i in range(3)], dtype=torch.float64).requires_grad_(),
        }
        beam = replace(beam, sources=SourceTable(leaves["positions"], leaves["weights"], leaves["wavelengths"]))
    factors = replace(made.structure_factors, water_size_m=leaves["water"])
    detector = made.detector
    if detector.thickness_m is not None:
        detector = replace(detector, attenuation_per_m=leaves["attenuation"])
    simulation = Simulation(replace(made, beam=beam, structure_factors=factors, detector=detector), dtype=dtype)
    image = simulation.image(image_dtype=torch.float64)
    upstream = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64).view_as(image)
    found = torch.autograd.grad(image, list(leaves.values()), upstream, materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def agree(name, dtype, tolerance, used, monkeypatch, capfd):  # noqa: F811
    got, again = slopes(name, dtype), slopes(name, dtype)
    said = capfd.readouterr().err
    assert "not used" not in said, said
    looped = {"one source": "photons_of_samples", "one sample": "photons_of_sources"}
    assert set(used) == {looped.get(name, "photons_of_samples_and_sources") + "_derivative"}
    whole_graph(monkeypatch)
    for leaf, expected in slopes(name, dtype).items():
        assert torch.equal(got[leaf], again[leaf]), leaf
        assert float((got[leaf] - expected).abs().max()) <= tolerance * float(expected.abs().max()), leaf


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in ("few", "corrected")])
def test_one_program_goes_through_samples_and_sources(name, always, used, monkeypatch, capfd):  # noqa: F811
    agree(name, torch.float64, 1e-10, used, monkeypatch, capfd)


def test_in_float32_too(always, used, monkeypatch, capfd):  # noqa: F811
    agree("corrected", torch.float32, 2e-5, used, monkeypatch, capfd)


@needs_cpp
def test_on_a_gpu_too(gpu, used, monkeypatch, capfd):  # noqa: F811
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)
    agree("few", torch.float64, 1e-9, used, monkeypatch, capfd)
    assert EmulatedGpu.launches
