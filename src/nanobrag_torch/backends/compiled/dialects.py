"""C and CUDA: the meaning of `codegen`'s text in each, and how each sums over rays.

Both use the same statements. In C a block is 64 rays, short enough to stay in the innermost cache, and `EACH` is a loop
that a compiler turns into vector instructions. In CUDA a block is one ray, every ray has a thread, and a sum over rays
is that of the 32 threads of a warp; the sums of the warps are then added in order, which gives the same bytes every
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from nanobrag_torch.backends.compiled.region import OTHERS_IN_C, OTHERS_IN_CUDA, PIXELS
from nanobrag_torch.backends.compiled.schedule import Output

LANES = 8  # number of parallel sums over rays in C
WARP = 32  # CUDA threads that run together
HIGH_BITS, LOW_BITS = 60, 30  # of CUDA's sums by place: all terms together have less than the first, a rest the second
THREADS_PER_BLOCK = 128
# How many of those are to run at once on one processor of a GPU, which leaves a thread 64, 96, 128 or 255 registers: as
# many as leave no number of a loop over orientations in memory; with interpolated amplitudes, few enough for the cache.
BLOCKS_PER_PROCESSOR = {"image": 8, "derivative, float32": 5, "derivative": 4, "derivative, interpolated": 2}

_BOTH_HEADS = """
#define EACH for (int l = 0; l < BLOCK; l++)
#define STORE(to, from) for (int l = 0; l < count; l++) (to)[l] = from[l]
typedef int32_t index_t;
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
#define PLACE(l) (start + (l < count ? l : 0))
#define ON_DEVICE static
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
_CUDA_HEAD = f"""
#if defined(__CUDACC_RTC__) || defined(__HIPCC_RTC__)
typedef long long int64_t;
typedef int int32_t;
typedef unsigned char uint8_t;
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#else
#include <math.h>
#include <stdint.h>
#endif
#define THREADS {THREADS_PER_BLOCK}
#define ENTRY extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
#define BLOCK 1
#define OVER_RAYS const int start = (int)(blockIdx.x * THREADS + threadIdx.x);
#define COUNT (start < rays ? 1 : 0)
#define PLACE(l) (start < rays ? start : rays - 1)
#define ON_DEVICE __device__ __forceinline__
// what has no ray repeats the last one
#define LOAD(to, from, padding) do {{ to[0] = (from)[start < rays ? start : rays - 1]; \\
    if (start >= rays) to[0] = padding; }} while (0)
#define LOOK_UP(value, table, index, seen) value[0] = table[index[0]]
#define CONSTANTS(...) __constant__ double constants[] = {{__VA_ARGS__}};
#define K(place, value) constants[place]  // an operand; two moves would bring the value as it stands
#define SAME_FOR_ALL(name)
#define IS(name) name
// Without the ways around a divisor that is 0, infinite or below the smallest normal number: none divides in a loop.
__device__ __forceinline__ float QUOTIENT(const float a, const float b)
{{
    const float near = reciprocal_estimate(b);
    const float quotient = a * near;
    return fmaf(fmaf(-b, quotient, a), near, quotient);
}}
__device__ __forceinline__ double QUOTIENT(const double a, const double b)
{{
    double near = reciprocal_estimate(b);
    const double off = fma(-b, near, 1.0);
    near = fma(fma(off, off, off), near, near);
    const double quotient = a * near;
    return fma(fma(-b, quotient, a), near, quotient);
}}
// Whole numbers without a conversion: around 1.5 * 2^52, which is what is given as `shift`, float64 has no others.
__device__ __forceinline__ double SHIFTED_UP(const double x, const double shift) {{ return __dadd_ru(x, shift); }}
__device__ __forceinline__ double ROUNDED(const double x, const double shift) {{ return (x + shift) - shift; }}
__device__ __forceinline__ int32_t LOW_WORD(const double shifted) {{ return __double2loint(shifted); }}
// x, or about `least` with |x| below it: the upper half of the bits, as a number of float32, is in the same order.
__device__ __forceinline__ double AT_LEAST(const double x, const double least)
{{
    const float upper = __int_as_float(__double2hiint(x)), upper_of_least = __int_as_float(__double2hiint(least));
    return __hiloint2double(__float_as_int(fabsf(upper) < upper_of_least ? upper_of_least : upper), __double2loint(x));
}}
// The same, of which a compiler does not know it: what follows from it is worked out again, not kept in registers.
template <typename KIND> __device__ __forceinline__ KIND *again(KIND *x)
{{
#ifdef __CUDA_ARCH__
    asm volatile("" : "+l"(x));
#endif
    return x;
}}
__device__ __forceinline__ int32_t again(int32_t x)
{{
#ifdef __CUDA_ARCH__
    asm volatile("" : "+r"(x));
#endif
    return x;
}}
__device__ __forceinline__ float RECIPROCAL(const float x) {{ return QUOTIENT(1.0f, x); }}
__device__ __forceinline__ double RECIPROCAL(const double x) {{ return QUOTIENT(1.0, x); }}
// Sums of COUNT_ numbers over a warp: in each of the first steps a thread gives one half of its numbers away.
template <int COUNT_> __device__ __forceinline__ void sums_of_warp(double *to, const double (&terms)[COUNT_])
{{
    const int lane = threadIdx.x % {WARP};
#pragma unroll
    for (int first = 0; first < COUNT_; first += 8) {{
        double kept[8];
        int width = 1, step = {WARP // 2}, place = 0;
        while (width < 8 && width < COUNT_ - first) width *= 2;
        const int used = width;
#pragma unroll
        for (int i = 0; i < 8; i++) kept[i] = i < used && first + i < COUNT_ ? terms[first + i] : 0.0;
#pragma unroll
        for (int half = 4; half >= 1; half /= 2) {{
            if (half >= used) continue;
            const bool upper = lane & step;
#pragma unroll
            for (int i = 0; i < half; i++) {{
                const double given = upper ? kept[i] : kept[i + half];
                kept[i] = (upper ? kept[i + half] : kept[i]) + __shfl_xor_sync(0xffffffffu, given, step);
            }}
            place += upper ? half : 0;
            step /= 2;
        }}
        const int idle = 2 * step - 1;
#pragma unroll
        for (int i = 0; i < 5; i++)
            if (step >> i) kept[0] += __shfl_xor_sync(0xffffffffu, kept[0], step >> i);
        if ((lane & idle) == 0 && first + place < COUNT_) to[first + place] += kept[0];
    }}
}}
#define WARP_OF_LAUNCH ((int64_t)blockIdx.x * (THREADS / {WARP}) + threadIdx.x / {WARP})
// Whole numbers, which have the same sum in any order: of 1/scale, and of 2^-{LOW_BITS} of that.
__device__ void add_to_table(unsigned long long *const to, const double scale, const int32_t place, const double value)
{{
    if (scale == 0 || value == 0) return;
    const double scaled = value * scale, whole = rint(scaled);
    atomicAdd(to + 2 * (int64_t)place, (unsigned long long)(long long)whole);
    atomicAdd(to + 2 * (int64_t)place + 1, (unsigned long long)(long long)rint((scaled - whole) * {2**LOW_BITS}.0));
}}
#define TERMS(to) double to##_size = 0; const double to##_step = to##_scale[0]
#define TERMS_OF_WARP(to) {{ const double terms[1] = {{to##_size}}; sums_of_warp(to##_sizes + WARP_OF_LAUNCH, terms); }}
#define SCATTER(to, value, place, kept, held) do {{ \
    if (place[0] != kept[0]) {{ \
        add_to_table(to, to##_step, kept[0], held[0]); \
        kept[0] = place[0]; \
        held[0] = 0; }} \
    held[0] += value[0]; \
    to##_size += fabs(value[0]); }} while (0)
#define SCATTER_HELD(to, kept, held) add_to_table(to, to##_step, kept[0], held[0])
"""
_ESTIMATES = """
#ifdef __CUDA_ARCH__
__device__ __forceinline__ float reciprocal_estimate(const float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ __forceinline__ double reciprocal_estimate(const double x)
{
    double y;
    asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(y) : "d"(x));
    return y;
}
#endif
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
    works_out_again: bool  # what is of one ray rather than keep it during the loop over orientations


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


def _over_warp(to: str, terms: list[str]) -> Iterable[str]:
    yield f"{{ const double terms[{len(terms)}] = {{{', '.join(terms)}}}; sums_of_warp({to}, terms); }}"


def _c_head(kind: str, by_place: bool) -> str:
    return _C_HEAD + _BOTH_HEADS + PIXELS + OTHERS_IN_C * (kind != "image") + _C_SCATTER * by_place


def _cuda_head(kind: str, by_place: bool) -> str:
    others = OTHERS_IN_CUDA * (kind != "image")
    return f"#define BLOCKS {BLOCKS_PER_PROCESSOR[kind]}\n{_ESTIMATES}{_CUDA_HEAD}{_BOTH_HEADS}{PIXELS}{others}"


C = Dialect(_c_head, _c_sums, _c_sums_of_orientation, _c_table, False)
CUDA = Dialect(_cuda_head, _cuda_sums, _cuda_sums_of_orientation, _cuda_table, True)


def of_device(device: str) -> Dialect:
    """The language of a kind of device."""
    return C if device == "cpu" else CUDA
