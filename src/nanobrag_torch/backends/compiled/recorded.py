"""What a recording consists of: numbers, tables that numbers are looked up in, and what is known of torch's tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

ORIENTATION, RAY, SAMPLE, SOURCE = 1, 2, 4, 8
TERMS = SAMPLE | SOURCE  # loops around the one over orientations


class Unrecordable(Exception):
    """The function does something that expressions of single numbers cannot represent."""


@dataclass(frozen=True, eq=False)
class Number:
    """One number of the computation: a C expression of other numbers, `{0}`, `{1}`, ..."""

    expression: str
    arguments: tuple[Number, ...]
    dtype: torch.dtype
    varies: int  # with ORIENTATION, RAY, SAMPLE, SOURCE: their sum; 0: with none of them
    total: bool = False  # the sum of its argument over all orientations
    table: str | None = None  # where its argument is the index of
    carried: str = ""  # from one sample and source to the next: "begun" with its argument, or "done"; see `carry`


class Table:
    """A tensor of any size that single numbers are looked up in."""

    def __init__(self, name: str):
        self.name = name


@dataclass(frozen=True)
class Added:
    """A tensor of the size of a table, 0 but for numbers that are added at places computed from numbers."""

    terms: tuple[tuple[Number, Number], ...]  # place and number


def rounded(value: float, dtype: torch.dtype) -> float:
    """A number, rounded to the type."""
    return float(torch.tensor(value, dtype=dtype))


def is_zero(number: Number) -> bool:
    """Whether a number is the constant 0."""
    return number.expression.startswith("#") and value_of(number) == 0


def value_of(constant: Number) -> float:
    """The value of a constant."""
    text = constant.expression[1:]
    return float.fromhex(text) if constant.dtype.is_floating_point else int(text)


C_TYPES = {
    torch.float64: "double",
    torch.float32: "float",
    torch.int64: "int64_t",
    torch.int32: "int32_t",
    torch.bool: "bool",
}


def address(tensor: torch.Tensor) -> int:
    """What identifies a tensor's storage while it lives."""
    identity: int = tensor.untyped_storage()._cdata
    return identity


def positions(tensor: torch.Tensor) -> list[int]:
    """The position of each element of a tensor in its storage."""
    size = tensor.untyped_storage().nbytes() // tensor.element_size()
    return torch.arange(size).as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()).reshape(-1).tolist()


def dtype_of(operand: float | int | bool) -> torch.dtype:
    """The type of a Python number as an operand."""
    if isinstance(operand, bool):
        return torch.bool
    return torch.int64 if isinstance(operand, int) else torch.float64


def common_dtype(operands: Iterable[Any]) -> torch.dtype:
    """The type of a result of two operands."""
    first, second = operands
    return torch.result_type(first, second)


def flat(parts: Iterable[Any]) -> Iterable[Any]:
    """The members of lists and tuples within each other, one after the other."""
    for part in parts:
        if isinstance(part, list | tuple):
            yield from flat(part)
        else:
            yield part
