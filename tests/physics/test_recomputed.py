"""Derivatives of a large image, whose tiles are worked out again, are those of the whole graph."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.simulator import Simulation, graphs, simulate
from tests.physics.helpers import small

BASE = small()


def test_a_recomputed_derivative_is_that_of_the_whole_graph(monkeypatch):
    """Tiles worked out again give the derivatives, first and second, of the graph that keeps every step."""
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)

    def value(recomputed: bool, twice: bool) -> list[float]:
        distance = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
        cell = torch.tensor([50.0, 60.0, 70.0], dtype=torch.float64, requires_grad=True)
        crystal = replace(BASE.crystal, cell_lengths_A=tuple(cell.unbind()))
        simulation = Simulation(replace(BASE, crystal=crystal, detector=replace(BASE.detector, distance_m=distance)))
        made = Simulation.image if recomputed else graphs.image_with_graph
        image = made(simulation, None, torch.float64)
        assert ("RecomputedImage" in str(image.grad_fn)) == recomputed
        gradients = torch.autograd.grad(image.square().sum(), [distance, cell], create_graph=twice)
        if twice:
            gradients = torch.autograd.grad(gradients[0], [distance, cell])
        return [float(part) for gradient in gradients for part in gradient.reshape(-1)]

    for twice in (False, True):
        assert value(True, twice) == pytest.approx(value(False, twice), rel=1e-9)


def test_a_recomputed_derivative_is_the_same_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)
    threads, threads_seen = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            distance = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
            simulate(replace(BASE, detector=replace(BASE.detector, distance_m=distance))).square().sum().backward()
            threads_seen.append(float(distance.grad))
    finally:
        torch.set_num_threads(threads)
    assert threads_seen[0] == threads_seen[1] == threads_seen[2]
