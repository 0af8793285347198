"""Derivatives of a large image: a tile is computed again when its derivative is wanted, so no graph outlives a tile.

The image is one step of torch's graph, a function of the experiment's tensors. So is each of its derivatives: `Slopes`
(for backward mode), `Tangent` (for forward mode) and `Bend` (the derivatives of those two). Each is computed from plain
tensors, by compiled code and on all threads where that pays, for any mode that torch asks for; tiles are added in
storage order, which gives the same numbers for any number of threads. `torch.vmap` gets one image after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from nanobrag_torch import nests
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.model import Model
from nanobrag_torch.parameters.tensors import has_tangent
from nanobrag_torch.simulator.recomputing import At, Tensors, change_and_bend, slopes_of
from nanobrag_torch.simulator.tiles import Progress

TOO_MANY_DERIVATIVES = (
    "a large image has no third derivative, nor second ones by forward over forward or functional.hvp; use "
    "torch.func.hessian, torch.autograd.functional.vhp, or fewer steps"
)


def image(at: At, progress: Progress | None, image_dtype: torch.dtype, tensors: Tensors) -> torch.Tensor:
    """The image as a function of these tensors of the experiment, differentiable by each of them."""
    dual = any(map(has_tangent, tensors))  # inside a step of the graph torch no longer shows this
    made: torch.Tensor = RecomputedImage.apply(at, dual, progress, image_dtype, *tensors)
    return made


def has_graph(model: Model) -> bool:
    """Whether some tensor of a model has a graph: with hooks, of tensors that the experiment does not hold."""
    return any(isinstance(leaf, torch.Tensor) and leaf.requires_grad for leaf in nests.leaves(model))


def linked(made: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """An image with its graph, and with a derivative of 0 by the tensors that it does not depend on."""
    by = [tensor for tensor in tensors if tensor.is_floating_point()]
    same: torch.Tensor = Linked.apply(made, *by)
    return same


class Linked(torch.autograd.Function):
    """The same image as a function of more tensors."""

    generate_vmap_rule = True

    @staticmethod
    def forward(made: torch.Tensor, *tensors: torch.Tensor) -> torch.Tensor:
        return made.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.zero = lambda: torch.zeros_like(output.detach())
        ctx.like = [(tensor.shape, {"dtype": tensor.dtype, "device": tensor.device}) for tensor in inputs[1:]]

    @staticmethod
    def backward(ctx: Any, by_image: torch.Tensor) -> tuple[Any, ...]:
        return by_image, *(torch.zeros(shape, **kind) for shape, kind in ctx.like)

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor | None, *_: object) -> Any:
        return ctx.zero() if tangent is None else tangent


class _OneByOne(torch.autograd.Function):
    """A function whose settings come before its tensors, and that `torch.vmap` calls once for each of a batch."""

    settings: int

    @classmethod
    def vmap(cls, info: Any, dimensions: tuple[int | None, ...], *arguments: Any) -> Any:
        settings, tensors = arguments[: cls.settings], arguments[cls.settings :]
        dimensions = dimensions[cls.settings :]
        results = [
            cls.apply(
                *settings, *(t if d is None else t.select(d, i) for t, d in zip(tensors, dimensions, strict=True))
            )
            for i in range(info.batch_size)
        ]
        if isinstance(results[0], torch.Tensor):
            return torch.stack(results), 0
        return tuple(map(torch.stack, zip(*results, strict=True))), (0,) * len(results[0])


class RecomputedImage(_OneByOne):
    """`Simulation.image` as one step of a graph."""

    settings = 4

    @staticmethod
    def forward(
        at: At, dual: bool, progress: Progress | None, image_dtype: torch.dtype, *tensors: torch.Tensor
    ) -> torch.Tensor:
        plain = [tensor.detach() for tensor in tensors] if dual else tensors  # threads would go on with tangents
        return at(plain).image_without_graph(progress, image_dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.at, _, _, ctx.image_dtype, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, by_image: torch.Tensor) -> tuple[Any, ...]:
        tensors, wanted = ctx.saved_tensors, ctx.needs_input_grad[4:]
        return None, None, None, None, *_spread(Slopes.apply(ctx.at, wanted, by_image, *tensors), wanted)

    @staticmethod
    def jvp(ctx: Any, _at: At, _dual: bool, _progress: object, _dtype: object, *tangents: torch.Tensor | None) -> Any:
        return _tangent(ctx.at, ctx.image_dtype, ctx.saved_tensors, tangents)


class Slopes(_OneByOne):
    """Derivatives by the `wanted` ones of the tensors of the sum of the image times `by_image`."""

    settings = 2

    @staticmethod
    def forward(
        at: At, wanted: tuple[bool, ...], by_image: torch.Tensor, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        return tuple(slopes_of(at, wanted, by_image, tensors))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.at, ctx.wanted, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *along: torch.Tensor) -> tuple[Any, ...]:
        by_image, *tensors = ctx.saved_tensors
        by_by_image, *by_tensors = Bend.apply(ctx.at, ctx.wanted, len(along), by_image, *along, *tensors)
        return None, None, by_by_image, *_spread(by_tensors, ctx.wanted)

    @staticmethod
    def jvp(
        ctx: Any, _at: At, _wanted: object, by_image_tangent: torch.Tensor | None, *tangents: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        by_image, *tensors = ctx.saved_tensors
        wanted, along = _with_tangents(tensors, tangents)
        changes = [torch.zeros_like(tensor) for tensor, want in zip(tensors, ctx.wanted, strict=True) if want]
        if along:  # the matrix of second derivatives is symmetric
            both = tuple(a or b for a, b in zip(wanted, ctx.wanted, strict=True))
            directions = [
                torch.zeros_like(tensor) if tangent is None else tangent
                for tensor, tangent, want in zip(tensors, tangents, both, strict=True)
                if want
            ]
            bent = _spread(Bend.apply(ctx.at, both, len(directions), by_image, *directions, *tensors)[1:], both)
            changes = [part for part, want in zip(bent, ctx.wanted, strict=True) if want and part is not None]
        if by_image_tangent is not None:
            more = Slopes.apply(ctx.at, ctx.wanted, by_image_tangent, *tensors)
            changes = [total + term for total, term in zip(changes, more, strict=True)]
        return tuple(changes)


class Tangent(_OneByOne):
    """The change of the image along the directions given for the `wanted` ones of the tensors."""

    settings = 4

    @staticmethod
    def forward(
        at: At, image_dtype: torch.dtype, wanted: tuple[bool, ...], count: int, *rest: torch.Tensor
    ) -> torch.Tensor:
        along, tensors = rest[:count], rest[count:]
        return change_and_bend(at, wanted, None, along, tensors)[0].to(image_dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.at, _, ctx.wanted, ctx.count, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, by_image: torch.Tensor) -> tuple[Any, ...]:
        along, tensors = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        by_along = Slopes.apply(ctx.at, ctx.wanted, by_image, *tensors)
        by_tensors = Bend.apply(ctx.at, ctx.wanted, ctx.count, by_image, *along, *tensors)[1:]
        return None, None, None, None, *by_along, *_spread(by_tensors, ctx.wanted)

    @staticmethod
    def jvp(ctx: Any, *_: object) -> Any:
        raise ExperimentError(TOO_MANY_DERIVATIVES)


class Bend(_OneByOne):
    """With g = `Slopes` and directions v: derivatives of the sum of g v, by `by_image` and by the wanted tensors."""

    settings = 3

    @staticmethod
    def forward(
        at: At, wanted: tuple[bool, ...], count: int, by_image: torch.Tensor, *rest: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        along, tensors = rest[:count], rest[count:]
        changed, by_tensors = change_and_bend(at, wanted, by_image, along, tensors)
        return changed.to(by_image.dtype), *by_tensors

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: object) -> Any:
        raise ExperimentError(TOO_MANY_DERIVATIVES)

    jvp = backward


def _with_tangents(
    tensors: Tensors, tangents: Sequence[torch.Tensor | None]
) -> tuple[tuple[bool, ...], list[torch.Tensor]]:
    """Which tensors have a tangent, and those tangents; one that is no floating point number has none."""
    wanted = tuple(t is not None and x.is_floating_point() for x, t in zip(tensors, tangents, strict=True))
    return wanted, [tangent for tangent, want in zip(tangents, wanted, strict=True) if want and tangent is not None]


def _tangent(at: At, image_dtype: torch.dtype, tensors: Tensors, tangents: Sequence[torch.Tensor | None]) -> Any:
    wanted, along = _with_tangents(tensors, tangents)
    return Tangent.apply(at, image_dtype, wanted, len(along), *along, *tensors)


def _spread(derivatives: Sequence[torch.Tensor], wanted: Sequence[bool]) -> list[torch.Tensor | None]:
    """A list with None at the places of tensors that are not wanted."""
    parts = iter(derivatives)
    return [next(parts) if want else None for want in wanted]
