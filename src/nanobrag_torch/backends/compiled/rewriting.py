"""The same numbers by fewer quotients, each of which costs as much as ten products.

In the innermost loop a product of quotients becomes one quotient of two products: the denominators of a kernel are far
enough from the ends of the range of float32 for that (`SMALLEST_FRACTION` of `physics/interference.py`). What else
reads such a quotient, a trace for one, still gets it. In the loops over rays around it, quotients by one number become
products with its reciprocal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nanobrag_torch.backends.compiled.lowering import PRODUCT, QUOTIENT, RECIPROCAL
from nanobrag_torch.backends.compiled.recorded import ORIENTATION, RAY, Number
from nanobrag_torch.backends.compiled.schedule import Output, in_order

_BOTH = ORIENTATION | RAY


def with_fewer_quotients(
    outputs: Sequence[Sequence[Output]], labels: dict[int, str], watched: int
) -> tuple[list[list[Output]], dict[int, str]]:
    """The outputs by new numbers, and the names of these.

    The last `watched` outputs exist only for a trace; they do not change how the others are computed.
    """
    results = list(_numbers(outputs[: len(outputs) - watched]))
    rewriting = _Rewriting(results)
    called: dict[int, str] = {}
    for number in in_order(_numbers(outputs)):
        rewritten = rewriting.add(number)
        if id(number) in labels:
            called.setdefault(id(rewritten), labels[id(number)])
    return [[_with(output, rewriting.of) for output in group] for group in outputs], called


def _numbers(outputs: Iterable[Sequence[Output]]) -> Iterator[Number]:
    """All that outputs depend on at once."""
    for group in outputs:
        for output in group:
            yield from (output.number,) if output.place is None else (output.number, output.place)


def _with(output: Output, rewritten: dict[int, Number]) -> Output:
    position = None if output.place is None else rewritten[id(output.place)]
    return replace(output, number=rewritten[id(output.number)], place=position)


def _is_of_ray(number: Number) -> bool:
    """Whether a number is a quotient of a loop over rays, outside that over orientations."""
    alike = number.expression == QUOTIENT and number.arguments[1].dtype == number.dtype
    return alike and number.dtype.is_floating_point and number.varies & _BOTH == RAY


class _Rewriting:
    """New numbers for those that results depend on, by the ids of these."""

    def __init__(self, results: Iterable[Number]):
        results = list(results)
        numbers = in_order(results)
        self.of: dict[int, Number] = {}
        self._uses = Counter(id(argument) for number in numbers for argument in number.arguments)
        self._uses.update(map(id, results))
        divisors = [number.arguments[1] for number in numbers if _is_of_ray(number)]
        self._divides = Counter(map(id, divisors))
        self._reciprocals: dict[int, Number] = {}

    def add(self, number: Number) -> Number:
        """The new number, of whose arguments the new ones are known."""
        arguments = tuple(self.of[id(argument)] for argument in number.arguments)
        same = all(one is known for one, known in zip(arguments, number.arguments, strict=True))
        new = self._quotient(number, arguments) or (number if same else replace(number, arguments=arguments))
        self.of[id(number)] = new
        return new

    def _quotient(self, number: Number, arguments: tuple[Number, ...]) -> Number | None:
        if _is_of_ray(number):
            above, below = arguments
            if self._divides[id(number.arguments[1])] > 1 or not below.varies & RAY:
                return Number(PRODUCT, (above, self._reciprocal(below)), number.dtype, number.varies)
        elif number.expression == PRODUCT and number.varies & _BOTH == _BOTH:
            single = all(self._uses[id(argument)] == 1 for argument in number.arguments)
            if single and all(one.expression == QUOTIENT and one.dtype == number.dtype for one in arguments):
                pairs = zip(*(one.arguments for one in arguments), strict=True)
                above, below = (Number(PRODUCT, pair, number.dtype, number.varies) for pair in pairs)
                return Number(QUOTIENT, (above, below), number.dtype, number.varies)
        return None

    def _reciprocal(self, number: Number) -> Number:
        known = self._reciprocals.get(id(number))
        if known is None:
            known = self._reciprocals[id(number)] = Number(RECIPROCAL, (number,), number.dtype, number.varies)
        return known
