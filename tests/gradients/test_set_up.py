"""Derivatives of resolved numbers by those of the experiment: numpy's, on the way, are those of torch's graph."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch import nests
from nanobrag_torch.parameters.tensors import tensors_of, with_tensors
from nanobrag_torch.simulator import Simulation, linear
from tests.gradients.random_experiments import case
from tests.gradients.test_table import TABLE, _field, experiment_for
from tests.physics.helpers import small


def check(experiment, tolerance=1e-12):
    simulation, tensors = Simulation(experiment), tensors_of(experiment)
    leaves = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in tensors]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    known = simulation.at(leaves)
    assert known.slopes is not None, "numpy works them out"
    numbers, graph = linear.linear(known, leaves), linear.by_graph(known.model, wanted)
    by_numpy, by_torch = (list(nests.leaves(way.model)) for way in (numbers, graph))
    assert [differentiated(leaf) for leaf in by_numpy] == [differentiated(leaf) for leaf in by_torch]
    totals = {}
    generator = torch.Generator().manual_seed(5)
    for ours, theirs in zip(by_numpy, by_torch, strict=True):
        assert not isinstance(ours, torch.Tensor) or torch.equal(ours, theirs), "the values keep every byte"
        if differentiated(ours):
            total = torch.rand(ours.shape, generator=generator, dtype=torch.float64) / scale(ours)
            totals[id(ours)] = totals[id(theirs)] = total
    got, expected = (way.gradients([totals[id(copy)] for copy in way.copies]) for way in (numbers, graph))
    for leaf, ours, theirs in zip(wanted, got, expected, strict=True):
        assert (ours.shape, ours.dtype) == (leaf.shape, leaf.dtype)
        assert torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max()))


def differentiated(leaf):
    return isinstance(leaf, torch.Tensor) and leaf.requires_grad


def scale(copy):
    return float(copy.detach().abs().max()) or 1.0


BY_TORCH = ("mosaic_spread",)  # the tilts of domains are torch's


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.kind != "none" and name not in BY_TORCH])
def test_by_each_parameter(name, tmp_path):
    row = TABLE[name]
    _, experiment = experiment_for(row, tmp_path)
    index = (0,) * _field(row, experiment).ndim if row.is_tensor else ()
    start = row.value(experiment, index) or row.start
    value = torch.tensor(start if start else 1.0, dtype=torch.float64, requires_grad=True)
    check(row.put(experiment, value, index), 1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_by_all_parameters_of_a_random_experiment(seed, tmp_path):
    subject = case(seed, tmp_path)
    check(subject.at(subject.start.clone().requires_grad_().unbind()), 1e-10)


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
