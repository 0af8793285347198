"""All that is resolved on the CPU goes to a device in one copy, and its derivatives come back in one copy."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from nanobrag_torch import transfer
from nanobrag_torch.backends.compiled.derivative import differentiated
from nanobrag_torch.backends.compiled.programs import PROGRAMS
from nanobrag_torch.parameters import Beam, StructureFactors
from nanobrag_torch.simulator import Simulation
from tests.physics.helpers import small

META = torch.device("meta")
BASE = small()
EXPERIMENTS = {
    "table": BASE,
    "one amplitude": replace(BASE, structure_factors=StructureFactors(default_F=3.0)),
    "sources": replace(BASE, beam=Beam(hdiv_range_rad=1e-3, hdiv_steps=3)),
}
VIEWS = {
    "slice",
    "view",
    "select",
    "detach",
    "alias",
    "_reshape_alias",
    "reshape",
    "as_strided",
    "split",
    "split_with_sizes",
    "unbind",
}


class Counted(TorchDispatchMode):
    """Names of all operations whose result is on the meta device and is new there."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        there = any(
            isinstance(leaf, torch.Tensor) and leaf.device.type == "meta" for leaf in pytree.tree_leaves(result)
        )
        if there and function.overloadpacket.__name__ not in VIEWS:
            self.names.append(function.overloadpacket.__name__)
        return result


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_model_is_one_transfer(name, dtype):
    with Counted() as counted:
        simulation = Simulation(EXPERIMENTS[name], "meta", dtype)
    assert counted.names in (["_to_copy"], ["_to_copy", "_to_copy"]), "the table of amplitudes goes alone, and once"
    with Counted() as counted:
        Simulation(EXPERIMENTS[name], "meta", dtype)
    assert counted.names == ["_to_copy"]
    for there, here in zip(leaves_of(simulation.model), leaves_of(simulation.host), strict=True):
        assert (there.device.type, there.dtype, there.shape) == ("meta", here.dtype, here.shape)


@pytest.mark.parametrize("name", ["table", "one amplitude"])
def test_what_has_no_graph_gets_none_on_the_way(name):
    """Otherwise derivatives by all amplitudes would be computed although nobody uses them."""
    cell = torch.tensor([50.0, 60.0, 70.0], dtype=torch.float64, requires_grad=True)
    crystal = replace(BASE.crystal, cell_lengths_A=tuple(cell.unbind()))
    Simulation(EXPERIMENTS[name], "meta")  # the table is there from now on
    with Counted() as counted:
        simulation = Simulation(replace(EXPERIMENTS[name], crystal=crystal), "meta")
    assert counted.names == ["_to_copy"], "an image needs no graph"
    assert not any(leaf.requires_grad for leaf in leaves_of(simulation.plain))
    with Counted() as counted:
        assert simulation.model.real_m.requires_grad
    assert counted.names == ["_to_copy", "_to_copy"]
    program = differentiated(PROGRAMS["photons"], simulation.model)
    assert program.by == differentiated(PROGRAMS["photons"], simulation.host).by
    assert "real_m" in program.by and not any(leaf.startswith(("geometry", "amplitudes")) for leaf in program.by)
    for there, here in zip(leaves_of(simulation.model), leaves_of(simulation.host), strict=True):
        assert there.requires_grad == here.requires_grad


def leaves_of(model):
    """The tensors of a model but for those of the steps that placed the detector."""
    bare = model._replace(geometry=model.geometry._replace(construction=None))
    return [leaf for leaf in pytree.tree_leaves(bare) if isinstance(leaf, torch.Tensor)]


def test_another_frame_of_a_series_is_one_transfer():
    from nanobrag_torch.simulator.series import Series

    series = Series(BASE, "meta")
    with Counted() as counted:
        series.at((1.0, 2.0, 3.0), 1.02e-10)
    assert counted.names == ["_to_copy"]


def nest():
    numbers = torch.arange(7, dtype=torch.float64, requires_grad=True)
    return {
        "three": numbers[:3].sin(),
        "single": numbers[3:6].float().view(3, 1),
        "whole": torch.tensor([5, -3], dtype=torch.int64),
        "small": torch.tensor([True, False, True]),
        "one": numbers[6] * 2,
        "none": torch.empty(0, 3, dtype=torch.float64),
        "other": ("text", 3, None),
    }, numbers


def test_every_type_arrives_as_it_was():
    """Packed and taken apart, on the only device there is."""
    sent, _ = nest()
    tensors = [leaf for leaf in pytree.tree_leaves(sent) if isinstance(leaf, torch.Tensor)]
    for there, here in zip(transfer.Moved.apply(torch.device("cpu"), *tensors), tensors, strict=True):
        assert torch.equal(there, here) and there.dtype == here.dtype and there.shape == here.shape


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own forward-mode rules
def test_derivatives_come_back():
    """First and second, backward and forward, are those of tensors that stayed where they were."""

    def value(numbers, sent):
        parts = [numbers[:3].sin(), numbers[3:6].float().view(3, 1), numbers[6] * 2]
        if sent:
            parts = transfer.Moved.apply(torch.device("cpu"), *parts)
        return (parts[0].sum() * parts[2] + parts[1].double().square().sum()) ** 2

    at = torch.linspace(0.3, 1.5, 7, dtype=torch.float64)
    for derivative in (torch.func.jacrev, torch.func.jacfwd, torch.func.hessian):
        got = derivative(lambda x: value(x, True))(at)
        assert torch.equal(got, derivative(lambda x: value(x, False))(at))
    leaf = at.clone().requires_grad_()
    (first,) = torch.autograd.grad(value(leaf, True), leaf, create_graph=True)
    (second,) = torch.autograd.grad(first[6], leaf)
    assert bool((second != 0).all())


def test_a_model_without_a_gradient_has_none():
    assert not any(
        leaf.requires_grad
        for leaf in pytree.tree_leaves(transfer.moved(Simulation(BASE).model, META))
        if isinstance(leaf, torch.Tensor)
    )


def test_a_table_is_padded_once_until_it_changes():
    """Also a change in place is seen, and another default; a derivative by the table has a table of its own."""
    values = BASE.structure_factors.table.F_electrons.clone()
    factors = replace(BASE.structure_factors, table=replace(BASE.structure_factors.table, F_electrons=values))

    def padded(**changed):
        return Simulation(replace(BASE, structure_factors=replace(factors, **changed))).plain.amplitudes.padded

    first = padded()
    assert padded() is first
    values[3, 4, 5] = 7.0
    second = padded()
    assert second is not first and second[4, 5, 6] == 7.0 and padded() is second
    assert padded(default_F=2.0)[0, 0, 0] == 2.0 and padded()[0, 0, 0] == 0.0
    values.requires_grad_()
    model = Simulation(replace(BASE, structure_factors=factors)).model
    assert model.amplitudes.padded.requires_grad and not padded().requires_grad
    with torch.inference_mode():
        inferred = padded()
    assert not padded().is_inference() and torch.equal(inferred, padded())
