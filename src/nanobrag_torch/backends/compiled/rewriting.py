"""The same numbers by fewer operations: a product of quotients as one quotient of two products.

A quotient costs as much as ten products. The rule is for float64 alone, where the denominators of a kernel are far from
the ends of the range (in float32 the product of three of the smallest would be 0), and for numbers of the innermost
loop. What else reads such a quotient, a trace for one, still gets it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch

from nanobrag_torch.backends.compiled.lowering import PRODUCT, QUOTIENT
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
    uses = Counter(id(argument) for number in in_order(results) for argument in number.arguments)
    uses.update(map(id, results))
    rewritten: dict[int, Number] = {}
    called: dict[int, str] = {}
    for number in in_order(_numbers(outputs)):
        rewritten[id(number)] = _rewritten(number, rewritten, uses)
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


def _rewritten(number: Number, rewritten: dict[int, Number], uses: Counter[int]) -> Number:
    arguments = tuple(rewritten[id(argument)] for argument in number.arguments)
    if number.expression == PRODUCT and number.dtype == torch.float64 and number.varies & _BOTH == _BOTH:
        single = all(uses[id(argument)] == 1 for argument in number.arguments)
        if single and all(one.expression == QUOTIENT for one in arguments):
            above, below = (
                Number(PRODUCT, tuple(one.arguments[i] for one in arguments), number.dtype, number.varies)
                for i in range(2)
            )
            return Number(QUOTIENT, (above, below), number.dtype, number.varies)
    if all(one is known for one, known in zip(arguments, number.arguments, strict=True)):
        return number
    return replace(number, arguments=arguments)
