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
from nanobrag_torch.parameters.tensors import with_tensors
from nanobrag_torch.physics import slopes
from nanobrag_torch.physics.slopes import Sloped
from nanobrag_torch.physics.tensors import HOST, as_tensor

Tensors = Sequence[torch.Tensor]
Totals = Sequence[torch.Tensor | None]
MOST_PARAMETERS = 128  # numbers by which numpy works out derivatives of every resolved one


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

    @property
    def plain(self) -> Model: ...

    @property
    def model(self) -> Model: ...


def linear(simulation: Resolved, leaves: Tensors) -> Linear:
    """The model of a simulation in whose experiment these leaves take the places of all tensors, in their order."""
    by = [leaf for leaf in leaves if leaf.requires_grad]
    sloped = None if simulation.hooks is not None else _sloped(simulation.experiment, leaves)
    if sloped is None:
        return _by_graph(simulation.model, by)
    experiment, parameters = sloped
    return _by_slopes(experiment, parameters, by, simulation)


def _sloped(experiment: Experiment, leaves: Tensors) -> tuple[Experiment, dict[int, Sloped]] | None:
    """The experiment with slopes for small leaves, which are given by identity; None where numpy is not the way.

    Amplitudes stay tensors: nothing else is worked out from them. So are the tilts of mosaic domains.
    """
    stated = with_tensors(experiment, leaves, checked=True)
    factors, spread = stated.structure_factors, stated.crystal.mosaic_spread_rad
    if isinstance(spread, torch.Tensor) and spread.requires_grad:
        return None
    amplitudes = factors.default_F, None if factors.table is None else factors.table.F_electrons
    small = [leaf for leaf in leaves if leaf.requires_grad and not any(leaf is one for one in amplitudes)]
    if sum(leaf.numel() for leaf in small) > MOST_PARAMETERS:
        return None
    values = [np.array(leaf.tolist(), dtype=np.float64) for leaf in transfer.moved([s.detach() for s in small], HOST)]
    parameters = {id(leaf): one for leaf, one in zip(small, slopes.parameters(values), strict=True)}
    numbers: Any = [parameters.get(id(leaf), leaf) for leaf in leaves]
    return with_tensors(experiment, numbers, checked=True), parameters


def _without_steps(model: Model) -> Model:
    """The model without the steps that placed the detector, which no pixel reads."""
    nothing: Any = None
    return model._replace(geometry=model.geometry._replace(construction=nothing))


def _by_graph(model: Model, by: Tensors) -> Linear:
    """Some of the tensors follow from others. The derivative by a copy leaves that out: it is the graph's to follow."""
    originals: list[torch.Tensor] = []
    copies: list[torch.Tensor] = []

    def copy(leaf: Any) -> Any:
        if not (isinstance(leaf, torch.Tensor) and leaf.requires_grad):
            return leaf
        originals.append(leaf)
        copies.append(leaf.detach().requires_grad_())
        return copies[-1]

    return Linear(
        nests.mapped(copy, _without_steps(model)), copies, lambda totals: followed_back(originals, by, totals)
    )


def followed_back(outputs: Tensors, inputs: Tensors, upstream: Totals, **options: Any) -> Tensors:
    """torch.autograd.grad of outputs that may have no graph; zeros for inputs that they do not depend on."""
    pairs = [
        (output, up) for output, up in zip(outputs, upstream, strict=True) if output.requires_grad and up is not None
    ]
    if not pairs:
        return [torch.zeros_like(tensor) for tensor in inputs]
    reached, given = zip(*pairs, strict=True)
    return torch.autograd.grad(reached, inputs, given, materialize_grads=True, **options)


def _by_slopes(experiment: Experiment, parameters: dict[int, Sloped], by: Tensors, simulation: Resolved) -> Linear:
    host = model_module.resolve(experiment, simulation.device, simulation.plain.dtype)
    leaves = list(nests.leaves(_without_steps(host)))
    moving = {i: leaf for i, leaf in enumerate(leaves) if _has_derivative(leaf)}
    for i, leaf in moving.items():
        leaves[i] = as_tensor(leaf.value) if isinstance(leaf, Sloped) else leaf.detach()
    there = model_module.on_device(_refilled(host, leaves), simulation.device)
    leaves = list(nests.leaves(there))
    copies = [leaves[i].detach().requires_grad_() for i in moving]
    for i, copied in zip(moving, copies, strict=True):
        leaves[i] = copied
    originals = list(moving.values())
    return Linear(_refilled(there, leaves), copies, lambda totals: _brought_back(originals, parameters, by, totals))


def _has_derivative(leaf: Any) -> bool:
    return isinstance(leaf, Sloped) or (isinstance(leaf, torch.Tensor) and leaf.requires_grad)


def _refilled(model: Model, leaves: Sequence[Any]) -> Model:
    """The model with other leaves in their order."""
    others = iter(leaves)
    return nests.mapped(lambda _: next(others), _without_steps(model))


def _brought_back(
    originals: Sequence[torch.Tensor | Sloped], parameters: dict[int, Sloped], by: Tensors, totals: Totals
) -> Tensors:
    """Derivatives by the leaves from those by what was resolved, which come to the CPU in one transfer."""
    pairs = [(original, total) for original, total in zip(originals, totals, strict=True) if total is not None]
    small = [(original, total) for original, total in pairs if isinstance(original, Sloped)]
    arrived = transfer.moved([total.detach() for _, total in small], HOST)
    summed = sum(
        (original.slopes.reshape(len(original.slopes), -1) * total.double().numpy().reshape(-1)).sum(1)
        for (original, _), total in zip(small, arrived, strict=True)
    )
    graph = [(original, total.to(original.device)) for original, total in pairs if isinstance(original, torch.Tensor)]
    rest = [leaf for leaf in by if id(leaf) not in parameters]
    others = iter(followed_back([o for o, _ in graph], rest, [t for _, t in graph]))
    gradients, first = [], 0
    for leaf in by:
        if id(leaf) not in parameters:
            gradients.append(next(others))
            continue
        part = summed[first : first + leaf.numel()] if small else np.zeros(leaf.numel())
        gradients.append(torch.tensor(part).view(leaf.shape).to(dtype=leaf.dtype, device=leaf.device))
        first += leaf.numel()
    return gradients
