"""Operations of torch as expressions of C, and operations that compute nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch

Template = Callable[[torch.dtype], str]


def _plain(template: str) -> Template:
    return lambda dtype: template


def _function(name: str) -> Template:
    """A function of math.h, whose name ends with f for single precision."""
    return lambda dtype: f"{name}{'f' if dtype == torch.float32 else ''}({{0}})"


def _whole(template: str) -> Template:
    """Of whole numbers: torch has a rule of its own for what is not a number."""

    def checked(dtype: torch.dtype) -> str:
        if dtype.is_floating_point:
            raise KeyError(f"{template} of {dtype}")
        return template

    return checked


PRODUCT = "({0} * {1})"
QUOTIENT = "({0} / {1})"
RECIPROCAL = "(1 / {0})"
SUBTRACTED = "({0} - {1})"
CHOICE = "({0} ? {1} : {2})"
LESS = "({0} < {1})"
# of float64
SIZE, CEIL, ROUND = "fabs({0})", "ceil({0})", "rint({0})"
WHOLE = ("(int32_t){0}", "(index_t){0}")
# In CUDA alone: {1} is 1.5 * 2^52 for the first three, which leaves the whole number in the last bits of the first.
SHIFTED_UP, ROUNDED, LOW_WORD = "SHIFTED_UP({0}, {1})", "ROUNDED({0}, {1})", "LOW_WORD({0})"
AT_LEAST = "AT_LEAST({0}, {1})"
ROOT = "sqrt({0})"
RECIPROCAL_ROOT, ROOT_OF = "RECIPROCAL_ROOT({0})", "ROOT({0}, {1})"  # the second by the first
OPERATIONS: dict[str, Template] = {
    "add": _plain("({0} + {1})"),
    "sub": _plain(SUBTRACTED),
    "rsub": _plain("({1} - {0})"),
    "mul": _plain(PRODUCT),
    "div": _plain(QUOTIENT),
    "addcmul": _plain("({0} + {1} * {2})"),
    "neg": _plain("(-{0})"),
    "reciprocal": _plain(RECIPROCAL),
    "sgn": _plain("(({0} > 0) - ({0} < 0))"),
    "sign": _plain("(({0} > 0) - ({0} < 0))"),
    "where": _plain(CHOICE),
    "logical_and": _plain("({0} && {1})"),
    "logical_or": _plain("({0} || {1})"),
    "logical_not": _plain("(!{0})"),
    "bitwise_and": _plain("({0} & {1})"),
    "bitwise_or": _plain("({0} | {1})"),
    "bitwise_not": _plain("(!{0})"),
    "sqrt": _function("sqrt"),
    "exp": _function("exp"),
    "sin": _function("sin"),
    "cos": _function("cos"),
    "ceil": _function("ceil"),
    "floor": _function("floor"),
    "round": _function("rint"),
    "abs": _function("fabs"),
    "minimum": _whole("({0} < {1} ? {0} : {1})"),
    "maximum": _whole("({0} > {1} ? {0} : {1})"),
    "floor_divide": _whole("({0} / {1})"),  # of counts, which are not negative
    "remainder": _whole("({0} % {1})"),
}
COMPARISONS: dict[str, Template] = {
    "eq": _plain("({0} == {1})"),
    "ne": _plain("({0} != {1})"),
    "lt": _plain(LESS),
    "le": _plain("({0} <= {1})"),
    "gt": _plain("({0} > {1})"),
    "ge": _plain("({0} >= {1})"),
}
REDUCTIONS = {"sum": "add", "prod": "mul", "all": "logical_and", "any": "logical_or"}
# Numbers are added to a table of zeros.
SCATTERS = frozenset(("scatter_add", "index_put"))
# The result holds elements of the arguments, and zeros.
MOVES = frozenset(
    (
        "clone",
        "cat",
        "stack",
        "flip",
        "roll",
        "repeat",
        "select_backward",
        "slice_backward",
        "expand",
        "reshape",
        "_unsafe_view",
    )
)
# The result does not depend on any number of the computation.
CONSTANTS = frozenset(
    (
        *("full", "full_like", "ones", "ones_like", "zeros", "zeros_like", "new_zeros", "new_ones", "new_full"),
        *("arange", "scalar_tensor", "lift_fresh", "lift_fresh_copy", "empty", "empty_like"),
    )
)
