"""Many small tensors from one device to another in one transfer, and their derivatives back in another.

A copy to a GPU costs as much for one number as for thousands. So all tensors resolved on the CPU travel together, as
bytes in one buffer, and the tensors on the GPU are views of that buffer. No copy to a GPU is waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from nanobrag_torch import nests
from nanobrag_torch.parameters.tensors import is_differentiated

Part = TypeVar("Part")
_WORD = torch.float64  # type of the buffer, since nearly all numbers have it


def moved(part: Part, device: torch.device) -> Part:
    """The same nest of tensors on another device: one transfer, and a second one for tensors that have a graph.

    (Every result of a step of the graph has a graph, so tensors without one do not go through it.)
    """
    leaves = list(nests.leaves(part))
    elsewhere = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and not _on(leaf, device)]
    followed = [i for i in elsewhere if is_differentiated(leaves[i])]
    plain = sorted(set(elsewhere) - set(followed))
    for indices, send in ((followed, _apply), (plain, _sent)):
        if indices:
            for i, sent in zip(indices, send(device, [leaves[i] for i in indices]), strict=True):
                leaves[i] = sent
    moved_leaves = iter(leaves)
    return nests.mapped(lambda _: next(moved_leaves), part)


def _on(tensor: torch.Tensor, device: torch.device) -> bool:
    return tensor.device.type == device.type and device.index in (None, tensor.device.index)


def _apply(device: torch.device, tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    apply: Any = Moved.apply
    outputs: tuple[torch.Tensor, ...] = apply(device, *tensors)
    return outputs


class Moved(torch.autograd.Function):
    """Tensors of one device on another."""

    generate_vmap_rule = True

    @staticmethod
    def forward(device: torch.device, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return _sent(device, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.devices = [tensor.device for tensor in inputs[1:]]
        ctx.to = inputs[0]
        ctx.mark_non_differentiable(*(result for result in output if not result.is_floating_point()))
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor | None) -> tuple[Any, ...]:
        return None, *_together(slopes, ctx.devices[0])

    @staticmethod
    def jvp(ctx: Any, _: object, *tangents: torch.Tensor | None) -> Any:
        return tuple(_together(tangents, ctx.to))


def _together(parts: Sequence[torch.Tensor | None], device: torch.device) -> list[torch.Tensor | None]:
    """Move those tensors that are not None."""
    there_are = [part for part in parts if part is not None]
    arrived = iter(_apply(device, there_are) if there_are else ())
    return [None if part is None else next(arrived) for part in parts]


def _sent(device: torch.device, tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The tensors on a device; nothing waits for the copy."""
    packed = torch.cat([_words(tensor.reshape(-1)) for tensor in tensors])
    waits = packed.device.type == "cpu" and device.type == "cuda"
    buffer = packed.pin_memory().to(device, non_blocking=True) if waits else packed.to(device)
    views, first = [], 0
    for tensor in tensors:
        size = -(-tensor.numel() * tensor.element_size() // 8)
        part = buffer[first : first + size]
        if tensor.dtype != _WORD:
            part = part.view(tensor.dtype)[: tensor.numel()]
        views.append(part.view(tensor.shape))
        first += size
    return tuple(views)


def _words(flat: torch.Tensor) -> torch.Tensor:
    """The bytes of a row of numbers, padded to the buffer's type."""
    if flat.dtype == _WORD:
        return flat
    count = -(-flat.numel() * flat.element_size() // 8)
    padded = flat.new_zeros(count * 8 // flat.element_size())
    padded[: flat.numel()] = flat
    return padded.view(_WORD)
