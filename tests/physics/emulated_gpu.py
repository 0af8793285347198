"""A GPU in C++ on the CPU: the text of a kernel as it stands, its threads as fibers that meet at every exchange.

The 128 threads of a block run in turn; whoever exchanges a number with another thread of its warp writes it down and
lets all others come to the same line before it reads.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
import threading
from functools import partial
from pathlib import Path

import pytest

from nanobrag_torch.backends.compiled import cache, loading, recording, selection
from nanobrag_torch.backends.compiled.compiler import Build
from nanobrag_torch.backends.compiled.cuda_text import THREADS_PER_BLOCK, image_of

needs_cpp = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler on this machine")
_MACHINE = """
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ucontext.h>
#include <vector>
#define __global__
#define __device__
#define __constant__ static const
#define __shared__ static thread_local
#define __forceinline__ inline
#define __launch_bounds__(...)
struct place { unsigned x, y; };
static const int threads = %d;
static thread_local place blockIdx, threadIdx, gridDim;
static thread_local ucontext_t caller, fibers[threads];
static thread_local double slots[2][threads];
static thread_local unsigned exchanges[threads];
static thread_local bool done[threads];
static double __shfl_xor_sync(unsigned, double value, int mask)
{
    const unsigned me = threadIdx.x, turn = exchanges[me]++ %% 2;
    slots[turn][me] = value;
    swapcontext(&fibers[me], &caller);
    return slots[turn][me ^ mask];
}
static void __syncthreads()
{
    const unsigned me = threadIdx.x;
    swapcontext(&fibers[me], &caller);
}
static unsigned long long atomicAdd(unsigned long long *to, unsigned long long value)
{
    const unsigned long long before = *to;
    *to += value;
    return before;
}
// About twenty bits, as the device's own.
static double reciprocal_estimate(const double x)
{
    double y = 1 / x;
    int64_t bits;
    std::memcpy(&bits, &y, 8);
    bits &= ~((int64_t)0xffffffff);
    std::memcpy(&y, &bits, 8);
    return y;
}
static double __dadd_ru(const double x, const double y)
{
    const double sum = x + y, part = sum - x;
    const double rest = (x - (sum - part)) + (y - part);
    return rest > 0 ? std::nextafter(sum, INFINITY) : sum;
}
template <typename TO, typename FROM> static TO bits_of(const FROM x)
{
    TO bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
static int __double2loint(const double x) { return (int)bits_of<int64_t>(x); }
static int __double2hiint(const double x) { return (int)(bits_of<int64_t>(x) >> 32); }
static double __hiloint2double(const int high, const int low)
{
    return bits_of<double>((int64_t)(((uint64_t)(uint32_t)high << 32) | (uint32_t)low));
}
static float __int_as_float(const int bits) { return bits_of<float>(bits); }
static int __float_as_int(const float x) { return bits_of<int>(x); }
static double reciprocal_root_estimate(const double x) { return reciprocal_estimate(std::sqrt(x)); }
static float reciprocal_estimate(const float x) { return (1 / x) * (1 + 1e-7f); }
"""
_LAUNCH = """
static thread_local void (*body)(void *);
static thread_local void *given;
static void fiber() { const unsigned me = threadIdx.x; body(given); done[me] = true; }
extern "C" int backwards;
int backwards = 0;
static void blocks(int count)
{
    const size_t size = 1 << 16;
    gridDim.x = count;
    std::vector<char> stacks(size * threads);
    for (int turn = 0; turn < count; turn++) {
        blockIdx.x = backwards ? count - 1 - turn : turn;
        for (int i = 0; i < threads; i++) {
            getcontext(&fibers[i]);
            fibers[i].uc_stack.ss_sp = &stacks[size * i];
            fibers[i].uc_stack.ss_size = size;
            fibers[i].uc_link = &caller;
            exchanges[i] = 0;
            done[i] = false;
            makecontext(&fibers[i], fiber, 0);
        }
        for (bool more = true; more;) {
            more = false;
            for (threadIdx.x = 0; (int)threadIdx.x < threads; threadIdx.x++)
                if (!done[threadIdx.x]) { more = true; swapcontext(&caller, &fibers[threadIdx.x]); }
        }
    }
}
"""


def build_text(text: str, file: Path) -> None:
    """Build the text of a kernel with everything that launches it."""
    declared = re.search(r"ENTRY run\((.*)\)", text).group(1)
    fields = [part.replace("__restrict__", "").strip() for part in declared.split(", ")]
    names = [field.split()[-1].lstrip("*") for field in fields]
    held = " ".join(f"{field.removeprefix('const ') if '*' not in field else field};" for field in fields)
    called = ", ".join(f"a->{name}" for name in names)
    launched = (
        f"struct arguments {{ {held} }};\n"
        f"static void call(void *p) {{ const arguments *a = (const arguments *)p; run({called}); }}\n"
        f'extern "C" void launch(int count, {", ".join(fields)}) {{\n'
        f"arguments a = {{{', '.join(names)}}}; given = &a; body = call; blocks(count); }}\n"
    )
    source = file.with_suffix(".cpp")
    image = image_of(text)
    launched += f'extern "C" const int at_once; const int at_once = {image.rays_at_once if image else 0};\n'
    source.write_text(_MACHINE % THREADS_PER_BLOCK + text + _LAUNCH + launched)
    command = ["g++", "-O1", "-w", "-shared", "-fPIC", str(source), "-o", str(file), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]


def blocks_of_image(rays: int, at_once: int = 2) -> int:
    """Blocks of an image on that machine, whose threads have three passes of one or two rays each."""
    return -(-rays // (3 * at_once * THREADS_PER_BLOCK))


class EmulatedGpu(loading.OnGpu):
    """A kernel on that machine, with the launches it has had."""

    launches: list[int] = []  # rays of each
    _lock = threading.Lock()

    def __init__(self, file, device=None):
        with file:
            copy = tempfile.NamedTemporaryFile(suffix=".so", delete=False)  # noqa: SIM115 (a library keeps its name)
            copy.write(file.read())
            copy.close()
        self._library = ctypes.CDLL(copy.name)
        at_once = ctypes.c_int.in_dll(self._library, "at_once").value
        self.blocks = partial(blocks_of_image, at_once=at_once) if at_once else loading.blocks_of
        Path(copy.name).unlink()
        self._device = "cpu"

    def __call__(self, tensors, rays, orientations):
        with self._lock:
            self.launches.append(rays)
        assert all(tensor.is_contiguous() for tensor in tensors)
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
        blocks = self.blocks(rays)
        self._library.launch(ctypes.c_int(blocks), *pointers, ctypes.c_int(rays), ctypes.c_int(orientations))


def build(program, model, file, hooks=None) -> Build:
    """Replaces the compiler's function: the code for a GPU, for that machine."""
    text, watched = recording.source_of(program, model, hooks, "cuda")
    build_text(text, file)
    file.chmod(0o755)
    return Build("0" * 64, "emulated", watched)


def emulate(monkeypatch, folder: Path) -> None:
    """Let compiled code be CUDA on that machine, kept in a folder of its own."""
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(folder))
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    monkeypatch.setattr(cache, "build", build)
    monkeypatch.setattr(loading, "OnCpu", EmulatedGpu)
    monkeypatch.setattr(EmulatedGpu, "launches", [])
