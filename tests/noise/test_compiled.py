"""Noise by compiled code has the bytes of torch's own operations: as C, and as CUDA on an emulated GPU."""

import ctypes
import shutil
import subprocess

import pytest
import torch

from nanobrag_torch.backends.compiled.cache import DIRECTORY_VARIABLE
from nanobrag_torch.noise import compiled
from nanobrag_torch.noise.compiled import STEPS, Compiled, drawing_for, source
from nanobrag_torch.noise.detector import LARGEST_32_BITS, ByTorch, DetectorNoise, Stream, counts_of
from tests.noise.test_generator import means

NOISES = {
    "photons alone": DetectorNoise(),
    "everything": DetectorNoise(gain=1.7, readout_sigma=3.5, offset=40.0, point_spread_fwhm_px=2.0),
    "32 bits": DetectorNoise(gain=1e3, readout_sigma=0.4, largest=LARGEST_32_BITS),
}
GPU = """
#include <cmath>
struct place { unsigned x; };
static place blockIdx, threadIdx, blockDim;
#define __CUDACC__
#define __global__
#define __device__
#define __forceinline__ inline
#include <cstring>
static long long __double_as_longlong(double x) { long long y; std::memcpy(&y, &x, 8); return y; }
static double __longlong_as_double(long long x) { double y; std::memcpy(&y, &x, 8); return y; }
%s
extern "C" void launch(long long pixels, long long *given, %s *from, %s *to) {
    blockDim.x = 256;
    for (blockIdx.x = 0; blockIdx.x * 256ll < pixels; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < 256; threadIdx.x++) %s(given, from, to);
}
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path_factory, monkeypatch):
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path_factory.getbasetemp() / "compiled noise"))


def images(dtype=torch.float32, high=14.0):
    """Means of zero, below zero, of every size, and with a high one more than any detector stores."""
    some = means((3, 40, 50), low=-24.0, high=high)
    some[0, 0, :4] = torch.tensor([0.0, -1.0, 12.0, 11.999999])
    return some.to(dtype)


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_c_has_the_bytes_of_torch(name, dtype):
    wide = NOISES[name].largest == LARGEST_32_BITS
    inputs = images(dtype, 58.0 if wide else 14.0), [0, 5, 2**32 - 1], Stream(2**50 + 3, "x"), NOISES[name]
    own, compiled = counts_of(*inputs, ByTorch()), counts_of(*inputs, Compiled())
    assert own.dtype == compiled.dtype and torch.equal(own.long(), compiled.long())
    assert own.long().unique().numel() > 300


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler on this machine")
def test_cuda_has_the_bytes_of_torch(tmp_path):
    def load(step, dtype, device):
        types = (
            "float" if step == "photons" else "double",
            "unsigned short" if step == "read_out" else "double",
        )
        file = tmp_path / f"{step}.cpp"
        file.write_text(GPU % (source(step, dtype), *types, step))
        library = tmp_path / f"{step}.so"
        command = ["g++", "-O1", "-w", "-ffp-contract=off", "-shared", "-fPIC", str(file), "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:2000]
        run = ctypes.CDLL(str(library)).launch
        return lambda tensors, pixels: run(
            ctypes.c_longlong(pixels), *(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)
        )

    inputs = images(), [1, 2, 3], Stream(7, "y"), NOISES["everything"]
    assert torch.equal(counts_of(*inputs, Compiled(load)).long(), counts_of(*inputs, ByTorch()).long())


def test_products_and_sums_are_never_contracted():
    assert "-ffp-contract=off" in compiled._OPTIONS and compiled._GPU_OPTIONS == ["--fmad=false"]


def test_compiled_code_is_chosen_where_it_agrees(monkeypatch, capsys):
    cpu = torch.device("cpu")
    assert isinstance(drawing_for(cpu), Compiled)
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "never")
    assert isinstance(drawing_for(cpu), ByTorch)
    monkeypatch.delenv("NANOBRAG_TORCH_COMPILE")
    monkeypatch.setattr(compiled, "agrees_with_torch", lambda device: False)
    assert isinstance(drawing_for(cpu), ByTorch)


def test_other_bytes_are_not_trusted(monkeypatch, capsys):
    real = compiled.loaded

    def off_by_one(step, dtype, device):
        run = real(step, dtype, device)

        def launch(tensors, pixels):
            run(tensors, pixels)
            tensors[-1].view(-1)[-1] = 1

        return launch

    monkeypatch.setattr(compiled, "loaded", off_by_one)
    assert not compiled.agrees_with_torch.__wrapped__(torch.device("cpu"))
    assert "compiled code gives other numbers on this machine" in capsys.readouterr().err


def test_without_a_compiler_it_is_said_once_and_torch_draws(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "empty"))
    monkeypatch.setenv("CC", "no-such-compiler")
    compiled.agrees_with_torch.cache_clear()
    compiled.loaded.cache_clear()
    try:
        assert isinstance(drawing_for(torch.device("cpu")), ByTorch)
    finally:
        compiled.agrees_with_torch.cache_clear()
        compiled.loaded.cache_clear()
    assert "noise by torch's own operations, which are slower: no C compiler found" in capsys.readouterr().err


def test_a_step_has_only_its_own_entry():
    for step in STEPS:
        text = source(step, torch.float32)
        assert [defined for defined in STEPS if f"#define STEP_{defined} 1" in text] == [step]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 7), (3, 5, 2), (2, 40, 33)])
@pytest.mark.parametrize("fwhm", [0.2, 1.5, 12.0])
def test_spread_in_c_reaches_over_every_edge(shape, fwhm):
    photons = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 1e4
    assert torch.equal(Compiled().spread(photons, fwhm), ByTorch().spread(photons, fwhm))
