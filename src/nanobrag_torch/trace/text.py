"""How traced values are written: the only place where a traced number leaves its device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import torch

PREFIX = "TRACE_PY"

Show = Callable[[str, Any], Any]  # computed while printing, from values that hooks may have changed
Reading = Callable[[torch.Tensor], torch.Tensor]
reading: ContextVar[Reading] = ContextVar("reading", default=torch.Tensor.detach)


def read(value: torch.Tensor) -> Any:
    return reading.get()(value).tolist()


def numbers(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return " ".join(format(v, ".15g") for v in read(value.reshape(-1)))
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable):
        return " ".join(numbers(v) for v in value)
    return str(value) if isinstance(value, int) else format(value, ".15g")


def integers(values: Iterable[float]) -> str:
    return " ".join(str(int(v)) for v in values)


def setup_line(key: str, value: Any) -> str:
    return f"{PREFIX}:{key}={numbers(value)}"


def pixel_line(key: str, value: Any) -> str:
    return f"{PREFIX}: {key} {numbers(value)}"


def labelled(pairs: dict[str, torch.Tensor]) -> str:
    return " ".join(f"{label}:{numbers(value)}" for label, value in pairs.items())


def matrix(matrix: torch.Tensor) -> str:
    return "[" + "; ".join(numbers(row) for row in matrix) + "]"
