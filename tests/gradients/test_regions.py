"""Derivatives by programs that count the pixels of a rectangle themselves: masks, regions of interest, launches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.simulator import Simulation, masks
from tests.gradients.test_compiled_derivatives import ONE, always, used, whole_graph, with_leaves  # noqa: F401
from tests.gradients.test_emulated_gpu import gpu  # noqa: F401
from tests.physics.emulated_gpu import EmulatedGpu, needs_cpp

SLOW, FAST = ONE.detector.n_slow, ONE.detector.n_fast
ROWS = torch.ones(SLOW, FAST, dtype=torch.bool)
ROWS[3:8] = False
ROWS[:, 2] = False
ROWS[-1, -1] = False
DETECTORS = {
    "whole": ONE.detector,
    "region": replace(ONE.detector, roi=(2, FAST - 3, 3, SLOW - 2)),
    "mask": replace(ONE.detector, mask=ROWS),
    "mask and region": replace(ONE.detector, mask=ROWS, roi=(1, FAST - 2, 2, SLOW - 3)),
    "all hidden": replace(ONE.detector, mask=torch.zeros_like(ROWS)),
}


def slopes(detector, upstream_of_hidden=0.0):
    made, leaves = with_leaves(replace(ONE, detector=detector))
    image = Simulation(made).image(image_dtype=torch.float64)
    upstream = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64).view_as(image).clone()
    computed = torch.zeros_like(image, dtype=torch.bool)
    x_min, x_max, y_min, y_max = detector.roi or (0, FAST - 1, 0, SLOW - 1)
    computed[y_min : y_max + 1, x_min : x_max + 1] = True
    computed = computed if detector.mask is None else computed & detector.mask
    assert not image.detach()[~computed].any()
    upstream[~computed] = upstream_of_hidden
    return torch.autograd.grad(image, list(leaves.values()), upstream, materialize_grads=True)


def agree(name, monkeypatch, tolerance):
    detector = DETECTORS[name]
    got = slopes(detector, upstream_of_hidden=float("nan"))
    again = slopes(detector)
    whole_graph(monkeypatch)
    for slope, same, expected in zip(got, again, slopes(detector), strict=True):
        assert torch.equal(slope, same)
        assert float((slope - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.fixture
def read(monkeypatch):
    """Masks are read by the program, whatever they leave."""
    monkeypatch.setattr(masks, "worth_reading", lambda mask, roi: True)
    masks._KEPT.clear()
    yield
    masks._KEPT.clear()


@pytest.mark.parametrize("name", DETECTORS)
def test_pixels_that_are_not_computed_add_nothing(name, always, used, read, monkeypatch, capfd):  # noqa: F811
    """Not even where their upstream number is none; the others are those of the whole graph."""
    agree(name, monkeypatch, 1e-11)
    assert used and "not used" not in capfd.readouterr().err


@needs_cpp
@pytest.mark.parametrize("name", ["region", "mask and region", "all hidden"])
def test_on_a_gpu_too(name, gpu, used, read, monkeypatch, capfd):  # noqa: F811
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)
    agree(name, monkeypatch, 1e-9)
    assert used and EmulatedGpu.launches and "not used" not in capfd.readouterr().err
