"""A model whose tensors are leaves of a new graph; derivatives by the experiment follow from those by these leaves.

Resolved numbers follow from the experiment's by a few hundred operations on three numbers each. Where first derivatives
are wanted by not too many numbers, numpy works out all of them on the way (`nanobrag_torch.physics.slopes`); else
torch's graph of these operations is kept and followed back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from nanobrag_torch import model as model_module
from nanobrag_torch import nests, transfer
from nanobrag_torch.hooks import Hooks
from nanobrag_torch.model import Model
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.parameters.tensors import has_tangent, is_transformed, with_tensors
from nanobrag_torch.physics.random_numbers import SharedTable
from nanobrag_torch.physics.slopes import parameters
from nanobrag_torch.physics.tensors import HOST

Tensors = Sequence[torch.Tensor]
Totals = Sequence[torch.Tensor | None]
MOST_PARAMETERS = 128  # numbers by which numpy works out derivatives of every resolved one


class Slopes(NamedTuple):
    """What the numbers of a model change by, per unit of each parameter."""

    wanted: tuple[bool, ...]  # of the experiment's tensors, those by which derivatives are wanted
    small: tuple[int, ...]  # which of them are parameters, element by element; the others are amplitudes
    by_leaf: dict[int, np.ndarray]  # (parameters, *shape) of those of the model's leaves that depend on them


class Linear(NamedTuple):
    """A model with copies of the tensors that have a derivative, and what brings derivatives by these copies back."""

    model: Model
    copies: list[torch.Tensor]
    gradients: Callable[[Totals], Tensors]  # from those by each copy, None where there is none, to those by each leaf


class Resolved(Protocol):
    """What is needed of a simulation."""

    experiment: Experiment
    device: torch.device
    hooks: Hooks | None
    slopes: Slopes | None  # of its plain model, if they are known

    @property
    def plain(self) -> Model: ...

    @property
    def model(self) -> Model: ...


def resolved(
    experiment: Experiment, tensors: Tensors, device: torch.device, dtype: torch.dtype, table: SharedTable
) -> tuple[Model, Slopes] | None:
    """The model on the CPU, without a graph, and its slopes by all tensors that require a gradient.

    None where no tensor does, or a graph is the way to derivatives. Amplitudes stay tensors, which nothing else needs;
    the tilts of mosaic domains are torch's.
    """
    spread, factors = experiment.crystal.mosaic_spread_rad, experiment.structure_factors
    if isinstance(spread, torch.Tensor) and spread.requires_grad:
        return None
    amplitudes = factors.default_F, None if factors.table is None else factors.table.F_electrons
    wanted = tuple(tensor.requires_grad for tensor in tensors)
    if not any(wanted) or any(is_transformed(tensor) or has_tangent(tensor) for tensor in tensors):
        return None
    small = [i for i, tensor in enumerate(tensors) if wanted[i] and not any(tensor is one for one in amplitudes)]
    if sum(tensors[i].numel() for i in small) > MOST_PARAMETERS:
        return None
    numbers: list[Any] = list(tensors)
    there = transfer.moved([tensors[i].detach() for i in small], HOST)
    values = [np.array(tensor.tolist(), dtype=np.float64) for tensor in there]
    for i, parameter in zip(small, parameters(values), strict=True):
        numbers[i] = parameter
    with torch.no_grad():
        sloped = with_tensors(experiment, numbers, checked=True)
        model, by_leaf = model_module.resolve_with_slopes(sloped, device, dtype, table)
    return model, Slopes(wanted, tuple(small), by_leaf)


def linear(simulation: Resolved, leaves: Tensors) -> Linear:
    """The model of a simulation of whose experiment these leaves are all tensors, in their order."""
    slopes, wanted = simulation.slopes, tuple(leaf.requires_grad for leaf in leaves)
    if simulation.hooks is None and (slopes is None or slopes.wanted != wanted):
        again = resolved(simulation.experiment, leaves, simulation.device, simulation.plain.dtype, SharedTable())
        slopes = None if again is None else again[1]
    if simulation.hooks is not None or slopes is None:
        return by_graph(simulation.model, [leaf for leaf in leaves if leaf.requires_grad])
    return _by_slopes(simulation, slopes, leaves)


def by_graph(model: Model, by: Tensors) -> Linear:
    """Some of the tensors follow from others. The derivative by a copy leaves that out: it is the graph's to follow."""
    originals: list[torch.Tensor] = []
    copies: list[torch.Tensor] = []

    def copy(leaf: Any) -> Any:
        if not (isinstance(leaf, torch.Tensor) and leaf.requires_grad):
            return leaf
        originals.append(leaf)
        copies.append(leaf.detach().requires_grad_())
        return copies[-1]

    copied = nests.mapped(copy, model_module.without_steps(model))
    return Linear(copied, copies, lambda totals: followed_back(originals, by, totals))


def followed_back(outputs: Tensors, inputs: Tensors, upstream: Totals, **options: Any) -> Tensors:
    """torch.autograd.grad of outputs that may have no graph; zeros for inputs that they do not depend on."""
    pairs = [
        (output, up) for output, up in zip(outputs, upstream, strict=True) if output.requires_grad and up is not None
    ]
    if not pairs:
        return [torch.zeros_like(tensor) for tensor in inputs]
    reached, given = zip(*pairs, strict=True)
    return torch.autograd.grad(reached, inputs, given, materialize_grads=True, **options)


def _by_slopes(simulation: Resolved, slopes: Slopes, leaves: Tensors) -> Linear:
    plain = model_module.without_steps(simulation.plain)
    numbers = list(nests.leaves(plain))
    for i in slopes.by_leaf:
        numbers[i] = numbers[i].detach().requires_grad_()
    copies = [numbers[i] for i in slopes.by_leaf]
    others = iter(numbers)
    model = nests.mapped(lambda _: next(others), plain)
    rest = [leaf for i, leaf in enumerate(leaves) if leaf.requires_grad and i not in slopes.small]
    originals: list[torch.Tensor] = []
    if rest:
        changed, originals = _amplitudes(simulation)
        model = model._replace(amplitudes=model.amplitudes._replace(**changed))
        copies += changed.values()

    def gradients(totals: Totals) -> Tensors:
        by_small = _by_parameters(list(slopes.by_leaf.values()), totals[: len(slopes.by_leaf)])
        pairs = zip(totals[len(slopes.by_leaf) :], originals, strict=True)
        back = [None if total is None else total.to(original.device) for total, original in pairs]
        return _in_order(leaves, slopes, by_small, followed_back(originals, rest, back))

    return Linear(model, copies, gradients)


def _amplitudes(simulation: Resolved) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """Amplitudes that have a derivative: copies on the device, by their names in `Amplitudes`, and what they are of."""
    built = model_module.amplitudes(simulation.experiment, simulation.plain)._asdict()
    originals = {name: one for name, one in built.items() if isinstance(one, torch.Tensor) and one.requires_grad}
    arrived = transfer.moved([one.detach() for one in originals.values()], simulation.device)
    copies = {name: one.detach().requires_grad_() for name, one in zip(originals, arrived, strict=True)}
    return copies, list(originals.values())


def _by_parameters(slopes: Sequence[np.ndarray], totals: Totals) -> np.ndarray | None:
    """Derivatives by each parameter from those by what was resolved, which come to the CPU in one transfer."""
    pairs = [(slope, total) for slope, total in zip(slopes, totals, strict=True) if total is not None]
    if not pairs:
        return None
    arrived = transfer.moved([total.detach() for _, total in pairs], HOST)
    terms = [
        (slope.reshape(len(slope), -1) * total.double().numpy().reshape(-1)).sum(1)
        for (slope, _), total in zip(pairs, arrived, strict=True)
    ]
    summed: np.ndarray = np.add.reduce(terms)
    return summed


def _in_order(leaves: Tensors, slopes: Slopes, by_small: np.ndarray | None, others: Tensors) -> Tensors:
    """Derivatives by the leaves that want one, in their order: of small ones the next of `by_small`."""
    gradients, first, rest = [], 0, iter(others)
    for i, leaf in enumerate(leaves):
        if i in slopes.small:
            last = first + leaf.numel()
            part = np.zeros(leaf.numel()) if by_small is None else by_small[first:last]
            gradients.append(torch.tensor(part).view(leaf.shape).to(dtype=leaf.dtype, device=leaf.device))
            first = last
        elif leaf.requires_grad:
            gradients.append(next(rest))
    return gradients
