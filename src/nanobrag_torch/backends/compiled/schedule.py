"""Which loop each recorded number belongs to, and the statements of those loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from nanobrag_torch.backends.compiled.lowering import PRODUCT, QUOTIENT, RECIPROCAL
from nanobrag_torch.backends.compiled.recorded import (
    C_TYPES,
    ORIENTATION,
    RAY,
    SAMPLE,
    SOURCE,
    TERMS,
    Number,
    Unrecordable,
)

_BOTH = ORIENTATION | RAY
_ONCE = ("uniform", "sample", "source", "orientation")
_OVER_RAYS = ("before", "of_sample", "of_source", "pair", "found", "after", "finally")
_INNERMOST = ("pair", "found")
_REMEMBERED = 4  # so many lookups are left out where the index is that of the orientation before
_INNER = {QUOTIENT: "QUOTIENT({0}, {1})", RECIPROCAL: "RECIPROCAL({0})"}  # a language may have faster ones for there


@dataclass(frozen=True)
class Input:
    """A tensor that a program reads: by element, by component and ray, by orientation, by source, or by index."""

    name: str
    dtype: torch.dtype
    varies: int
    elements: int = 1  # of each ray, of each orientation or source, or in all; any number in a table
    table: bool = False
    padding: str = "first"  # what stands in for rays after the last: the first ray of the block, or "zero"


@dataclass(frozen=True)
class Output:
    """A number that a program writes: for every ray, or its sum over all dimensions that `varies` does not name."""

    name: str
    number: Number
    varies: int
    place: Number | None = None  # in a table, to which the number of every ray and orientation is added there


class Loops:
    """The statements of each loop, as lines of C.

    `uniform`: once; `before`: for each ray; `orientation`: for each orientation; `pair`: for each of both; `found`:
    likewise, with what was looked up in a table; `after`: for each ray once its totals over all orientations are known.
    With loops over samples or sources around that over orientations, `sample` and `source` are once in them,
    `of_sample` and `of_source` for each ray in them; `after` is in them too, and `finally` for each ray after them.
    What a pass of these loops has computed is known there as the last pass left it.
    """

    def __init__(
        self,
        inputs: Iterable[Input],
        outputs: Iterable[Output],
        labels: Mapping[int, str] | None = None,
        over: int = 0,
    ):
        """`labels`: the C names of numbers, by their id; other numbers are numbered. `over`: SAMPLE, SOURCE or both."""
        self.lines: dict[str, list[str]] = {n: [] for n in (*_ONCE, *_OVER_RAYS)}
        self.shared: dict[str, str] = {}  # numbers of `uniform` that other loops read: type by name
        self.arrays: dict[str, str] = {}  # of numbers that one loop over the rays leaves to another: type by name
        self.totals: list[str] = []  # arrays that begin at 0 for each loop over orientations
        self.following: list[str] = []  # what carried numbers become, at the end of a pass
        self._last = "finally" if over else "after"
        self.seen: list[str] = []  # arrays of the indices that were looked up last
        self.lookups: list[str] = []  # between `pair` and `found`
        self.products: dict[str, tuple[str, str]] = {}  # by output: the arrays whose product is summed over rays
        self.scatters: dict[str, str] = {}  # by output: the array of the places that its numbers are added at
        self.constants: dict[str, int] = {}  # of the innermost loops, float64: their places
        self._inputs = {declared.name: declared for declared in inputs}
        self._home: dict[int, str] = {}
        self._name: dict[int, str] = {}
        self._labels = labels or {}
        self._conditions: set[str] = set()
        self._loaded: dict[str, set[str]] = {name: set() for name in _OVER_RAYS}
        outputs = list(outputs)
        ordered = in_order(
            number for declared in outputs for number in (declared.number, declared.place) if number is not None
        )
        self.lookups_of_pair = sum(number.table is not None for number in ordered)
        self._remembered = self.lookups_of_pair <= _REMEMBERED
        for number in ordered:
            self._settle(number)
        for declared in outputs:
            self._hand_on(declared)

    def _settle(self, number: Number) -> None:
        """Choose the loop of a number and write its statement there; its arguments' statements are written already."""
        home = self._home[id(number)] = self._home_of(number)
        if number.expression.startswith("#"):
            return
        if number.total:
            name = self._total(number)
        elif number.carried:
            name = self._carried(number)
        elif home == "found" and number.table:
            name = self._look_up(number)
        else:
            arguments = [self._use(argument, home) for argument in number.arguments]
            name = self._new_name(number)
            expression = number.expression
            expression = _INNER.get(expression, expression) if home in _INNERMOST else expression
            value = expression.format(*arguments) if arguments else self._read(number)
            self.lines[home].append(f"const {C_TYPES[number.dtype]} {name} = {value};")
        self._name[id(number)] = name

    def _home_of(self, number: Number) -> str:
        homes = {self._home[id(argument)] for argument in number.arguments}
        if number.carried == "begun":
            return "carried"
        if number.carried or "finally" in homes:
            return "finally"
        if number.total or "after" in homes:
            if number.varies & ORIENTATION:
                raise Unrecordable("a second loop over the orientations")
            return "after"
        if number.varies & _BOTH == _BOTH:
            return "found" if (number.table and self._remembered) or "found" in homes else "pair"
        around = "source" if number.varies & SOURCE else "sample" if number.varies & SAMPLE else ""
        if number.varies & RAY:
            return f"of_{around}" if around else "before"
        return "orientation" if number.varies & ORIENTATION else around or "uniform"

    def _use(self, number: Number, loop: str) -> str:
        """The C expression of a number inside a loop."""
        if number.expression.startswith("#"):
            return self._constant(number, loop)
        home, name = self._home[id(number)], self._name[id(number)]
        if home == "uniform" and loop != "uniform":
            self.shared[name] = C_TYPES[number.dtype]
            return self._condition(name) if number.dtype == torch.bool else name
        if home == "carried" or (home in _OVER_RAYS and home != loop):
            return self._across(number, loop)
        if loop == "finally" and home in ("sample", "source"):
            raise Unrecordable("a number of one sample or source after the loop over all of them")
        return name

    def _constant(self, number: Number, loop: str) -> str:
        """A constant; one of the innermost loops has a place of its own in memory too, for languages that want it."""
        text = _literal(number)
        if loop not in _INNERMOST or number.dtype != torch.float64:
            return text
        return f"K({self.constants.setdefault(text, len(self.constants))}, {text})"

    def _new_name(self, number: Number) -> str:
        return self._labels.get(id(number), f"v{len(self._name)}")

    def _total(self, number: Number) -> str:
        """The sum of a number over the orientations."""
        (term,) = number.arguments
        loop = self._home[id(term)]
        name, kind = self._new_name(number), C_TYPES[number.dtype]
        self.arrays[f"{name}_at"] = kind
        self.totals.append(f"{name}_at")
        self.lines[loop].append(f"{name}_at[l] += {self._use(term, loop)};")
        self.lines["after"].append(f"const {kind} {name} = {name}_at[l];")
        return name

    def _carried(self, number: Number) -> str:
        """A number that goes from pass to pass, or what has become of it after the last."""
        name, kind = self._new_name(number), C_TYPES[number.dtype]
        if number.carried == "begun":
            self.arrays[f"{name}_at"] = kind
            self.lines["before"].append(f"{name}_at[l] = {self._use(number.arguments[0], 'before')};")
            return name
        for begun, following in zip(number.arguments[::2], number.arguments[1::2], strict=True):
            line = f"{self._name[id(begun)]}_at[l] = {self._use(following, 'after')};"
            if line not in self.following:
                self.following.append(line)
        self.lines["finally"].append(f"const {kind} {name} = {self._name[id(number.arguments[0])]}_at[l];")
        return name

    def _look_up(self, number: Number) -> str:
        """A number from a table, looked up only where another index than at the orientation before is asked for."""
        (index,) = number.arguments
        name, kind = self._new_name(number), C_TYPES[number.dtype]
        self.arrays |= {f"{name}_at": kind, f"{name}_index": "index_t", f"{name}_seen": "index_t"}
        self.seen.append(f"{name}_seen")
        self.lines["pair"].append(f"{name}_index[l] = {self._use(index, 'pair')};")
        self.lookups.append(f"LOOK_UP({name}_at, {number.table}, {name}_index, {name}_seen);")
        self.lines["found"].append(f"const {kind} {name} = {name}_at[l];")
        return name

    def _condition(self, name: str) -> str:
        """A condition that is the same for all rays, as numbers: a plain one keeps compilers from making vectors."""
        if name not in self._conditions:
            self._conditions.add(name)
            self.lines["uniform"].append(f"SAME_FOR_ALL({name});")
        return f"IS({name})"

    def _across(self, number: Number, loop: str) -> str:
        """A number of an earlier loop, through an array."""
        if loop in ("after", "finally") and self._home[id(number)] in _INNERMOST:
            raise Unrecordable("a number of one orientation after the loop over all of them")
        name, array = self._name[id(number)], self._array(number)
        if name not in self._loaded[loop]:
            self._loaded[loop].add(name)
            self.lines[loop].append(f"const {C_TYPES[number.dtype]} {name} = {array}[l];")
        return name

    def _array(self, number: Number) -> str:
        """The array that holds a number of one loop for another."""
        name = self._name[id(number)]
        if f"{name}_at" not in self.arrays:
            self.arrays[f"{name}_at"] = C_TYPES[number.dtype]
            self.lines[self._home[id(number)]].append(f"{name}_at[l] = {name};")
        return f"{name}_at"

    def _array_over_rays(self, number: Number, name: str) -> str:
        """The array of a number of rays; one called `name` of a number that is the same for all, as a slope of 0 is."""
        if self._home[id(number)] in _OVER_RAYS:
            return self._array(number)
        self.arrays[name] = C_TYPES[number.dtype]
        loop = "pair" if number.varies & ORIENTATION else "before"
        self.lines[loop].append(f"{name}[l] = {self._use(number, loop)};")
        return name

    def _read(self, number: Number) -> str:
        if "[" not in number.expression:  # the counter of a loop
            return number.expression
        name, position = number.expression.rstrip("]").split("[")
        declared = self._inputs[name]
        if declared.varies == RAY:
            return f"{name}_{position}[l]"
        counter = {ORIENTATION: "orientation", SOURCE: "source"}.get(declared.varies)
        first = f"(int64_t){counter} * {declared.elements} + " if counter else ""
        return f"{name}[{first}{position}]"

    def _hand_on(self, output: Output) -> None:
        """Write what becomes of a number, in the loop where it is known."""
        number, name = output.number, output.name
        if output.place is not None:
            self._scatter(name, number, output.place)
        elif output.varies & ~TERMS == RAY:
            loop = "after" if output.varies & TERMS else self._last
            self.lines[loop].append(f"{name}_at[l] = {self._use(number, loop)};")
            self.arrays[f"{name}_at"] = C_TYPES[number.dtype]
        elif output.varies & ~TERMS == _BOTH:
            home = self._home[id(number)]
            loop = home if home == "found" else "pair"
            self.lines[loop].append(f"{name}_at[l] = {self._use(number, loop)};")
            self.arrays[f"{name}_at"] = C_TYPES[number.dtype]
        elif output.varies == ORIENTATION:
            factors = number.arguments if number.expression == PRODUCT else (number,)
            if any(factor.dtype != torch.float64 for factor in factors):
                raise Unrecordable("a sum over rays of numbers that are not float64")
            arrays = [self._array_over_rays(factor, f"{name}_factor{index}") for index, factor in enumerate(factors)]
            self.products[name] = (arrays[0], arrays[1] if len(arrays) == 2 else "ones")
        else:
            loop = self._home[id(number)] if number.varies & ORIENTATION else "after"
            self.lines[loop].append(f"{name}_sum[l] += {self._use(number, loop)};")

    def _scatter(self, name: str, number: Number, place: Number) -> None:
        """Add a number to a table, what is added at the same place for one orientation after the other at once."""
        if self._home[id(place)] != "pair" or self._home[id(number)] == "after":
            raise Unrecordable("a sum by a place that is not of each orientation and ray")
        loop = "found" if self._home[id(number)] == "found" else "pair"
        self.lines[loop].append(f"{name}_value[l] = {self._use(number, loop)};")
        self.arrays |= {f"{name}_value": "double", f"{name}_held": "double", f"{name}_kept": "index_t"}
        self.totals += [f"{name}_held", f"{name}_kept"]
        self.scatters[name] = self._array(place)


def in_order(numbers: Iterable[Number]) -> list[Number]:
    """These numbers and all numbers they depend on, arguments first."""
    ordered: dict[int, Number] = {}
    waiting = [(number, False) for number in reversed(list(numbers))]
    while waiting:
        number, ready = waiting.pop()
        if id(number) in ordered:
            continue
        if ready or not number.arguments:
            ordered[id(number)] = number
        else:
            waiting.append((number, True))
            waiting.extend((argument, False) for argument in reversed(number.arguments))
    return list(ordered.values())


def _literal(number: Number) -> str:
    text = number.expression[1:]
    if text in ("inf", "-inf", "nan"):
        return {"inf": "INFINITY", "-inf": "(-INFINITY)", "nan": "NAN"}[text]
    return f"({text}f)" if number.dtype == torch.float32 else f"({text})"
