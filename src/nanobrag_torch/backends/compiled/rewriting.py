"""The same numbers by fewer or cheaper operations.

The rules are for programs whose last bits are free: those of a GPU, and those of float32 on a CPU. What else reads a
number that is not needed any more, a trace for one, still gets it.

- In the innermost loop a product of quotients is one quotient of two products: a quotient costs as much as ten
  products. The denominators of a kernel are far enough from the ends of the range of either type, see
  `SMALLEST_FRACTION` of `physics/interference.py`.
- In the loops over rays around it, quotients by one number are products with its reciprocal.

More are for a GPU, which has few units for float64. A root that several numbers of a ray are divided by, the length of
a vector, comes with its reciprocal, without the special cases of 0 and infinity: a quotient by 0 is no number either
way. And in the innermost loop:

- In a program of float32, a number is rounded by adding 1.5 * 2^52, around which the numbers of float64 are whole, and
  by taking that off again; the last bits of the sum are the whole number, an index for a table. A conversion costs as
  much as four sums. This is exact below 2^51, and the index is right below 2^31: `why_not_rounded`. A program of
  float64, which waits for its sums, converts.
- c in the place of x where |x| < c, for a tiny constant c, which keeps a quotient from 0/0: the upper half of the bits
  of x decides, and is what is replaced. That is within a millionth of c, and no arithmetic of float64.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch

from nanobrag_torch.backends.compiled.declared import Output
from nanobrag_torch.backends.compiled.lowering import (
    AT_LEAST,
    CEIL,
    CHOICE,
    LESS,
    LOW_WORD,
    PRODUCT,
    QUOTIENT,
    RECIPROCAL,
    RECIPROCAL_ROOT,
    ROOT,
    ROOT_OF,
    ROUND,
    ROUNDED,
    SHIFTED_UP,
    SIZE,
    SUBTRACTED,
    WHOLE,
)
from nanobrag_torch.backends.compiled.recorded import ORIENTATION, RAY, Number, rounded, value_of
from nanobrag_torch.backends.compiled.schedule import in_order

_BOTH = ORIENTATION | RAY
_SHIFT = 1.5 * 2.0**52
_TINY = 1e-11
_LARGEST = 2.0**31 - 2, 2.0**51  # of an index, with one for its rounding, and of what is rounded


def why_not_rounded(largest_hkl: float, most_cells: float) -> str | None:
    """Why a sum does not round all numbers; None if no Miller index, and no fraction times cells, is too large."""
    if not largest_hkl < _LARGEST[0]:
        return f"Miller indices may reach {largest_hkl:.3g}, and 32 bits count to 2147483647"
    return None if most_cells < _LARGEST[1] else f"{most_cells:.3g} cells along an axis, more than 2^51"


def for_device(
    device: str, outputs: list[list[Output]], labels: dict[int, str], watched: int, single: bool
) -> tuple[list[list[Output]], dict[int, str]]:
    """The outputs by new numbers, and the names of these; `single`: of a program of float32.

    The last `watched` outputs exist only for a trace; they do not change how the others are computed. Float64 on a CPU
    has the bytes of plain torch, so it stays as it is.
    """
    if device != "cpu":
        return for_gpu(outputs, labels, watched, single)
    return _by_rules(_Rules(_results(outputs, watched)), outputs, labels) if single else (outputs, labels)


def for_gpu(
    outputs: Sequence[Sequence[Output]], labels: dict[int, str], watched: int, single: bool
) -> tuple[list[list[Output]], dict[int, str]]:
    """As `for_device`, for a GPU."""
    return _by_rules(_RulesOfGpu(_results(outputs, watched), single), outputs, labels)


def _results(outputs: Sequence[Sequence[Output]], watched: int) -> list[Number]:
    return list(_numbers(outputs[: len(outputs) - watched]))


def _by_rules(
    rules: _Rules, outputs: Sequence[Sequence[Output]], labels: dict[int, str]
) -> tuple[list[list[Output]], dict[int, str]]:
    rewritten: dict[int, Number] = {}
    called: dict[int, str] = {}
    for number in in_order(_numbers(outputs)):
        rewritten[id(number)] = rules.rewritten(number, tuple(rewritten[id(one)] for one in number.arguments))
        if id(number) in labels:
            called.setdefault(id(rewritten[id(number)]), labels[id(number)])
    return [[_with(output, rewritten) for output in group] for group in outputs], called


def _numbers(outputs: Iterable[Sequence[Output]]) -> Iterator[Number]:
    """All that outputs depend on at once."""
    for group in outputs:
        for output in group:
            yield from output.numbers


def _with(output: Output, rewritten: dict[int, Number]) -> Output:
    place, last = (None if one is None else rewritten[id(one)] for one in (output.place, output.last))
    return replace(output, number=rewritten[id(output.number)], place=place, last=last)


def _is_of_ray(number: Number) -> bool:
    """Whether a number is a quotient of a loop over rays, outside that over orientations."""
    alike = number.expression == QUOTIENT and number.arguments[1].dtype == number.dtype
    return alike and number.dtype.is_floating_point and number.varies & _BOTH == RAY


class _Rules:
    """Other numbers for those that results depend on: fewer quotients."""

    def __init__(self, results: list[Number]):
        numbers = in_order(results)
        self._uses = Counter(id(argument) for number in numbers for argument in number.arguments)
        self._uses.update(map(id, results))
        self._divides = Counter(id(number.arguments[1]) for number in numbers if _is_of_ray(number))
        self._reciprocals: dict[int, Number] = {}

    def rewritten(self, number: Number, arguments: tuple[Number, ...]) -> Number:
        """What stands for a number, whose arguments have been rewritten already."""
        rule = self._innermost if number.varies & _BOTH == _BOTH else self._around
        new = rule(number, arguments)
        if new is not None:
            return new
        if all(one is known for one, known in zip(arguments, number.arguments, strict=True)):
            return number
        return replace(number, arguments=arguments)

    def _around(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        if _is_of_ray(number) and (self._divides[id(number.arguments[1])] > 1 or not arguments[1].varies & RAY):
            return _like(number, PRODUCT, arguments[0], self._reciprocal(arguments[1]))
        return None

    def _reciprocal(self, number: Number) -> Number:
        if id(number) not in self._reciprocals:
            self._reciprocals[id(number)] = _like(number, RECIPROCAL, number)
        return self._reciprocals[id(number)]

    def _innermost(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        if number.expression != PRODUCT or any(self._uses[id(argument)] != 1 for argument in number.arguments):
            return None
        if not all(one.expression == QUOTIENT and one.dtype == number.dtype for one in arguments):
            return None
        above, below = (_like(number, PRODUCT, *(one.arguments[i] for one in arguments)) for i in range(2))
        return _like(number, QUOTIENT, above, below)


class _RulesOfGpu(_Rules):
    """Besides, fewer conversions and less arithmetic of float64."""

    def __init__(self, results: list[Number], single: bool):
        super().__init__(results)
        self._single, self._shift = single, _constant(_SHIFT, torch.float64)

    def _innermost(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        new = self._rounded(number, arguments) or _away_from_zero(number, arguments)
        return new or super()._innermost(number, arguments)

    def _around(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        if number.expression == ROOT and self._divides[id(number)] > 1:
            inverse = _like(number, RECIPROCAL_ROOT, arguments[0])
            root = _like(number, ROOT_OF, arguments[0], inverse)
            self._reciprocals[id(root)] = inverse
            return root
        if _is_of_ray(number) and number.arguments[1].expression == PRODUCT:
            one, other = number.arguments[1].arguments
            if one is other and self._divides[id(one)] > 1:
                inverse = self._reciprocal(arguments[1].arguments[0])
                return _like(number, PRODUCT, arguments[0], _like(arguments[1], PRODUCT, inverse, inverse))
        return super()._around(number, arguments)

    def _reciprocal(self, number: Number) -> Number:
        constant = number.expression.startswith("#") and value_of(number) != 0
        return _constant(1.0 / value_of(number), number.dtype) if constant else super()._reciprocal(number)

    def _rounded(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        if not self._single or not arguments or arguments[0].dtype != torch.float64:
            return None
        (first, *_) = arguments
        if number.expression == CEIL:
            return _like(number, SUBTRACTED, _like(number, SHIFTED_UP, first, self._shift), self._shift)
        if number.expression == ROUND:
            return _like(number, ROUNDED, first, self._shift)
        shifted = first.arguments[0] if first.expression == SUBTRACTED else None
        if number.expression in WHOLE and shifted is not None and shifted.expression == SHIFTED_UP:
            return _like(number, LOW_WORD, shifted)
        return None


def _away_from_zero(number: Number, arguments: tuple[Number, ...]) -> Number | None:
    """c in the place of x where |x| < c."""
    if number.expression != CHOICE or number.dtype != torch.float64:
        return None
    condition, least, otherwise = arguments
    if condition.expression != LESS or condition.arguments[0].expression != SIZE:
        return None
    size, limit = condition.arguments
    constant = limit.expression.startswith("#") and limit.expression == least.expression
    if size.arguments[0] is otherwise and constant and 0 < value_of(limit) < _TINY:
        return _like(number, AT_LEAST, otherwise, limit)
    return None


def _constant(value: float, dtype: torch.dtype) -> Number:
    return Number(f"#{rounded(value, dtype).hex()}", (), dtype, 0)


def _like(number: Number, expression: str, *arguments: Number) -> Number:
    return Number(expression, arguments, number.dtype, number.varies)
