"""Times of images on a device, and what there is to know of the card and the versions."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

from nanobrag_bench.gpu.clock import Profile, in_a_row, median, profile
from nanobrag_bench.gpu.rows import Row, Task, figure, milliseconds
from nanobrag_bench.gpu.runs import Extent, Plan, name_of, parsed, set_mode, simulation_of

LARGE = (
    "-cell 70 80 90 85 95 105 -misset 10 20 30 -default_F 100 -N 20 -lambda 1 -distance 200 -pixel 0.1 -oversample 1"
)
SPINDLE = "-phi 0 -osc 0.1 -phisteps 10"
_EVERY_KIND = "-oversample 2 -dispersion 1 -dispsteps 2 -detector_thick 300 -detector_abs 200 -detector_thicksteps 2"


def images(extent: Extent) -> dict[str, str]:
    """The command lines of the timed images, by their size."""
    side, supervisor, domains = extent.times[0], extent.supervisor, extent.domains
    mosaic = f"{LARGE} -detpixels {side} -mosaic 0.5 -mosaic_dom {domains} -phi 0 -osc 1 -phisteps 10"
    many = f"{side} x {side}, {10 * domains} orientations"
    return {
        f"{supervisor} x {supervisor}, 10 orientations": f"{LARGE} -detpixels {supervisor} {SPINDLE}",
        many: mosaic,
        f"{many}, 4 sources": f"{mosaic} -dispersion 1 -dispsteps 4",
    }


def tasks(plan: Plan) -> Iterator[Task]:
    """Every image in both types, images from an experiment, and one with samples, sources and layers."""
    for dtype in plan.dtypes:
        for size, line in images(plan.extent).items():
            yield f"image, {size}, {name_of(dtype)}", partial(_image, plan, line, size, dtype)
    for dtype in plan.dtypes:
        for side in plan.extent.times:
            subject = f"image from an experiment, {side} x {side}, {name_of(dtype)}"
            yield subject, partial(_from_experiment, plan, side, dtype, subject)
    yield "image with samples, sources and layers", partial(_of_every_kind, plan)


def _image(plan: Plan, line: str, size: str, dtype: Any) -> Iterator[Row]:
    simulation, subject = simulation_of(line, plan.device, dtype, "compiled"), f"{size}, {name_of(dtype)}"
    alone, row = median(simulation.image, plan.repeats, plan.device), in_a_row(simulation.image, plan.device)
    seen = profile(simulation.image, plan.device)
    by_profile = isinstance(seen, Profile)
    kernel = seen.busy_s if isinstance(seen, Profile) else row
    yield milliseconds(f"image(), {subject}", alone, f"by {simulation.made_by.name} code")
    yield milliseconds(f"images in a row, {subject}", row)
    yield milliseconds(f"kernel, {subject}", kernel, "of the profile" if by_profile else f"images in a row; {seen}")
    yield figure(f"rate, {subject}", simulation.steps / kernel / 1e9, "Gsteps/s")
    if by_profile:
        yield Row("note", f"{subject}: {seen}")


def _from_experiment(plan: Plan, side: int, dtype: Any, subject: str) -> Iterator[Row]:
    from nanobrag_torch.simulator import simulate

    set_mode("compiled")
    experiment = parsed(f"{LARGE} -detpixels {side} {SPINDLE}")
    work = partial(simulate, experiment, device=plan.device, dtype=dtype)
    yield milliseconds(subject, median(work, plan.repeats, plan.device), str(profile(work, plan.device)))


def _of_every_kind(plan: Plan) -> Iterator[Row]:
    import torch

    line = f"{LARGE} -detpixels {plan.extent.times[0]} {SPINDLE} {_EVERY_KIND}"
    simulation = simulation_of(line, plan.device, torch.float32, "compiled")
    seconds, seen = median(simulation.image, plan.repeats, plan.device), profile(simulation.image, plan.device)
    yield milliseconds("image with 4 samples, 2 sources and 2 layers, 10 orientations, float32", seconds, str(seen))
    if isinstance(seen, Profile):
        yield figure("launches of an image with samples, sources and layers", seen.launches, "launch")


def about(device: str) -> list[str]:
    """The card, its clocks, and the versions of everything."""
    import torch

    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}"
    if device == "cpu":
        return [f"no card: {platform.processor() or platform.machine()}", versions]
    card = torch.cuda.get_device_properties(device)
    size_GiB, compute = card.total_memory / 2**30, f"{card.major}.{card.minor}"
    lines = [f"{card.name}, {card.multi_processor_count} processors, {size_GiB:.0f} GiB, compute {compute}"]
    return [*lines, *_clocks(), versions]


def _clocks() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return ["clocks and driver: not known, there is no nvidia-smi"]
    query = "--query-gpu=driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit"
    try:
        done = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"clocks and driver: not known, {error}"]
    return [f"driver, processor clock now and at most, memory clock, power: {'; '.join(done.stdout.splitlines()[:1])}"]
