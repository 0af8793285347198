"""The tensors of an experiment, in the order of its fields: taken out, and others put in their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch.autograd import forward_ad

Part = TypeVar("Part")


def tensors_of(part: Any) -> list[torch.Tensor]:
    """Every tensor in a dataclass or tuple of `parameters`, at any depth."""
    found: list[torch.Tensor] = []
    _collect(part, found)
    return found


_PLAIN = (float, int, bool, str, type(None))


def _collect(part: Any, found: list[torch.Tensor]) -> None:
    if isinstance(part, torch.Tensor):
        found.append(part)
    elif isinstance(part, tuple):
        for item in part:
            if type(item) not in _PLAIN:
                _collect(item, found)
    elif is_dataclass(part):
        for name in part.__dataclass_fields__:
            value = getattr(part, name)
            if type(value) not in _PLAIN:
                _collect(value, found)


def with_tensors(part: Part, tensors: Sequence[torch.Tensor]) -> Part:
    """A copy with other tensors, as many as `tensors_of` finds."""
    filled: Part = _filled(part, iter(tensors))
    return filled


def _filled(part: Any, tensors: Iterator[torch.Tensor]) -> Any:
    if isinstance(part, torch.Tensor):
        return next(tensors)
    if is_dataclass(part) and not isinstance(part, type) and tensors_of(part):
        return replace(part, **{field.name: _filled(getattr(part, field.name), tensors) for field in fields(part)})
    return tuple(_filled(item, tensors) for item in part) if isinstance(part, tuple) else part


def is_transformed(tensor: torch.Tensor) -> bool:
    """Whether a tensor is wrapped by a transform of torch.func."""
    return torch.func.debug_unwrap(tensor) is not tensor


def is_mapped(tensor: torch.Tensor) -> bool:
    """Whether torch.vmap maps over it, so that it represents many tensors and has no single value."""
    return torch.func.debug_unwrap(tensor).dim() != tensor.dim()


def has_tangent(tensor: torch.Tensor) -> bool:
    """Whether it is a dual number of torch.autograd.forward_ad."""
    return forward_ad.unpack_dual(tensor).tangent is not None


def is_differentiated(tensor: torch.Tensor) -> bool:
    """Whether a derivative by the tensor may be asked for: backward, forward, or by a transform of torch.func."""
    if is_transformed(tensor) or has_tangent(tensor):
        return True
    return tensor.requires_grad and torch.is_grad_enabled()
