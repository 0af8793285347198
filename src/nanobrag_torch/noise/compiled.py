"""The three steps of the noise, as C for a CPU and as CUDA for a GPU: one launch for all given frames.

Neither contracts a product and a sum, so both give the bytes of torch's own operations (`detector.ByTorch`), which
remain where there is no compiler.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import torch

from nanobrag_torch.backends.compiled.cache import BrokenPackage, folder, opened, processor
from nanobrag_torch.backends.compiled.compiler import compiler
from nanobrag_torch.backends.compiled.loading import loaded_library
from nanobrag_torch.backends.compiled.ownership import Unsafe, check_folder
from nanobrag_torch.noise import functions, poisson
from nanobrag_torch.noise.detector import (
    _32_BITS,
    READOUT,
    ByTorch,
    DetectorNoise,
    Drawing,
    Stream,
    sent,
    spread_weights,
    use_word,
)

SOURCE = Path(__file__).with_name("noise.c")
STEPS = ("photons", "spread", "read_out")
_OPTIONS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")
_GPU_OPTIONS = ["--fmad=false"] if torch.version.hip is None else ["-ffp-contract=off"]
_IMAGE_TYPES = {torch.float32: "float", torch.float64: "double"}
_COUNT_TYPES = {torch.uint16: "unsigned short", torch.uint32: "unsigned int"}
_THREADS_PER_BLOCK = 256
_MODE = 0o755

Step = Callable[[list[torch.Tensor], int], None]  # tensors of a launch, pixels in all


def source(step: str, dtype: torch.dtype) -> str:
    """The text of a step whose images or counts have a type, with the coefficients of torch's operations before it."""
    tables = {
        "ODD_RECIPROCALS": functions.ODD_RECIPROCALS,
        "EXPONENTIAL": functions.EXPONENTIAL,
        **{f"CENTRAL_{side}": row for side, row in zip(("OVER", "UNDER"), functions.CENTRAL, strict=True)},
        **{f"MIDDLE_{side}": row for side, row in zip(("OVER", "UNDER"), functions.MIDDLE, strict=True)},
        **{f"TAIL_{side}": row for side, row in zip(("OVER", "UNDER"), functions.TAIL, strict=True)},
        "STIRLING": poisson.STIRLING,
        "DEVIANCE": poisson.DEVIANCE,
    }
    numbers = {
        "LN_2": functions.LN_2,
        "PER_LN_2": functions.PER_LN_2,
        "HALF_LOG_2_PI": poisson.HALF_LOG_2_PI,
        "EXACT_BELOW": poisson.EXACT_BELOW,
        "SHIFT": poisson.SHIFT,
        "INVERSION_BELOW": poisson.INVERSION_BELOW,
        "MOST_BY_INVERSION": poisson.MOST_BY_INVERSION,
        "LARGEST_MEAN": poisson.LARGEST_MEAN,
        "MOST_ATTEMPTS": poisson.MOST_ATTEMPTS,
        "READOUT_USE": f"{use_word(READOUT)}u",
        f"STEP_{step}": 1,
        "IMAGE": _IMAGE_TYPES.get(dtype, "float"),
        "COUNT": _COUNT_TYPES.get(dtype, "unsigned short"),
    }
    lines = [f"#define {name} {{{', '.join(map(repr, row))}}}" for name, row in tables.items()]
    lines += [f"#define {name} {value}" for name, value in numbers.items()]
    return "\n".join([*lines, SOURCE.read_text(encoding="utf-8")])


class Compiled:
    """All steps by compiled code, on the device of the input. Nothing waits for a GPU."""

    def __init__(self, load: Callable[[str, torch.dtype, torch.device], Step] | None = None):
        self._load = loaded if load is None else load

    def photons(self, images: torch.Tensor, frames: Sequence[int], stream: Stream) -> torch.Tensor:
        drawn = torch.empty(images.shape, dtype=torch.float64, device=images.device)
        inputs = _inputs(images, frames, stream, DetectorNoise())
        self._launch("photons", images.dtype, inputs, images, drawn)
        return drawn

    def spread(self, photons: torch.Tensor, fwhm_px: float) -> torch.Tensor:
        weights = spread_weights(fwhm_px)
        for size, stride in ((photons.shape[1], photons.shape[2]), (photons.shape[2], 1)):
            shared = torch.empty(photons.shape, dtype=torch.float64, device=photons.device)
            numbers = [size, stride, photons.numel(), len(weights) - 1, *map(_bits, weights)]
            self._launch("spread", torch.float64, sent(numbers, photons.device), photons, shared)
            photons = shared
        return photons

    def read_out(
        self, signal: torch.Tensor, frames: Sequence[int], stream: Stream, noise: DetectorNoise
    ) -> torch.Tensor:
        stored = torch.empty(signal.shape, dtype=noise.dtype, device=signal.device)
        self._launch("read_out", noise.dtype, _inputs(signal, frames, stream, noise), signal, stored)
        return stored

    def _launch(self, step: str, dtype: torch.dtype, *tensors: torch.Tensor) -> None:
        pixels = tensors[-1].numel()
        if pixels:
            inputs, photons, into = tensors
            self._load(step, dtype, photons.device)([inputs, photons.contiguous(), into], pixels)


def _inputs(photons: torch.Tensor, frames: Sequence[int], stream: Stream, noise: DetectorNoise) -> torch.Tensor:
    """What the steps that draw read besides pixels, in one transfer; the order is that of the enum in noise.c."""
    doubles = (noise.gain, noise.offset, noise.readout_sigma, float(noise.largest))
    shared = [
        photons[0].numel() if len(photons) else 1,
        photons.numel(),
        stream.number,
        *stream.key,
        *map(_bits, doubles),
    ]
    return sent([*shared, *(number & _32_BITS for number in frames)], photons.device)


def _bits(value: float) -> int:
    """Those of a float64, as a whole number."""
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits


@cache
def loaded(step: str, dtype: torch.dtype, device: torch.device) -> Step:
    """A step for images or counts of a type, built if necessary. Raises the errors of the compilers."""
    return _on_cpu(step, dtype) if device.type == "cpu" else _on_gpu(step, dtype, device)


def _on_gpu(step: str, dtype: torch.dtype, device: torch.device) -> Step:
    with torch.cuda.device(device):
        run: Any = torch.cuda._compile_kernel(source(step, dtype), step, nvcc_options=list(_GPU_OPTIONS))

    def launch(tensors: list[torch.Tensor], pixels: int) -> None:
        with torch.cuda.device(device):
            run(grid=(-(-pixels // _THREADS_PER_BLOCK), 1, 1), block=(_THREADS_PER_BLOCK, 1, 1), args=tensors)

    return launch


def _on_cpu(step: str, dtype: torch.dtype) -> Step:
    run = loaded_library(_built(step, source(step, dtype)))[step]
    run.restype = None

    def launch(tensors: list[torch.Tensor], pixels: int) -> None:
        run(*(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors))  # Python's lock is released

    return launch


def _built(step: str, text: str) -> BinaryIO:
    """The library of a text, from the folder of compiled code; a missing one is built there."""
    command = [*compiler(), *_OPTIONS]
    digest = hashlib.sha256("\0".join([text, *command, processor()]).encode()).hexdigest()
    library = folder() / f"noise-{step}-{digest[:24]}.so"
    try:
        return opened(library)
    except BrokenPackage:
        library.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        check_folder(library.parent)
        with tempfile.TemporaryDirectory(dir=library.parent, prefix=".building-") as aside:
            written, made = Path(aside) / f"{step}.c", Path(aside) / f"{step}.so"
            written.write_text(text, encoding="utf-8")
            done = subprocess.run(
                [*command, str(written), "-o", str(made), "-lm"], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                complaint = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[0]
                raise OSError(f"{command[0]} cannot compile the noise: {complaint}")
            made.chmod(_MODE)
            made.replace(library)
        return opened(library)
    except (Unsafe, BrokenPackage) as error:
        raise OSError(str(error)) from error


def drawing_for(device: torch.device) -> Drawing:
    """Compiled code, if it is available and gives the bytes of torch's operations; else those, reported once."""
    if os.environ.get("NANOBRAG_TORCH_COMPILE") == "never":
        return ByTorch()
    try:
        return Compiled() if agrees_with_torch(device) else ByTorch()
    except Exception as error:  # an error of a driver, compiler or file system does not prevent noise
        _tell(f"noise by torch's own operations, which are slower: {' '.join(str(error).split())[:200]}")
        return ByTorch()


@cache
def agrees_with_torch(device: torch.device) -> bool:
    """Whether compiled code gives torch's bytes for means of every size, read out with every part of the noise."""
    means = 2.0 ** torch.linspace(-20.0, 40.0, 4096, dtype=torch.float64)
    images, frames, stream = means.float().view(2, 32, 64), [3, 2**31], Stream(2**40 + 5, "check")
    noise = DetectorNoise(gain=0.7, readout_sigma=3.0, offset=40.0)
    own, there = ByTorch(), Compiled()
    drawn, drawn_there = own.photons(images, frames, stream), there.photons(images.to(device), frames, stream)
    shared, spread = own.spread(drawn, 1.7), there.spread(drawn_there, 1.7)
    stored, read = own.read_out(shared, frames, stream, noise), there.read_out(spread, frames, stream, noise)
    same = (
        torch.equal(drawn, drawn_there.cpu()) and torch.equal(shared, spread.cpu()) and torch.equal(stored, read.cpu())
    )
    if not same:
        _tell("noise by torch's own operations: compiled code gives other numbers on this machine")
    return same


def _tell(message: str) -> None:
    print(f"nanobrag_torch: {message}", file=sys.stderr, flush=True)
