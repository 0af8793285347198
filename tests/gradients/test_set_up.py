"""Derivatives of resolved numbers by those of the experiment: numpy's, on the way, are those of torch's graph."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.parameters.tensors import tensors_of, with_tensors
from nanobrag_torch.simulator import Simulation, linear
from tests.gradients.random_experiments import case
from tests.gradients.test_table import TABLE, _field, experiment_for
from tests.physics.helpers import small


def both_ways(experiment, monkeypatch):
    """The leaves, and what the two ways make of them."""
    simulation, resolved = Simulation(experiment), linear._by_graph
    graphs = []
    monkeypatch.setattr(linear, "_by_graph", lambda *given: graphs.append(given) or resolved(*given))
    tensors = tensors_of(experiment)
    ways = []
    for most in (linear.MOST_PARAMETERS, -1):
        leaves = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in tensors]
        monkeypatch.setattr(linear, "MOST_PARAMETERS", most)
        ways.append((leaves, linear.linear(simulation.at(leaves), leaves)))
    assert len(graphs) == 1, "only the second is torch's"
    return ways


def check(experiment, monkeypatch, tolerance=1e-12):
    (leaves, numbers), (_, graph) = both_ways(experiment, monkeypatch)
    assert [copy.shape for copy in numbers.copies] == [copy.shape for copy in graph.copies]
    for by_numpy, by_torch in zip(numbers.copies, graph.copies, strict=True):
        assert by_numpy.is_leaf and by_numpy.requires_grad
        assert torch.equal(by_numpy, by_torch), "the values keep every byte"
    generator = torch.Generator().manual_seed(5)
    totals = [torch.rand(copy.shape, generator=generator, dtype=torch.float64) / scale(copy) for copy in graph.copies]
    got, expected = numbers.gradients(totals), graph.gradients(totals)
    for leaf, ours, theirs in zip([leaf for leaf in leaves if leaf.requires_grad], got, expected, strict=True):
        assert (ours.shape, ours.dtype) == (leaf.shape, leaf.dtype)
        assert torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max()))
    return got


def scale(copy):
    return float(copy.detach().abs().max()) or 1.0


BY_TORCH = ("mosaic_spread",)  # the tilts of domains are torch's


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.kind != "none" and name not in BY_TORCH])
def test_by_each_parameter(name, tmp_path, monkeypatch):
    row = TABLE[name]
    _, experiment = experiment_for(row, tmp_path)
    index = (0,) * _field(row, experiment).ndim if row.is_tensor else ()
    start = row.value(experiment, index) or row.start
    value = torch.tensor(start if start else 1.0, dtype=torch.float64, requires_grad=True)
    check(row.put(experiment, value, index), monkeypatch, 1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_by_all_parameters_of_a_random_experiment(seed, tmp_path, monkeypatch):
    subject = case(seed, tmp_path)
    check(subject.at(subject.start.clone().requires_grad_().unbind()), monkeypatch, 1e-10)


def test_other_types_get_derivatives_of_their_own():
    """In a vector, and in single precision."""
    base = small()
    cell = torch.tensor([50.0, 60.0, 70.0], dtype=torch.float32, requires_grad=True)
    experiment = replace(base, crystal=replace(base.crystal, cell_lengths_A=cell))
    leaves = [cell.detach().requires_grad_() if tensor is cell else tensor for tensor in tensors_of(experiment)]
    made = linear.linear(Simulation(with_tensors(experiment, leaves)), leaves)
    (gradient,) = made.gradients([torch.ones_like(copy) for copy in made.copies])
    assert gradient.dtype == torch.float32 and gradient.shape == (3,) and bool((gradient != 0).all())


def test_nothing_derived_is_a_derivative_of_0():
    base = small()
    distance = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
    leaves = tensors_of(replace(base, detector=replace(base.detector, distance_m=distance)))
    simulation = Simulation(replace(base, detector=replace(base.detector, distance_m=distance)))
    made = linear.linear(simulation, leaves)
    assert made.gradients([None] * len(made.copies))[0] == 0
