"""Frames of a campaign on a GPU: is their noise right, and how many are made per second?

Frames take the same steps as in a campaign up to the host's memory: orientation, image, noise, copy during the next
launch, and the check of a few pixels of compiled code. Compression and writing are left out: the host does them in a
separate thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from nanobrag_bench.gpu.clock import median, profile
from nanobrag_bench.gpu.rows import Row, Task, check, figure, milliseconds
from nanobrag_bench.gpu.runs import Plan, name_of, parsed, set_mode

FRAME = (
    "-cell 70 80 90 85 95 105 -misset 10 20 30 -default_F 100 -N 20 -lambda 1 -distance 200 -pixel 0.1 -oversample 1"
    " -phi 0 -osc 0.1 -phisteps 10"
)
TOGETHER = (8, 5, 3, 1)  # frames a launch that must make the same bytes
_WAITING = 4
_ONES = 0xFFFFFFFF
PUBLISHED_ANSWERS = (  # counter, key, numbers of philox4x32: known answers of Random123 (Salmon et al. 2011)
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((_ONES,) * 4, (_ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),  # the digits of pi
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)


def noises() -> dict[str, Any]:
    """The kinds of noise that are timed."""
    from nanobrag_torch.noise import DetectorNoise

    full = DetectorNoise(gain=1.5, readout_sigma=3.0, offset=40.0, point_spread_fwhm_px=1.5)
    return {"without noise": None, "with photon noise": DetectorNoise(offset=40.0), "with noise": full}


def tasks(plan: Plan) -> Iterator[Task]:
    """The noise on a device against the noise on the CPU; frames of one launch against launches of their own."""
    yield "noise: generator", partial(_generator, plan.device)
    for name, noise in noises().items():
        if noise is not None:
            yield f"noise: {name}", partial(_counts, plan.device, name, noise)
    yield "noise: photons", partial(_photons, plan.device)
    yield "frames: in launches", partial(_frames_of_a_launch, plan)


def _generator(device: str) -> Iterator[Row]:
    import torch

    from nanobrag_torch.noise.philox import philox

    for number, (counter, key, answer) in enumerate(PUBLISHED_ANSWERS):
        block = philox(tuple(torch.tensor([counter_word], device=device) for counter_word in counter), key)  # type: ignore[arg-type]
        yield check(f"noise: published answer {number + 1} of the generator", tuple(map(int, block)) == answer)


def _counts(device: str, name: str, noise: Any) -> Iterator[Row]:
    import torch

    from nanobrag_torch.noise.compiled import Compiled
    from nanobrag_torch.noise.detector import ByTorch, Stream, counts_of

    images, frames, stream = 2.0 ** torch.linspace(-16, 18, 6 * 64 * 48).view(6, 64, 48), list(range(6)), Stream(5, "x")
    expected = counts_of(images, frames, stream, noise, ByTorch()).long()
    for code, drawing in (("torch", ByTorch()), ("compiled", Compiled())):
        counts = counts_of(images.to(device), frames, stream, noise, drawing).cpu().long()
        differ = int((counts != expected).sum())
        yield check(f"noise: bytes of the CPU, {code}, {name}", differ == 0, f"{differ} counts differ")


def _photons(device: str) -> Iterator[Row]:
    import torch

    from nanobrag_torch.noise.compiled import Compiled
    from nanobrag_torch.noise.detector import Stream

    mean, count = 37.0, 2**18
    drawn = Compiled().photons(torch.full((1, 512, 512), mean, device=device), [0], Stream(5, "x"))
    off = (float(drawn.mean()) - mean) / (mean / count) ** 0.5
    wide = (float(drawn.var()) / mean - 1) / (2 / count) ** 0.5
    close = max(abs(off), abs(wide)) < 4.5
    yield check("noise: mean and variance of 2^18 pixels", close, f"{off:+.1f}, {wide:+.1f} sigma")


def _frames_of_a_launch(plan: Plan) -> Iterator[Row]:
    """Frames in launches of several sizes against a launch for each of them."""
    import torch

    from nanobrag_torch.simulator.batch import images_of

    count = max(TOGETHER)
    for dtype in plan.dtypes:
        with torch.no_grad():
            simulations = _simulations(_series(plan, dtype, count), range(count))
            alone = torch.stack([simulation.image() for simulation in simulations])
            for size in TOGETHER:
                batches = [
                    images_of(simulations[first : first + size], trust_later=True) for first in range(0, count, size)
                ]
                differ = int((torch.cat([batch.images for batch in batches]) != alone).sum())
                doubts = [doubt for batch in batches if (doubt := batch.doubt(batch.digest.cpu()))]
                figures = doubts[0] if doubts else f"{differ} pixels differ"
                yield check(f"frames: {size} a launch, {name_of(dtype)}", differ == 0 and not doubts, figures)


def _series(plan: Plan, dtype: Any, count: int) -> Any:
    import torch

    from nanobrag_torch.simulator.series import Series

    set_mode("compiled")
    with torch.no_grad():
        return Series(parsed(f"{FRAME} -detpixels {plan.extent.frame}"), plan.device, dtype, images=count)


def _simulations(series: Any, numbers: Iterable[int]) -> list[Any]:
    angles = [(10.0, 20.0 + 0.1 * number, 30.0) for number in numbers]
    simulations: list[Any] = series.several(angles, [1e-10] * len(angles))
    return simulations


def times(plan: Plan) -> Iterator[Task]:
    """The kernels of one launch, then frames a second: first as a campaign makes them, then with other launches."""
    import torch

    launch_sizes, usual = plan.extent.per_launch, plan.extent.usual
    for dtype in plan.dtypes:
        yield f"frames: a launch, {name_of(dtype)}", partial(_launch, plan, dtype, usual)
    cases = [(name, dtype, usual) for dtype in plan.dtypes for name in noises()]
    cases += [(name, torch.float32, at_once) for name in noises() for at_once in launch_sizes]
    for name, dtype, at_once in cases:
        yield f"frames: {name}", partial(_rate, plan, dtype, name, at_once, at_once == usual)


def _launch(plan: Plan, dtype: Any, at_once: int) -> Iterator[Row]:
    """Images and counts of the frames of one launch of a campaign; nothing waits."""
    import torch

    from nanobrag_torch.noise.compiled import drawing_for
    from nanobrag_torch.noise.detector import Stream, counts_of
    from nanobrag_torch.simulator.batch import images_of

    series, noise = _series(plan, dtype, at_once), noises()["with noise"]
    with torch.no_grad():
        simulations = _simulations(series, range(at_once))
    drawing = drawing_for(series.first.device)

    def work() -> Any:
        with torch.no_grad():
            images = images_of(simulations, trust_later=True).images
            return counts_of(images, list(range(at_once)), Stream(4, "bench"), noise, drawing)

    side = plan.extent.frame
    subject = f"{at_once} images and their noise, {side} x {side}, {name_of(dtype)}"
    yield milliseconds(subject, median(work, plan.repeats, plan.device), str(profile(work, plan.device)))


def _rate(plan: Plan, dtype: Any, name: str, at_once: int, usual: bool) -> Iterator[Row]:
    rate, side = frames_per_second(plan, dtype, noises()[name], at_once), plan.extent.frame
    subject = f"frames, {side} x {side}, {name}"
    yield figure(f"{subject}, {at_once} a launch, {name_of(dtype)}", rate, "frames/s")
    if usual and name_of(dtype) == "float32":
        yield figure(subject, rate, "frames/s", f"{at_once} a launch, float32")


def frames_per_second(plan: Plan, dtype: Any, noise: Any, at_once: int) -> float:
    """Frames of a series of orientations that reach the host in a second, so many a launch."""
    import torch

    count = plan.extent.frames
    series = _series(plan, dtype, count)
    with torch.no_grad():
        _make(series, noise, at_once, min(2 * at_once, count))
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
