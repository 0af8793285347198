"""Images of many command lines on a device: right, the same bytes again and in tiles of any size, as traced.

Eager and compiled code in both types are held against eager float64 on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from nanobrag_bench.gpu.rows import Row, Task, check
from nanobrag_bench.gpu.runs import MODES, Plan, name_of, simulation_of

TOLERANCE_OF_PEAK = 1e-6
ULPS = {"eager": 1.0, "compiled": 4.0}  # of float32, the type of the image
TILES = {"eager": (2500,), "compiled": (997, 64)}  # pixels; eager code has hundreds of launches for each
_CELL = "-cell 70 80 90 85 95 105 -misset 10 20 30 -default_F 100 -lambda 1 -distance 100"
_WIDTH_MM = 9.6  # of the detector
LINES = {
    "one sample": f"{_CELL} -N 7 -oversample 1 -phi 0 -osc 1 -phisteps 5",
    "still": f"{_CELL} -N 7",
    "direct beam on a pixel": "-cell 100 -default_F 100 -N 5 -lambda 1 -detpixels 33 -oversample 1",
    "direct beam, turned": "-cell 100 -default_F 100 -N 5 -lambda 1 -detpixels 65 -oversample 1 -misset 10 20 30",
    "sub-pixels": f"{_CELL} -N 7 -oversample 3",
    "spindle": f"{_CELL} -Na 4 -Nb 6 -Nc 5 -phi 1.5 -osc 1 -phisteps 7",
    "mosaic": f"{_CELL} -N 6 -mosaic 0.8 -mosaic_dom 12",
    "sources": f"{_CELL} -N 6 -dispersion 1 -dispsteps 3 -hdivrange 2 -hdivsteps 3",
    "sensor": f"{_CELL} -N 6 -detector_thick 300 -detector_abs 200 -detector_thicksteps 4 -oversample_thick",
    "round": f"{_CELL} -N 6 -round_xtal",
    "gauss": f"{_CELL} -N 6 -gauss_xtal",
    "tophat": f"{_CELL} -N 2 -tophat_spots",
    "resolution": f"{_CELL} -N 6 -dmin 2.5",
    "best physics": f"{_CELL} -N 6 -defects none -water 5 -mosaic 0.5 -mosaic_dom 5 -twotheta 20",
}
TRACED = ("one sample", "still", "sources", "mosaic", "sensor", "direct beam on a pixel", "best physics")


def line_of(name: str, side: int) -> str:
    """The command line of that name, on a square detector of so many pixels unless it states its own."""
    line = LINES[name]
    return line if "-detpixels" in line else f"{line} -detpixels {side} -pixel {_WIDTH_MM / side:g}"


def tasks(plan: Plan) -> Iterator[Task]:
    """Every command line by itself."""
    for name in islice(LINES, plan.extent.lines):
        yield f"image: {name}", partial(_of_line, plan, name)


def _of_line(plan: Plan, name: str) -> Iterator[Row]:
    import torch

    line = line_of(name, plan.extent.checked)
    truth = simulation_of(line, "cpu", torch.float64, "eager").image(image_dtype=torch.float64)
    for mode in MODES:
        for dtype in plan.dtypes:
            subject = f"{name}, {mode}, {name_of(dtype)}"
            simulation = simulation_of(line, plan.device, dtype, mode)
            image, again = simulation.image(), simulation.image()
            worst = float((image.cpu().double() - truth).abs().max() / truth.abs().max())
            right = worst <= TOLERANCE_OF_PEAK and simulation.made_by.name == mode
            yield check(f"image: {subject}", right, f"{worst:.1e} of the peak by {simulation.made_by.name} code")
            yield check(f"same bytes: {subject}", torch.equal(image, again))
            yield check(
                f"tiles: {subject}", all(torch.equal(image, _in_tiles(simulation, size)) for size in TILES[mode])
            )
            if name in TRACED:
                ulps = max(_ulps_between_trace_and_image(simulation, image, pixel) for pixel in _pixels(truth))
                yield check(f"trace: {subject}", ulps <= ULPS[mode], f"{ulps:g} ulp")


def _in_tiles(simulation: Any, pixels: int) -> Any:
    """The image from tiles of so many pixels."""
    backend = simulation.backend()
    usual, backend.pixels = backend.pixels, pixels
    try:
        return simulation.image()
    finally:
        backend.pixels = usual


def _pixels(truth: Any) -> list[tuple[int, int]]:
    """The brightest pixel, the middle of the detector, a corner."""
    slow, fast = truth.shape
    brightest = int(truth.argmax())
    return [(brightest // fast, brightest % fast), (slow // 2, fast // 2), (0, 0)]


def _ulps_between_trace_and_image(simulation: Any, image: Any, position: tuple[int, int]) -> float:
    """Units in the last place of float32 between the traced pixel and the image's."""
    import torch

    from nanobrag_torch.trace import trace_simulation

    last = [line for line in trace_simulation(simulation, *position) if " floatimage_accumulated " in line]
    traced, pixel = torch.tensor(float(last[-1].split()[-1])), image[position].cpu().float()
    step = torch.nextafter(pixel.abs(), torch.tensor(torch.inf)) - pixel.abs()
    return float((traced - pixel).abs() / step)
