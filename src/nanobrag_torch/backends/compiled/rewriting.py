"""The same numbers by fewer or cheaper operations, for a processor that has few units for float64.

The rules are for float64. What else reads a number that is not needed any more, a trace for one, still gets it.

- A quotient by what is the same for all rays is a product with a reciprocal, which is worked out once; so are several
  quotients by the same number of a ray. The last bit may differ.
- A root that is divided by more than once, the length of a vector, comes with its reciprocal, without the special
  cases of 0 and infinity: a quotient by 0 is no number either way.

The others are for numbers of the innermost loop.

- A product of quotients is one quotient of two products: a quotient costs as much as ten products. The denominators of
  a kernel are far from the ends of float64's range (in float32 the product of three of the smallest would be 0).
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
from nanobrag_torch.backends.compiled.recorded import ORIENTATION, RAY, Number, value_of
from nanobrag_torch.backends.compiled.schedule import Output, in_order

_BOTH = ORIENTATION | RAY
_SHIFT = Number(f"#{(1.5 * 2.0**52).hex()}", (), torch.float64, 0)
_TINY = 1e-15
_LARGEST = 2.0**31 - 2, 2.0**51  # of an index, with one for its rounding, and of what is rounded


def why_not_rounded(largest_hkl: float, most_cells: float) -> str | None:
    """Why a sum does not round all numbers; None if no Miller index, and no fraction times cells, is too large."""
    if not largest_hkl < _LARGEST[0]:
        return f"Miller indices may reach {largest_hkl:.3g}, and 32 bits count to 2147483647"
    return None if most_cells < _LARGEST[1] else f"{most_cells:.3g} cells along an axis, more than 2^51"


def for_gpu(
    outputs: Sequence[Sequence[Output]], labels: dict[int, str], watched: int, single: bool
) -> tuple[list[list[Output]], dict[int, str]]:
    """The outputs by new numbers, and the names of these; `single`: of a program of float32.

    The last `watched` outputs exist only for a trace; they do not change how the others are computed.
    """
    results = list(_numbers(outputs[: len(outputs) - watched]))
    uses = Counter(id(argument) for number in in_order(results) for argument in number.arguments)
    uses.update(map(id, results))
    rewritten: dict[int, Number] = {}
    called: dict[int, str] = {}
    rules = _Rules(uses, _divisors(results), single)
    for number in in_order(_numbers(outputs)):
        rewritten[id(number)] = rules.rewritten(number, tuple(rewritten[id(one)] for one in number.arguments))
        if id(number) in labels:
            called.setdefault(id(rewritten[id(number)]), labels[id(number)])
    return [[_with(output, rewritten) for output in group] for group in outputs], called


def _numbers(outputs: Iterable[Sequence[Output]]) -> Iterator[Number]:
    """All that outputs depend on at once."""
    for group in outputs:
        for output in group:
            yield from (output.number,) if output.place is None else (output.number, output.place)


def _with(output: Output, rewritten: dict[int, Number]) -> Output:
    position = None if output.place is None else rewritten[id(output.place)]
    return replace(output, number=rewritten[id(output.number)], place=position)


def _divisors(results: Sequence[Number]) -> Counter[int]:
    """How many numbers of a ray are divided by each number of a ray."""
    quotients = (number for number in in_order(results) if _is_quotient_of_ray(number))
    return Counter(id(quotient.arguments[1]) for quotient in quotients)


def _is_quotient_of_ray(number: Number) -> bool:
    of_ray = number.varies & _BOTH == RAY
    return of_ray and number.expression == QUOTIENT and number.dtype == torch.float64


class _Rules:
    """Other numbers for recorded ones."""

    def __init__(self, uses: Counter[int], divisors: Counter[int], single: bool):
        self._uses, self._divisors, self._single = uses, divisors, single
        self._reciprocals: dict[int, Number] = {}  # by the id of what is divided by, rewritten

    def rewritten(self, number: Number, arguments: tuple[Number, ...]) -> Number:
        """What stands for a number, whose arguments have been rewritten already."""
        new = None
        if number.varies & _BOTH == _BOTH:
            new = self._rounded(number, arguments) or _away_from_zero(number, arguments)
            new = new or self._one_quotient(number, arguments)
        elif _is_quotient_of_ray(number):
            new = self._product(number, arguments)
        elif number.expression == ROOT and self._divisors[id(number)] > 1 and number.dtype == torch.float64:
            new = self._root(number, arguments[0])
        if new is not None:
            return new
        if all(one is known for one, known in zip(arguments, number.arguments, strict=True)):
            return number
        return replace(number, arguments=arguments)

    def _product(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        """A product with a reciprocal that is there for other numbers too."""
        divided, by = arguments
        recorded = number.arguments[1]
        if by.expression.startswith("#"):
            inverse = Number(f"#{(1.0 / value_of(by)).hex()}", (), by.dtype, 0) if value_of(by) else None
            return None if inverse is None else _like(number, PRODUCT, divided, inverse)
        root = recorded.arguments[0] if recorded.expression == PRODUCT else recorded
        if recorded.expression == PRODUCT and root is recorded.arguments[1] and self._divisors[id(root)] > 1:
            inverse = self._reciprocal(by.arguments[0])
            return _like(number, PRODUCT, divided, _like(by, PRODUCT, inverse, inverse))
        if by.varies & RAY and self._divisors[id(recorded)] < 2:
            return None
        return _like(number, PRODUCT, divided, self._reciprocal(by))

    def _reciprocal(self, number: Number) -> Number:
        return self._reciprocals.setdefault(id(number), _like(number, RECIPROCAL, number))

    def _root(self, number: Number, square: Number) -> Number:
        inverse = _like(number, RECIPROCAL_ROOT, square)
        root = _like(number, ROOT_OF, square, inverse)
        self._reciprocals[id(root)] = inverse
        return root

    def _one_quotient(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        if number.expression != PRODUCT or number.dtype != torch.float64:
            return None
        single = all(self._uses[id(argument)] == 1 for argument in number.arguments)
        if not single or not all(one.expression == QUOTIENT for one in arguments):
            return None
        above, below = (_like(number, PRODUCT, *(one.arguments[i] for one in arguments)) for i in range(2))
        return _like(number, QUOTIENT, above, below)

    def _rounded(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        if not self._single or not arguments or arguments[0].dtype != torch.float64:
            return None
        (first, *_) = arguments
        if number.expression == CEIL:
            return _like(number, SUBTRACTED, _like(number, SHIFTED_UP, first, _SHIFT), _SHIFT)
        if number.expression == ROUND:
            return _like(number, ROUNDED, first, _SHIFT)
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


def _like(number: Number, expression: str, *arguments: Number) -> Number:
    return Number(expression, arguments, number.dtype, number.varies)
