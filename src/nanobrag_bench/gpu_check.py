"""`python -m nanobrag_bench gpu-check`: the torch program on a GPU, checked and timed in less than four minutes.

Needs torch alone, no file and no C program. Checks: images of a dozen command lines on the GPU, eager and compiled, in
both types, against eager float64 on the CPU (1e-6 of the peak); the traced pixel is the image's pixel; the same bytes
from run to run; derivatives as on the CPU, and the same bytes again; noise with the bytes of the CPU (`gpu_frames.py`).
Then times (`gpu_times.py`). Exit status 0 if
every check holds, 1 if one does not, 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from nanobrag_bench import gpu_frames
from nanobrag_bench.gpu_runs import MODES, derivatives, derivatives_and_path, simulation_of

TOLERANCE_OF_PEAK = 1e-6
SLOPES_IN_FLOAT32 = 2e-5  # of each derivative
ULPS = {"eager": 1.0, "compiled": 4.0}  # of float32, the type of the image
_CELL = "-cell 70 80 90 85 95 105 -misset 10 20 30 -default_F 100 -lambda 1 -distance 100 -detpixels 96 -pixel 0.1"
LINES = {
    "still": f"{_CELL} -N 7",
    "direct beam on a pixel": "-cell 100 -default_F 100 -N 5 -lambda 1 -detpixels 33 -oversample 1",
    "direct beam, turned": "-cell 100 -default_F 100 -N 5 -lambda 1 -detpixels 65 -oversample 1 -misset 10 20 30",
    "one sample": f"{_CELL} -N 7 -oversample 1 -phi 0 -osc 1 -phisteps 5",
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
DIFFERENTIATED = ("still", "one sample", "mosaic", "sources", "round")
TRACED = ("still", "sources", "mosaic", "sensor", "direct beam on a pixel", "best physics")


def _checks(device: str) -> Iterator[tuple[str, bool, str]]:
    """(name, passed, figures) of every check."""
    import torch

    for name, line in LINES.items():
        truth = simulation_of(line, "cpu", torch.float64, "eager").image(image_dtype=torch.float64)
        for mode in MODES:
            for dtype in (torch.float64, torch.float32):
                simulation = simulation_of(line, device, dtype, mode)
                image, again = simulation.image(), simulation.image()
                worst = float((image.cpu().double() - truth).abs().max() / truth.abs().max())
                subject = f"{name}, {mode}, {str(dtype).removeprefix('torch.')}"
                yield f"image: {subject}", worst <= TOLERANCE_OF_PEAK, f"{worst:.1e} of the peak"
                yield f"same bytes: {subject}", torch.equal(image, again), ""
                if name not in TRACED:
                    continue
                ulps = max(_ulps_between_trace_and_image(simulation, image, pixel) for pixel in _pixels(truth))
                yield f"trace: {subject}", ulps <= ULPS[mode], f"{ulps:g} ulp"


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


def _derivative_checks(device: str) -> Iterator[tuple[str, bool, str]]:
    import torch

    for name in DIFFERENTIATED:
        truth = derivatives(LINES[name], "cpu", torch.float64, "eager")
        for mode, dtype, limit in (
            ("eager", torch.float64, TOLERANCE_OF_PEAK),
            ("compiled", torch.float64, TOLERANCE_OF_PEAK),
            ("compiled", torch.float32, SLOPES_IN_FLOAT32),
        ):
            if mode == "eager" and name != "still":
                continue
            (got, path), (again, _) = (derivatives_and_path(LINES[name], device, dtype, mode) for _ in range(2))
            worst = max(abs(a - b) / abs(b) for a, b in zip(got, truth, strict=True))
            subject = f"{name}, {mode}, {str(dtype).removeprefix('torch.')}"
            yield f"derivatives: {subject}", worst <= limit, f"{worst:.1e}"
            yield f"same bytes: derivatives, {subject}", got == again, ""
            yield f"derivative path: {subject}", mode == "eager" or path.startswith("tiles, compiled"), path


def main(argv: list[str]) -> int:
    """Run all checks and timings and print the table."""
    parser = argparse.ArgumentParser(prog="python -m nanobrag_bench gpu-check", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda or cuda:N; cpu runs the checks without the times")
    parser.add_argument("--repeats", type=int, default=9, help="runs of each timing")
    parser.add_argument("--only", choices=("checks", "times"), help="leave out the other half")
    options = parser.parse_args(argv)
    import torch

    if options.device != "cpu" and not torch.cuda.is_available():
        print(
            "gpu-check: error: torch sees no CUDA device; run it where there is one, or with --device cpu",
            file=sys.stderr,
        )
        return 2
    failed, started = 0, time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="cache-") as cache:
        os.environ["NANOBRAG_TORCH_CACHE"] = cache
        if options.only != "times":
            failed = _print_checks(options.device)
            print(f"checked in {time.perf_counter() - started:.0f} s\n", flush=True)
        if options.device != "cpu" and options.only != "checks":
            from nanobrag_bench import gpu_times

            for line in gpu_times.report(options.device, options.repeats):
                print(line, flush=True)
    print(f"{failed} checks failed; {time.perf_counter() - started:.0f} s in all")
    return 1 if failed else 0


def _print_checks(device: str) -> int:
    """Print all checks; returns how many fail."""
    failed = 0
    for subject, holds, figures in chain(_checks(device), _derivative_checks(device), gpu_frames.checks(device)):
        failed += not holds
        if not holds or figures:
            print(f"{'ok  ' if holds else 'FAIL'}  {subject:60s} {figures}", flush=True)
    return failed
