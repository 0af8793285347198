"""The tensors of an experiment, in the order of its fields: taken out, and others put in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch.autograd import forward_ad

Part = TypeVar("Part")


def tensors_of(part: Any) -> list[torch.Tensor]:
    """Every tensor in a dataclass or tuple of `parameters`, at any depth."""
    tensors: list[torch.Tensor] = []
    _collect(part, tensors)
    return tensors


_PLAIN = frozenset((float, int, bool, str, type(None), frozenset))


def _collect(part: Any, tensors: list[torch.Tensor]) -> None:
    if isinstance(part, torch.Tensor):
        tensors.append(part)
    elif isinstance(part, tuple):
        for item in part:
            if type(item) not in _PLAIN:
                _collect(item, tensors)
    elif is_dataclass(part):
        for value in vars(part).values():  # in the order of the fields
            if type(value) not in _PLAIN:
                _collect(value, tensors)


def with_tensors(part: Part, tensors: Sequence[torch.Tensor], checked: bool = False) -> Part:
    """The same with other tensors, as many as `tensors_of` finds; `checked`: their values are those that were there."""
    filled: Part = _filled(part, iter(tensors), with_fields if checked else replace)
    return filled


def _filled(part: Any, tensors: Iterator[torch.Tensor], made: Callable[..., Any]) -> Any:
    if isinstance(part, torch.Tensor):
        return next(tensors)
    if isinstance(part, tuple):
        return tuple(item if type(item) in _PLAIN else _filled(item, tensors, made) for item in part)
    if not is_dataclass(part) or isinstance(part, type):
        return part
    values = {name: value for name, value in vars(part).items() if type(value) not in _PLAIN}
    changed = {name: _filled(value, tensors, made) for name, value in values.items()}
    changed = {name: value for name, value in changed.items() if value is not values[name]}
    return made(part, **changed) if changed else part


def with_fields(part: Part, **changed: Any) -> Part:
    """As `dataclasses.replace`, without the checks of a new one."""
    made = object.__new__(type(part))
    made.__dict__.update(vars(part) | changed)
    return made


class Same:
    """A key of a cache that stands for one object, whatever is equal to it; the object stays as long as its key."""

    __slots__ = ("one",)

    def __init__(self, one: Any):
        self.one = one

    def __hash__(self) -> int:
        return id(self.one)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.one is self.one


def is_plain(part: Any) -> bool:
    """Whether a dataclass of `parameters` holds nothing but numbers, texts and tuples of these, so cannot change."""
    return all(
        type(value) in _PLAIN or (type(value) is tuple and all(type(item) in _PLAIN for item in value))
        for value in vars(part).values()
    )


def versions(tensors: Sequence[torch.Tensor]) -> list[int]:
    """How often each tensor has been changed in place; tensors of inference mode do not count it."""
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]


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
