"""C for recorded numbers: a loop over blocks of rays, and in it one over orientations; both read like the recording.

A block is short enough to stay in the innermost cache, and its loops are what a C compiler turns into vector
instructions. The same text is CUDA with blocks of one ray.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nanobrag_torch.backends.compiled.capture import C_TYPES, ORIENTATION, RAY
from nanobrag_torch.backends.compiled.schedule import Input, Loops, Output

_HEAD = """
#if defined(__CUDACC_RTC__) || defined(__HIPCC_RTC__)
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
_BOTH = ORIENTATION | RAY


def source(
    inputs: list[Input], outputs: list[list[Output]], entry: str = "run", labels: Mapping[int, str] | None = None
) -> str:
    """C of a program whose arguments are its inputs, its outputs (each of some numbers), rays and orientations.

    An output for every ray is written component after component, one for every orientation and ray likewise within each
    orientation. `labels`: what numbers are called, by their id. A sum over everything is float64; one over the rays
    of each orientation is added to what is there, (orientations, numbers, LANES) float64, and still to be summed over
    its lanes. Raises Unrecordable for what takes another loop.
    """
    loops = Loops(inputs, [one for group in outputs for one in group], labels)
    arguments = [f"const {C_TYPES[one.dtype]} *__restrict__ {one.name}" for one in inputs]
    arguments += [f"{_written_type(group)} *__restrict__ {_name(group)}" for group in outputs]
    sums = [group for group in outputs if group[0].varies == 0]
    lines = [
        f"ENTRY {entry}({', '.join(arguments)}, const int rays, const int orientations)",
        "{",
        *loops.lines["uniform"],
        *(f"double {one.name}_sum[BLOCK] = {{0}};" for group in sums for one in group),
        "double ones[BLOCK]; EACH ones[l] = 1;",
        "for (int start = FIRST; start < rays; start += NEXT) {",
        "const int count = rays - start < BLOCK ? rays - start : BLOCK;",
        *_loads(inputs),
        *(f"{kind} {name}[BLOCK];" for name, kind in loops.arrays.items()),
        *_each(
            [*loops.lines["before"], *(f"{a}[l] = 0;" for a in loops.totals), *(f"{a}[l] = -1;" for a in loops.seen)]
        ),
        *_over_orientations(loops, outputs),
        *_each(loops.lines["after"]),
        *(line for group in outputs if group[0].varies == RAY for line in _stores(group)),
        "}",
        *(line for group in sums for line in _sums(group)),
        "}",
    ]
    return _HEAD + "\n".join(lines) + "\n"


def _each(lines: list[str]) -> list[str]:
    return ["EACH {", *lines, "}"] if lines else []


def _over_orientations(loops: Loops, outputs: list[list[Output]]) -> list[str]:
    if not loops.lines["pair"]:
        return []
    return [
        "for (int orientation = 0; orientation < orientations; orientation++) {",
        *loops.lines["orientation"],
        *_each(loops.lines["pair"]),
        *loops.lookups,
        *_each(loops.lines["found"]),
        *(line for group in outputs if group[0].varies == ORIENTATION for line in _added(group, loops.products)),
        *(line for group in outputs if group[0].varies == _BOTH for line in _stores_of_orientation(group)),
        "}",
    ]


def _name(group: list[Output]) -> str:
    return group[0].name.rpartition("_")[0]


def _written_type(group: list[Output]) -> str:
    return C_TYPES[group[0].number.dtype] if group[0].varies & RAY else "double"


def _loads(inputs: list[Input]) -> Iterable[str]:
    for one in inputs:
        for place in range(one.elements if one.varies == RAY else 0):
            name = f"{one.name}_{place}"
            padding = "0" if one.padding == "zero" else f"{name}[0]"
            yield f"{C_TYPES[one.dtype]} {name}[BLOCK];"
            yield f"LOAD({name}, {one.name} + (int64_t){place} * rays + start, {padding});"


def _stores(group: list[Output]) -> Iterable[str]:
    for place, one in enumerate(group):
        yield f"STORE({_name(group)} + (int64_t){place} * rays + start, {one.name}_at);"


def _stores_of_orientation(group: list[Output]) -> Iterable[str]:
    for place, one in enumerate(group):
        yield f"STORE({_name(group)} + ((int64_t)orientation * {len(group)} + {place}) * rays + start, {one.name}_at);"


def _added(group: list[Output], products: dict[str, str]) -> Iterable[str]:
    for place, one in enumerate(group):
        where = f"{_name(group)} + ((int64_t)orientation * {len(group)} + {place}) * LANES"
        yield f"ADD({where}, {products[one.name]});"


def _sums(group: list[Output]) -> Iterable[str]:
    for place, one in enumerate(group):
        yield f"{{ double sum = 0; EACH sum += {one.name}_sum[l]; {_name(group)}[{place}] = sum; }}"
