"""Times of work on a device: one run with all it leaves to the device, runs in a row, launches. Also on a CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

Work = Callable[[], Any]
_IN_A_ROW = 10


class Profile(NamedTuple):
    """What a run gives the device to do."""

    launches: int
    copies: int
    busy_s: float  # in kernels

    def __str__(self) -> str:
        return f"{self.launches} launches and {self.copies} copies, {self.busy_s * 1e3:.2f} ms of the device"


def wait(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def median(work: Work, repeats: int, device: str) -> float:
    """Seconds of one run with all it leaves to the device."""
    seconds = []
    work()
    for _ in range(repeats):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def in_a_row(work: Work, device: str) -> float:
    """Seconds of each of several runs that nothing waits between; on a GPU by its own clock."""
    import torch

    if device == "cpu":
        return median(work, 3, device)
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    wait(device)
    begun.record()
    for _ in range(_IN_A_ROW):
        work()
    ended.record()
    wait(device)
    return float(begun.elapsed_time(ended)) / 1e3 / _IN_A_ROW


def profile(work: Work, device: str) -> Profile | str:
    """Kernels and copies of one run, and how long the device had to do; the reason where no profiler works."""
    import torch

    if device == "cpu":
        return "no launches on a CPU"
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
            work()
            wait(device)
        done = [event for event in seen.events() if event.device_type == torch.profiler.DeviceType.CUDA]
    except (RuntimeError, AttributeError, AssertionError) as error:
        return f"no profile: {' '.join(str(error).split())[:60]}"
    kernels = [event for event in done if not event.name.startswith(("Memcpy", "Memset"))]
    if not kernels:
        return "no profile: it shows no kernel"
    copies = sum(event.name.startswith("Memcpy") for event in done)
    return Profile(len(kernels), copies, sum(event.time_range.elapsed_us() for event in kernels) / 1e6)
