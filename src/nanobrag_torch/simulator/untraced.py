"""Functions that torch.compile calls as they stand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
Result = TypeVar("Result")


def not_traced(function: Callable[P, Result]) -> Callable[P, Result]:
    """The function, which torch.compile calls as it stands: an image takes numbers from tensors, threads, and C."""

    @functools.wraps(function)
    def called(*arguments: P.args, **keywords: P.kwargs) -> Result:
        if torch.compiler.is_dynamo_compiling():
            untraced: Callable[P, Result] = torch.compiler.disable(function)
            return untraced(*arguments, **keywords)
        return function(*arguments, **keywords)

    return called
