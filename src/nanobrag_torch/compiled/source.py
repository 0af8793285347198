"""C for recorded numbers: a loop over blocks of rays, and in it one over orientations; both read like the recording.

A block is short enough to stay in the innermost cache, and its loops are what a C compiler turns into vector
instructions. The same text is CUDA with blocks of one ray.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from nanobrag_torch.compiled.operations import PRODUCT
from nanobrag_torch.compiled.record import C_TYPES, ORIENTATION, RAY, Number

_BOTH = ORIENTATION | RAY
_OVER_RAYS = ("before", "pair", "found", "after")


@dataclass(frozen=True)
class Input:
    """A tensor that a program reads: by element, by component and ray, by orientation, or by index."""

    name: str
    dtype: torch.dtype
    varies: int
    elements: int = 1  # of each ray, of each orientation, or in all; any number in a table
    table: bool = False
    padding: str = "first"  # what stands in for rays after the last: the first ray of the block, or "zero"


@dataclass(frozen=True)
class Output:
    """A number that a program writes: for every ray, or its sum over everything that `varies` does not name."""

    name: str
    number: Number
    varies: int


class _Writer:
    """Distributes numbers over the loops they belong to.

    `uniform`: once; `before`: for each ray; `orientation`: for each orientation; `pair`: for each of both; `found`:
    likewise, with what was looked up in a table; `after`: for each ray once its totals over all orientations are known.
    """

    def __init__(self, inputs: Iterable[Input], outputs: Iterable[Output]):
        self.inputs, self.outputs = {one.name: one for one in inputs}, list(outputs)
        self.loops: dict[str, list[str]] = {n: [] for n in ("uniform", "orientation", *_OVER_RAYS)}
        self.arrays: dict[str, str] = {}  # of numbers that one loop over the rays leaves to another: type by name
        self._place: dict[int, str] = {}
        self._name: dict[int, str] = {}
        self._conditions: set[str] = set()
        self.sums_of_orientations: dict[str, str] = {}
        self.lookups: list[str] = []
        self.seen: list[str] = []
        self.totals: list[str] = []
        self._loaded: dict[str, set[str]] = {name: set() for name in _OVER_RAYS}

    def section(self, number: Number) -> str:
        """The loop in which a number is worked out."""
        if id(number) not in self._place:
            if number.total or any(self.section(a) == "after" for a in number.arguments):
                if number.varies & ORIENTATION:
                    raise NotImplementedError("a second loop over the orientations")
                place = "after"
            elif number.varies == _BOTH:
                found = number.table or any(self.section(a) == "found" for a in number.arguments)
                place = "found" if found else "pair"
            else:
                place = {0: "uniform", ORIENTATION: "orientation", RAY: "before"}[number.varies]
            self._place[id(number)] = place
        return self._place[id(number)]

    def use(self, number: Number, loop: str) -> str:
        """The C expression of a number inside a loop; its statement is written where it belongs."""
        home = self.section(number)
        if number.expression.startswith("#"):
            return _literal(number)
        name = self._define(number, home)
        if home == "uniform" and number.dtype == torch.bool and loop != "uniform":
            return self._condition(name)
        if home in _OVER_RAYS and home != loop:
            return self._across(number, name, home, loop)
        return name

    def _define(self, number: Number, home: str) -> str:
        if id(number) in self._name:
            return self._name[id(number)]
        if number.total:
            name = self._total(number)
        elif home == "found" and number.table:
            name = self._look_up(number)
        else:
            arguments = [self.use(argument, home) for argument in number.arguments]
            name = f"v{len(self._name)}"
            value = number.expression.format(*arguments) if arguments else self._read(number)
            self.loops[home].append(f"const {C_TYPES[number.dtype]} {name} = {value};")
        self._name[id(number)] = name
        return name

    def _total(self, number: Number) -> str:
        loop = self.section(number.arguments[0])
        value = self.use(number.arguments[0], loop)
        name = f"v{len(self._name)}"
        self.arrays[f"{name}_at"] = C_TYPES[number.dtype]
        self.totals.append(name)
        self.loops[loop].append(f"{name}_at[l] += {value};")
        self.loops["after"].append(f"const {C_TYPES[number.dtype]} {name} = {name}_at[l];")
        return name

    def _look_up(self, number: Number) -> str:
        """A number from a table, looked up only where another index than at the orientation before is asked for."""
        index = self.use(number.arguments[0], "pair")
        name = f"v{len(self._name)}"
        kind = C_TYPES[number.dtype]
        self.arrays |= {f"{name}_at": kind, f"{name}_index": "index_t", f"{name}_seen": "index_t"}
        self.loops["pair"].append(f"{name}_index[l] = {index};")
        self.loops["found"].append(f"const {kind} {name} = {name}_at[l];")
        self.lookups.append(f"LOOK_UP({name}_at, {number.table}, {name}_index, {name}_seen);")
        self.seen.append(f"{name}_seen")
        return name

    def _condition(self, name: str) -> str:
        """A condition that is the same for all rays, as numbers: a plain one keeps compilers from making vectors."""
        if name not in self._conditions:
            self._conditions.add(name)
            self.loops["uniform"].append(f"double {name}_each[BLOCK]; EACH {name}_each[l] = {name};")
        return f"({name}_each[l] != 0)"

    def _across(self, number: Number, name: str, home: str, loop: str) -> str:
        if loop == "after" and home != "before":
            raise NotImplementedError("a number of one orientation after the loop over all of them")
        if f"{name}_at" not in self.arrays:
            self.arrays[f"{name}_at"] = C_TYPES[number.dtype]
            self.loops[home].append(f"{name}_at[l] = {name};")
        if name not in self._loaded[loop]:
            self._loaded[loop].add(name)
            self.loops[loop].append(f"const {C_TYPES[number.dtype]} {name} = {name}_at[l];")
        return name

    def _read(self, number: Number) -> str:
        name, place = number.expression.rstrip("]").split("[")
        given = self.inputs[name]
        if given.varies == RAY:
            return f"{name}_{place}[l]"
        first = f"(int64_t)orientation * {given.elements} + " if given.varies == ORIENTATION else ""
        return f"{name}[{first}{place}]"

    def write(self, output: Output) -> None:
        """The statement that hands a number on, in the loop where it is known."""
        number, name = output.number, output.name
        if output.varies == RAY:
            self.loops["after"].append(f"{name}_at[l] = {self.use(number, 'after')};")
            self.arrays[f"{name}_at"] = C_TYPES[number.dtype]
        elif output.varies == ORIENTATION:
            self.sums_of_orientations[name] = self._product(number)
        else:
            loop = self.section(number) if number.varies & RAY else "after"
            self.loops[loop].append(f"{name}_sum[l] += {self.use(number, loop)};")

    def _product(self, number: Number) -> str:
        """The arrays whose elements, multiplied, are a number of each orientation and ray."""
        factors = number.arguments if number.expression == PRODUCT else (number, None)
        return ", ".join("ones" if factor is None else self._array(factor) for factor in factors)

    def _array(self, number: Number) -> str:
        home = self.section(number)
        if home not in _OVER_RAYS or number.dtype != torch.float64:
            raise NotImplementedError("a sum over rays of something else than products of numbers of rays")
        name = self._define(number, home)
        if f"{name}_at" not in self.arrays:
            self.arrays[f"{name}_at"] = "double"
            self.loops[home].append(f"{name}_at[l] = {name};")
        return f"{name}_at"


def _literal(number: Number) -> str:
    text = number.expression[1:]
    if text in ("inf", "-inf", "nan"):
        return {"inf": "INFINITY", "-inf": "(-INFINITY)", "nan": "NAN"}[text]
    return f"({text}f)" if number.dtype == torch.float32 else f"({text})"


_HEAD = """
#ifdef __CUDACC_RTC__
typedef long long int64_t;
typedef int int32_t;
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#define ENTRY extern "C" __global__ void
#define BLOCK 1
#define FIRST (int)(blockIdx.x * blockDim.x + threadIdx.x)
#define NEXT (int)(gridDim.x * blockDim.x)
#else
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#define ENTRY void
#ifndef BLOCK
#define BLOCK 64
#endif
#define FIRST 0
#define NEXT BLOCK
#define LANES 8
typedef double lanes_t __attribute__((vector_size(8 * LANES)));
typedef double unaligned_t __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
#endif
#define EACH for (int l = 0; l < BLOCK; l++)
#define LOAD(to, from, padding) do { \\
    for (int l = 0; l < count; l++) to[l] = (from)[l]; \\
    for (int l = count; l < BLOCK; l++) to[l] = padding; } while (0)
#define ADD(to, one, other) do { \\
    lanes_t lanes = *(const unaligned_t *)(to); \\
    for (int b = 0; b < BLOCK; b += LANES) \\
        lanes += *(const unaligned_t *)(one + b) * *(const unaligned_t *)(other + b); \\
    *(unaligned_t *)(to) = lanes; } while (0)
#define LOOK_UP(value, table, index, seen) do { \\
    index_t changed = 0; \\
    EACH changed |= index[l] ^ seen[l]; \\
    if (changed) EACH { seen[l] = index[l]; value[l] = table[index[l]]; } } while (0)
#define STORE(to, from) for (int l = 0; l < count; l++) (to)[l] = from[l]
typedef int32_t index_t;
"""
LANES = 8


def source(inputs: list[Input], outputs: list[list[Output]], entry: str = "run") -> str:
    """C of a program whose arguments are its inputs, its outputs (each of some numbers), rays and orientations.

    An output for every ray is written component after component. A sum over everything is float64; one over the rays
    of each orientation is added to what is there, (orientations, numbers, LANES) float64, and still to be summed over
    its lanes. Raises NotImplementedError for what takes another loop.
    """
    writer = _Writer(inputs, [one for group in outputs for one in group])
    for one in writer.outputs:
        writer.write(one)
    loops = {name: _indented(lines) for name, lines in writer.loops.items()}
    arguments = [f"const {C_TYPES[one.dtype]} *__restrict__ {one.name}" for one in inputs]
    arguments += [f"{_written_type(group)} *__restrict__ {_group(group)}" for group in outputs]
    sums = [one for group in outputs for one in group if one.varies == 0]
    text = [
        _HEAD,
        f"ENTRY {entry}({', '.join(arguments)}, const int rays, const int orientations)",
        "{",
        loops["uniform"],
    ]
    text += [f"    double {one.name}_sum[BLOCK] = {{0}};" for one in sums]
    if any("ones" in product for product in writer.sums_of_orientations.values()):
        text += ["    double ones[BLOCK]; EACH ones[l] = 1;"]
    text += ["    for (int start = FIRST; start < rays; start += NEXT) {"]
    text += ["        const int count = rays - start < BLOCK ? rays - start : BLOCK;"]
    text += _loads(inputs)
    text += [f"        {kind} {name}[BLOCK];" for name, kind in writer.arrays.items()]
    text += ["        EACH {", loops["before"], *[f"        {name}_at[l] = 0;" for name in writer.totals]]
    text += [*[f"        {name}[l] = -1;" for name in writer.seen], "        }"]
    if writer.loops["pair"]:
        text += ["        for (int orientation = 0; orientation < orientations; orientation++) {", loops["orientation"]]
        text += ["        EACH {", loops["pair"], "        }"]
        text += [f"        {line}" for line in writer.lookups]
        text += ["        EACH {", loops["found"], "        }"] if writer.loops["found"] else []
        text += [_added(group, writer.sums_of_orientations) for group in outputs if group[0].varies == ORIENTATION]
        text += ["        }"]
    if writer.loops["after"]:
        text += ["        EACH {", loops["after"], "        }"]
    text += [_stored(group) for group in outputs if group[0].varies == RAY]
    text += ["    }", *[_finished(group) for group in outputs if group[0].varies != RAY], "}"]
    return "\n".join(line for line in text if line) + "\n"


def _indented(lines: list[str]) -> str:
    return "\n".join(f"        {line}" for line in lines)


def _group(group: list[Output]) -> str:
    return group[0].name.rpartition("_")[0]


def _written_type(group: list[Output]) -> str:
    return C_TYPES[group[0].number.dtype] if group[0].varies == RAY else "double"


def _loads(inputs: list[Input]) -> Iterable[str]:
    for one in inputs:
        for place in range(one.elements if one.varies == RAY else 0):
            name = f"{one.name}_{place}"
            yield f"        {C_TYPES[one.dtype]} {name}[BLOCK];"
            padding = "0" if one.padding == "zero" else f"{name}[0]"
            yield f"        LOAD({name}, {one.name} + (int64_t){place} * rays + start, {padding});"


def _stored(group: list[Output]) -> str:
    return "\n".join(
        f"        STORE({_group(group)} + (int64_t){place} * rays + start, {one.name}_at);"
        for place, one in enumerate(group)
    )


def _added(group: list[Output], products: dict[str, str]) -> str:
    return "\n".join(
        f"        ADD({_group(group)} + ((int64_t)orientation * {len(group)} + {place}) * LANES, {products[one.name]});"
        for place, one in enumerate(group)
    )


def _finished(group: list[Output]) -> str:
    if group[0].varies == ORIENTATION:
        return ""
    return "\n".join(
        f"    {{ double sum = 0; EACH sum += {one.name}_sum[l]; {_group(group)}[{place}] = sum; }}"
        for place, one in enumerate(group)
    )
