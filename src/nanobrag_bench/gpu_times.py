"""Times of the torch program on a GPU, with what else there is to know of the machine, as a table."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from nanobrag_bench import gpu_frames
from nanobrag_bench.gpu_runs import derivatives, parsed, simulation_of

CUDA_PROGRAM = "NB_CUDA_BIN"  # names a CUDA edition of nanoBragg, to be timed beside
LARGE = (
    "-cell 70 80 90 85 95 105 -misset 10 20 30 -default_F 100 -N 20 -lambda 1 -distance 200 -pixel 0.1 -oversample 1"
)
_SPINDLE = "-phi 0 -osc 0.1 -phisteps 10"
_DOMAINS = "-mosaic 0.5 -mosaic_dom 50 -phi 0 -osc 1 -phisteps 10"
IMAGES = {
    "2500 x 2500, 10 orientations": f"{LARGE} -detpixels 2500 {_SPINDLE}",
    "1024 x 1024, 500 orientations": f"{LARGE} -detpixels 1024 {_DOMAINS}",
    "1024 x 1024, 500 orientations, 4 sources": f"{LARGE} -detpixels 1024 {_DOMAINS} -dispersion 1 -dispsteps 4",
}
_BACK_TO_BACK = 10


def report(device: str, repeats: int) -> Iterator[str]:
    """The lines of the table."""
    import torch

    yield from about(device)
    for dtype in (torch.float32, torch.float64):
        kind = str(dtype).removeprefix("torch.")
        for subject, line in IMAGES.items():
            simulation = simulation_of(line, device, dtype, "compiled")
            alone, many = median(simulation.image, repeats), _each(simulation.image)
            rate = simulation.steps / many / 1e9
            yield _row(f"image, {kind}, {subject}", alone, f"{many * 1e3:.3f} ms back to back: {rate:.0f} G steps/s")
        for side in (1024, 2048):
            line = f"{LARGE} -detpixels {side} {_SPINDLE}"
            whole = partial(_simulate, parsed(line), device, dtype)
            yield _timed(f"image from an experiment, {kind}, {side} x {side}", whole, repeats)
            slopes = partial(derivatives, line, device, dtype, "compiled")
            yield _timed(f"image and derivatives, {kind}, {side} x {side}", slopes, max(3, repeats // 2))
        launch = gpu_frames.work_of_a_launch(device, dtype)
        yield _timed(f"{gpu_frames.USUAL} images and their noise, {kind}, 512 x 512", launch, repeats)
        yield from gpu_frames.times(device, dtype)
    yield from beside(repeats)


def _simulate(experiment: Any, device: str, dtype: Any) -> Any:
    from nanobrag_torch.simulator import simulate

    return simulate(experiment, device=device, dtype=dtype)


def about(device: str) -> Iterator[str]:
    """The card, its clocks, and the versions of everything."""
    import torch

    card = torch.cuda.get_device_properties(device)
    size_GiB = card.total_memory / 2**30
    yield f"{card.name}, {card.multi_processor_count} processors, {size_GiB:.0f} GiB, compute {card.major}.{card.minor}"
    if shutil.which("nvidia-smi"):
        query = "--query-gpu=driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit"
        asked = ["nvidia-smi", query, "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        yield f"driver, processor clock now and at most, memory clock, power: {done.stdout.strip().splitlines()[:1]}"
    yield f"torch {torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}"


def _row(subject: str, seconds: float, note: str = "") -> str:
    return f"{subject:64s} {seconds * 1e3:10.3f} ms  {note}".rstrip()


def _timed(subject: str, work: Callable[[], Any], repeats: int) -> str:
    seconds = median(work, repeats)
    return _row(subject, seconds, launches(work))


def median(work: Callable[[], Any], repeats: int) -> float:
    """Seconds of one run with all it leaves to the device."""
    import torch

    seconds = []
    work()
    for _ in range(repeats):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _each(work: Callable[[], Any]) -> float:
    """Seconds of each of several runs that nothing waits between, by the device's own clock."""
    import torch

    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begun.record()
    for _ in range(_BACK_TO_BACK):
        work()
    ended.record()
    torch.cuda.synchronize()
    return float(begun.elapsed_time(ended)) / 1e3 / _BACK_TO_BACK


def launches(work: Callable[[], Any]) -> str:
    """Kernels and copies of one run, and how long the device had to do; nothing where no profiler is to be had."""
    import torch

    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
            work()
            torch.cuda.synchronize()
        done = [event for event in seen.events() if event.device_type == torch.profiler.DeviceType.CUDA]
        copies = sum("Memcpy" in event.name for event in done)
        busy_ms = sum(event.time_range.elapsed_us() for event in done) / 1e3
        return f"{len(done) - copies} launches and {copies} copies, {busy_ms:.2f} ms of the device"
    except (RuntimeError, AttributeError, AssertionError) as error:
        return f"(no profile: {' '.join(str(error).split())[:60]})"


def beside(repeats: int) -> Iterator[str]:
    """The program that `NB_CUDA_BIN` names, by the same command lines; its own times of kernels where it has some."""
    named = os.environ.get(CUDA_PROGRAM)
    if not named:
        return
    for subject, line in IMAGES.items():
        walls, outcome = [], ""
        for _ in range(max(2, repeats // 3)):
            started = time.perf_counter()
            done = subprocess.run(
                [*shlex.split(named), *line.split(), "-floatfile", os.devnull, "-nonoise"],
                capture_output=True,
                text=True,
                check=False,
            )
            walls.append(time.perf_counter() - started)
            outcome = done.stdout + done.stderr
            if done.returncode != 0:
                yield f"{CUDA_PROGRAM}, {subject}: ended with {done.returncode}: {outcome.strip()[-120:]}"
                return
        kernels = re.findall(r"kernel[^\n]*?([\d.eE+-]+)\s*ms", outcome, re.IGNORECASE)
        note = f"kernels, ms: {' '.join(kernels)}" if kernels else ""
        yield _row(f"{CUDA_PROGRAM}, {subject}, process", statistics.median(walls), note)
