"""Frames of a campaign on a GPU: is their noise right, and how many are made per second?

Frames take the same steps as in a campaign up to the host's memory: orientation, image, noise, copy during the next
launch, and the check of a few pixels of compiled code. Compression and writing are left out: the host does them in a
separate thread.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nanobrag_bench.gpu_runs import parsed

FRAME = (
    "-cell 70 80 90 85 95 105 -misset 10 20 30 -default_F 100 -N 20 -lambda 1 -distance 200 -pixel 0.1 -oversample 1"
    " -detpixels 512 -phi 0 -osc 0.1 -phisteps 10"
)
FRAMES_PER_LAUNCH, USUAL = (1, 4, 16, 64), 16
GOALS = {"without noise": 500, "with noise": 300}  # frames a second
FRAMES, _WAITING = 256, 4
PUBLISHED_ANSWER = (  # counter, key and numbers of Philox 4x32-10: kat_vectors of Random123 (Salmon and others, 2011)
    (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
    (0xA4093822, 0x299F31D0),
    (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
)


def noises() -> dict[str, Any]:
    """The kinds of noise that are timed."""
    from nanobrag_torch.noise import DetectorNoise

    full = DetectorNoise(gain=1.5, readout_sigma=3.0, offset=40.0, point_spread_fwhm_px=1.5)
    return {"without noise": None, "with photon noise": DetectorNoise(offset=40.0), "with noise": full}


def checks(device: str) -> Iterator[tuple[str, bool, str]]:
    """(name, passed, figures) of the noise on a device against the noise on the CPU."""
    import torch

    from nanobrag_torch.noise.compiled import Compiled
    from nanobrag_torch.noise.detector import ByTorch, Stream, counts_of
    from nanobrag_torch.noise.philox import philox

    counter, key, answer = PUBLISHED_ANSWER
    block = philox(tuple(torch.tensor([word], device=device) for word in counter), key)  # type: ignore[arg-type]
    yield "noise: published answer of the generator", tuple(int(word) for word in block) == answer, ""
    images, frames, stream = (
        2.0 ** torch.linspace(-16, 18, 6 * 64 * 48).view(6, 64, 48),
        list(range(6)),
        Stream(5, "x"),
    )
    for name, noise in noises().items():
        if noise is None:
            continue
        expected = counts_of(images, frames, stream, noise, ByTorch()).long()
        for code, drawing in (("torch", ByTorch()), ("compiled", Compiled())):
            counts = counts_of(images.to(device), frames, stream, noise, drawing).cpu().long()
            differ = int((counts != expected).sum())
            yield f"noise: bytes of the CPU, {code}, {name}", differ == 0, f"{differ} counts differ"
    yield from _frames_of_a_launch(device)
    mean, count = 37.0, 2**18
    drawn = Compiled().photons(torch.full((1, 512, 512), mean, device=device), [0], stream)
    off = (float(drawn.mean()) - mean) / (mean / count) ** 0.5
    wide = (float(drawn.var()) / mean - 1) / (2 / count) ** 0.5
    yield "noise: mean and variance of 2^18 pixels", max(abs(off), abs(wide)) < 4.5, f"{off:+.1f}, {wide:+.1f} sigma"


def _frames_of_a_launch(device: str) -> Iterator[tuple[str, bool, str]]:
    """Several images in one launch against a launch for each of them."""
    import torch

    from nanobrag_torch.simulator.batch import images_of

    for dtype in (torch.float32, torch.float64):
        with torch.no_grad():
            simulations = _simulations(_series(device, dtype, 8), range(8))
            together = images_of(simulations, trust_later=True)
            alone = torch.stack([simulation.image() for simulation in simulations])
        differ = int((together.images != alone).sum())
        doubt = together.doubt(together.digest.cpu())
        label = f"frames: 8 in one launch, {str(dtype).removeprefix('torch.')}"
        yield label, differ == 0 and doubt is None, doubt or f"{differ} pixels differ"


def _series(device: str, dtype: Any, count: int) -> Any:
    import torch

    from nanobrag_torch.simulator.series import Series

    os.environ["NANOBRAG_TORCH_COMPILE"] = "always"
    with torch.no_grad():
        return Series(parsed(FRAME), device, dtype, images=count)


def _simulations(series: Any, numbers: Iterable[int]) -> list[Any]:
    return [series.at((10.0, 20.0 + 0.1 * number, 30.0), 1e-10) for number in numbers]


def work_of_a_launch(device: str, dtype: Any) -> Callable[[], Any]:
    """Images and counts of the frames of one launch of a campaign, for a profile; nothing waits."""
    import torch

    from nanobrag_torch.noise.compiled import drawing_for
    from nanobrag_torch.noise.detector import Stream, counts_of
    from nanobrag_torch.simulator.batch import images_of

    series, noise = _series(device, dtype, USUAL), noises()["with noise"]
    with torch.no_grad():
        simulations = _simulations(series, range(USUAL))
    drawing = drawing_for(series.first.device)

    def work() -> Any:
        with torch.no_grad():
            images = images_of(simulations, trust_later=True).images
            return counts_of(images, list(range(USUAL)), Stream(4, "bench"), noise, drawing)

    return work


def frames_per_second(device: str, dtype: Any, noise: Any, at_once: int, count: int = FRAMES) -> float:
    """Frames of a series of orientations that reach the host in a second, so many a launch."""
    import torch

    series = _series(device, dtype, count)
    with torch.no_grad():
        _make(series, noise, at_once, 2 * at_once)
        started = time.perf_counter()
        _make(series, noise, at_once, count)
        return count / (time.perf_counter() - started)


def _make(series: Any, noise: Any, at_once: int, count: int) -> None:
    from nanobrag_torch.noise.compiled import drawing_for
    from nanobrag_torch.noise.detector import Stream, counts_of
    from nanobrag_torch.simulator.batch import copies_to_host, images_of

    drawing, stream = drawing_for(series.first.device), Stream(4, "bench")
    waiting: queue.Queue[Any] = queue.Queue(_WAITING)
    reader = threading.Thread(target=_read, args=(waiting,))
    reader.start()
    for first in range(0, count, at_once):
        numbers = range(first, min(first + at_once, count))
        batch = images_of(_simulations(series, numbers), trust_later=True)
        stored = batch.images if noise is None else counts_of(batch.images, list(numbers), stream, noise, drawing)
        waiting.put((batch, copies_to_host([batch.digest, stored])))
    waiting.put(None)
    reader.join()


def _read(waiting: queue.Queue[Any]) -> None:
    while (item := waiting.get()) is not None:
        batch, copies = item
        digest, _ = copies()
        batch.doubt(digest)


def times(device: str, dtype: Any) -> Iterator[str]:
    """The lines of a table."""
    kind = str(dtype).removeprefix("torch.")
    for name, noise in noises().items():
        for at_once in FRAMES_PER_LAUNCH if kind == "float32" else (USUAL,):
            rate = frames_per_second(device, dtype, noise, at_once)
            label = f"frames of a series, {kind}, 512 x 512, {name}, {at_once} a launch"
            goal = f"  (goal {GOALS[name]})" if name in GOALS else ""
            yield f"{label:72s} {rate:8.0f} frames/s{goal}"
