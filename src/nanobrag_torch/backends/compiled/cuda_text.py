"""What precedes a kernel in CUDA: the meaning of the names in capitals of `codegen`'s text.

A block of rays is two rays of an image's kernel, which share what is of one orientation, where there are registers for
two; and one ray of derivatives. A thread of an image has one such block after the other.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from nanobrag_torch.backends.compiled.pixel_text import PIXELS
from nanobrag_torch.backends.compiled.region import REGION

WARP = 32  # threads that run together
HIGH_BITS, LOW_BITS = 60, 30  # of sums by place: all terms together have less than the first, a rest the second
THREADS_PER_BLOCK = 128
# How many of those are to run at once on one processor of a GPU, which leaves a thread 64, 72, 80 or 255 registers: as
# many as leave no number of a loop over orientations in memory; with interpolated amplitudes, few enough for the cache.
BLOCKS_PER_PROCESSOR = {
    "image": 8,
    "image, one ray": 7,
    "derivative by place": 8,
    "derivative, float32": 7,
    "derivative": 6,
    "derivative, interpolated": 2,
}
MOST_PASSES = 8  # of a thread of an image, each of one or two rays: what is of all rays is worked out once for these

_RAYS_OF_IMAGE = f"""
#define MOST_PASSES {MOST_PASSES}
#define OVER_RAYS for (unsigned start = blockIdx.x * (THREADS * BLOCK) + threadIdx.x; start < (unsigned)rays; \\
    start += gridDim.x * (THREADS * BLOCK))
"""
_RAYS_OF_SUMS = """
#define OVER_RAYS const unsigned start = blockIdx.x * THREADS + threadIdx.x;
"""
_HEAD = f"""
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
#define EACH _Pragma("unroll") for (int l = 0; l < BLOCK; l++)
#define RAY(l) (start + (unsigned)(l) * THREADS)
#define THERE_IS(l) (RAY(l) < (unsigned)rays)
#define COUNT 0
#define PLACE(l) (THERE_IS(l) ? (int32_t)RAY(l) : rays - 1)
#define ROW(place, width) ((int32_t)((place + 0.5) * per_row))
#define IF_ANY(some)  // every thread of a warp exchanges its sums
#define ON_DEVICE __device__ __forceinline__
// what has no ray repeats the last one
#define LOAD(to, from, padding) EACH {{ to[l] = (from)[PLACE(l)]; if (!THERE_IS(l)) to[l] = padding; }}
#define STORE(to, from) EACH if (THERE_IS(l)) (to)[l * THREADS] = from[l]
#define LOOK_UP(value, table, index, seen) EACH value[l] = table[index[l]]
// What is of all rays is worked out by the first thread, for the others of its block too. After FORGET they read it
// again rather than keep it in registers.
// ROW_0 is 0, which the compiler does not know to be the same for all threads: else it keeps a row's address where no
// load can use it, and moves it for each of the row's numbers.
#define ONE_THREAD if (threadIdx.x == 0)
#ifdef __CUDA_ARCH__
#define FORGET asm volatile("" ::: "memory")
#define ROW_0 (int)threadIdx.y
#else
#define FORGET
#define ROW_0 0
#endif
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
// 1/sqrt(x) and sqrt(x) likewise.
__device__ __forceinline__ double RECIPROCAL_ROOT(const double x)
{{
    const double near = reciprocal_root_estimate(x);
    const double off = fma(-(x * near), near, 1.0);
    return fma(near * off, fma(0.375, off, 0.5), near);
}}
__device__ __forceinline__ double ROOT(const double x, const double reciprocal)
{{
    const double near = x * reciprocal;
    return fma(fma(-near, near, x), 0.5 * reciprocal, near);
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
__device__ __forceinline__ double reciprocal_root_estimate(const double x)
{
    double y;
    asm("rsqrt.approx.ftz.f64 %0, %1;" : "=d"(y) : "d"(x));
    return y;
}
#endif
"""
# Of a rectangle: a quotient of whole numbers takes 25 instructions. place + 1/2 is at least half a pixel from the next
# row, which is more than what the product is off by.
PIXELS_OF_A_ROW = "per_row", f"fast[0] == {REGION} ? 1.0 / fast[3] : 0.0"


class Image(NamedTuple):
    """How a kernel is launched whose threads have several rays of an image, rather than one of a sum over rays."""

    rays_at_once: int  # of a thread
    blocks_at_once: int  # of a processor

    def blocks(self, rays: int, processors: int, images: int = 1) -> int:
        """Blocks of threads for images of that many rays; threads have several passes once all processors have work."""
        blocks = -(-rays // (THREADS_PER_BLOCK * self.rays_at_once))
        at_once = -(-processors * self.blocks_at_once // images)
        return min(blocks, max(-(-blocks // MOST_PASSES), at_once))


def image_of(text: str) -> Image | None:
    """What a kernel's text says about that; None for one of sums."""
    if _RAYS_OF_IMAGE not in text:
        return None
    return Image(*(int(re.findall(rf"^#define {name} (\d+)$", text, re.MULTILINE)[0]) for name in ("BLOCK", "BLOCKS")))


def head(kind: str) -> str:
    """All of it, for an image or derivatives: a key of BLOCKS_PER_PROCESSOR."""
    rays = _RAYS_OF_IMAGE if kind.startswith("image") else _RAYS_OF_SUMS
    at_once = f"#define BLOCKS {BLOCKS_PER_PROCESSOR[kind]}\n#define BLOCK {2 if kind == 'image' else 1}\n"
    return f"{at_once}{_ESTIMATES}{_HEAD}{rays}{PIXELS}"
