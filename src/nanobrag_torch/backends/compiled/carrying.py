"""Numbers that go from one pass of a program's loops over samples or sources to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from nanobrag_torch.backends.compiled.capture import Recorder
from nanobrag_torch.backends.compiled.recorded import RAY, Number
from nanobrag_torch.backends.compiled.schedule import in_order


class Sum(NamedTuple):
    """A sum over all passes: what it begins with, what a pass adds to it, and what it has become after all."""

    start: torch.Tensor
    added: torch.Tensor
    total: torch.Tensor


class Carrier:
    """While one pass is recorded, what it takes over from the pass before, and what has become of it after all."""

    def __init__(self, recorder: Recorder, over: int):
        """`over`: the loops, SAMPLE, SOURCE or both."""
        self._recorder, self._over = recorder, over
        self.sums: list[Sum] = []  # on which results depend linearly, for derivatives

    def carry(self, start: torch.Tensor) -> torch.Tensor:
        """What begins as these numbers and is in each pass what the last one made of it."""
        varies = RAY | self._over
        numbers = self._recorder.numbers_of(start)
        begun = [Number("{0}", (number,), number.dtype, varies, carried="begun") for number in numbers]
        return self._recorder.held(begun, start)

    def carried(self, begun: Sequence[torch.Tensor], following: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """What has become of all that was carried, after all passes; `following`: of each after one."""
        pairs: dict[Number, Number] = {}
        numbers_of, held = self._recorder.numbers_of, self._recorder.held
        for before, after in zip(begun, following, strict=True):
            pairs.update(zip(numbers_of(before), numbers_of(after), strict=True))
        done = [held([_done(number, pairs) for number in numbers_of(before)], before) for before in begun]
        for one in done:
            one.requires_grad_(torch.is_grad_enabled() and one.is_floating_point())
        return done


def _done(begun: Number, pairs: Mapping[Number, Number]) -> Number:
    """What a carried number is after all passes: it depends on what follows it, and on what follows those it needs."""
    needed = {begun: pairs[begun]}
    waiting = [begun]
    while waiting:
        for number in in_order([pairs[waiting.pop()]]):
            if number in pairs and number not in needed:
                needed[number] = pairs[number]
                waiting.append(number)
    arguments = tuple(number for pair in needed.items() for number in pair)
    return Number("{0}", arguments, begun.dtype, RAY, carried="done")
