"""C and CUDA: the meaning of `codegen`'s text in each, and how each sums over rays.

Both use the same statements. In C a block is 64 rays, short enough to stay in the innermost cache, and `EACH` is a loop
that a compiler turns into vector instructions. In CUDA (`cuda_text`) a block is one or two rays of a thread, and a sum
over rays is that of the 32 threads of a warp; the sums of the warps are then added in order, which gives the same bytes
every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from nanobrag_torch.backends.compiled import cuda_text
from nanobrag_torch.backends.compiled.pixel_text import PIXELS
from nanobrag_torch.backends.compiled.schedule import Output

LANES = 8  # number of parallel sums over rays in C

_EACH = """
#define EACH for (int l = 0; l < BLOCK; l++)
#define STORE(to, from) for (int l = 0; l < count; l++) (to)[l] = from[l]
"""
_C_HEAD = f"""
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#define ENTRY void
#ifndef BLOCK
#define BLOCK 64
#endif
#define LANES {LANES}
typedef double lanes_t __attribute__((vector_size(8 * LANES)));
typedef double unaligned_t __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
#define OVER_RAYS for (int start = 0; start < rays; start += BLOCK)
#define COUNT (rays - start < BLOCK ? rays - start : BLOCK)
#define THERE_IS(l) (l < count)
#define PLACE(l) (start + (l < count ? l : 0))
#define ROW(place, width) ((int32_t)((place + 0.5) * (1.0 / (width))))  // place / width, by vector instructions
#define ON_DEVICE static
#define IF_ANY(some) if (some)
#define LOAD(to, from, padding) do {{ \\
    for (int l = 0; l < count; l++) to[l] = (from)[start + l]; \\
    for (int l = count; l < BLOCK; l++) to[l] = padding; }} while (0)
#define ADD(to, one, other) do {{ \\
    lanes_t lanes = *(const unaligned_t *)(to); \\
    for (int b = 0; b < BLOCK; b += LANES) \\
        lanes += *(const unaligned_t *)(one + b) * *(const unaligned_t *)(other + b); \\
    *(unaligned_t *)(to) = lanes; }} while (0)
#define LOOK_UP(value, table, index, seen) do {{ \\
    index_t changed = 0; \\
    EACH changed |= index[l] ^ seen[l]; \\
    if (changed) EACH {{ seen[l] = index[l]; value[l] = table[index[l]]; }} }} while (0)
#define TERMS(to)
#define TERMS_OF_WARP(to)
#define SCATTER(to, value, place, kept, held) scatter(to, value, place, kept, held)
#define SCATTER_HELD(to, kept, held) EACH to[kept[l]] += held[l]
#define SAME_FOR_ALL(name) double name##_each[BLOCK]; EACH name##_each[l] = name
#define IS(name) (name##_each[l] != 0)
#define CONSTANTS(...)
#define K(place, value) value
#define QUOTIENT(a, b) ((a) / (b))
#define RECIPROCAL(x) (1 / (x))
"""
_C_SCATTER = """
__attribute__((noinline)) static void scatter(double *restrict to, const double *restrict value,
    const index_t *restrict place, index_t *restrict kept, double *restrict held)
{
    index_t changed = 0;
    EACH changed |= place[l] ^ kept[l];
    if (changed) EACH if (place[l] != kept[l]) { to[kept[l]] += held[l]; kept[l] = place[l]; held[l] = 0; }
    EACH held[l] += value[l];
}
"""


class Dialect(NamedTuple):
    """A language of compiled code."""

    head: Callable[[str, bool], str]  # of an image or a derivative; whether there are sums by places of a table
    sums: Callable[[str, list[Output]], Iterable[str]]  # of what is of everything: lines after the loop over rays
    sums_of_orientation: Callable[[str, list[Output], Mapping[str, tuple[str, str]]], Iterable[str]]
    table: Callable[[str], list[str]]  # the arguments of one that is added to by places
    shares: bool  # whether what is of all rays is worked out by one thread for others
    row: Callable[[str], str]  # a statement that reads what is of an orientation


def _c_sums(to: str, group: list[Output]) -> Iterable[str]:
    for place, one in enumerate(group):
        yield f"{{ double sum = 0; EACH sum += {one.name}_sum[l]; {to}[{place}] += sum; }}"


def _c_sums_of_orientation(to: str, group: list[Output], products: Mapping[str, tuple[str, str]]) -> Iterable[str]:
    for place, one in enumerate(group):
        where = f"{to} + ((int64_t)orientation * {len(group)} + {place}) * LANES"
        yield f"ADD({where}, {', '.join(products[one.name])});"


def _c_table(to: str) -> list[str]:
    return [f"double *__restrict__ {to}"]


def _cuda_table(to: str) -> list[str]:
    """Its two whole numbers for each element, the sizes of all terms by warp, and by what a term is multiplied."""
    return [
        f"unsigned long long *__restrict__ {to}",
        f"double *__restrict__ {to}_sizes",
        f"const double *__restrict__ {to}_scale",
    ]


def _cuda_sums(to: str, group: list[Output]) -> Iterable[str]:
    yield from _over_warp(f"{to} + WARP_OF_LAUNCH * {len(group)}", [f"{one.name}_sum[0]" for one in group])


def _cuda_sums_of_orientation(to: str, group: list[Output], products: Mapping[str, tuple[str, str]]) -> Iterable[str]:
    where = f"{to} + (WARP_OF_LAUNCH * orientations + orientation) * {len(group)}"
    yield from _over_warp(where, [" * ".join(f"{array}[0]" for array in products[one.name]) for one in group])


def _cuda_row(statement: str) -> str:
    return statement.replace("(int64_t)orientation", "(int64_t)(orientation + ROW_0)")


def _over_warp(to: str, terms: list[str]) -> Iterable[str]:
    yield f"{{ const double terms[{len(terms)}] = {{{', '.join(terms)}}}; sums_of_warp({to}, terms); }}"


def _c_head(kind: str, by_place: bool) -> str:
    return _C_HEAD + _EACH + PIXELS + _C_SCATTER * by_place


def _cuda_head(kind: str, by_place: bool) -> str:
    return cuda_text.head(kind)


C = Dialect(_c_head, _c_sums, _c_sums_of_orientation, _c_table, False, str)
CUDA = Dialect(_cuda_head, _cuda_sums, _cuda_sums_of_orientation, _cuda_table, True, _cuda_row)


def of_device(device: str) -> Dialect:
    """The language of a kind of device."""
    return C if device == "cpu" else CUDA
