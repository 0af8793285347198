"""`python -m trace_audit.patch`: the pixels round a traced one, by both programs, for the report.

The verdict is the trace's; this shows what it is about. A program that cannot make the image is named in the file.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from trace_audit.device import choose_device
from trace_audit.errors import InputError, run_command
from trace_audit.files import readable_json, write_atomic
from trace_audit.image_comparison import read_image
from trace_audit.image_run import run_c, run_torch
from trace_audit.prepare import prepare_inputs
from trace_audit.reference import DEFAULT_TIME_LIMIT_S, ProgramRun
from trace_audit.scenario import arguments, check_pixel, load_scenario, scenario_path
from trace_audit.scenario_model import Scenario

REACH_PIXELS = 20


def bounds(scenario: Scenario, slow: int, fast: int) -> tuple[int, int, int, int]:
    """First and last slow, first and last fast pixel of the patch, inside the detector and its region of interest."""
    panel = scenario.detector
    slow_range, fast_range = [0, panel.pixels_slow - 1], [0, panel.pixels_fast - 1]
    if panel.roi:
        slow_range, fast_range = list(panel.roi.slow), list(panel.roi.fast)
    return (
        max(slow - REACH_PIXELS, slow_range[0]),
        min(slow + REACH_PIXELS, slow_range[1]),
        max(fast - REACH_PIXELS, fast_range[0]),
        min(fast + REACH_PIXELS, fast_range[1]),
    )


def _numbers(image: np.ndarray, box: tuple[int, int, int, int]) -> list[list[float]]:
    part = image[box[0] : box[1] + 1, box[2] : box[3] + 1]
    return [[float(f"{value:.9g}") for value in row] for row in part]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.patch", description=__doc__, allow_abbrev=False)
    parser.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the C program")
    parser.add_argument("--config", required=True, metavar="SCENARIO", help="name of a scenario, or its YAML file")
    parser.add_argument("--scenario-dir", type=Path, metavar="DIR", help="where scenarios are (config/scenarios)")
    parser.add_argument("--pixel", type=int, nargs=2, required=True, metavar=("SLOW", "FAST"))
    parser.add_argument("--hkl", type=Path, metavar="FILE", help="prepared structure factors, hkl text")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, auto")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="patch.json")
    return parser


def main(argv: list[str]) -> int:
    """Simulate the patch with both programs and write it."""
    options = _parser().parse_args(argv)
    scenario = load_scenario(options.config, options.scenario_dir)
    check_pixel(scenario, *options.pixel)
    box = bounds(scenario, *options.pixel)
    result: dict[str, Any] = {"first_slow_fast": [box[0], box[2]], "failure": None}
    shape = scenario.detector.pixels_slow, scenario.detector.pixels_fast
    with tempfile.TemporaryDirectory(prefix="patch-") as away:
        folder = scenario_path(options.config, options.scenario_dir).parent
        files = prepare_inputs(scenario, Path(away), hkl=options.hkl, scenario_folder=folder)
        words = [*arguments(scenario, files), "-roi", *map(str, (box[2], box[3], box[0], box[1]))]
        images = Path(away) / "c.bin", Path(away) / "py.bin"
        runs = (
            ("c", "C", lambda: run_c(options.binary, words, images[0], options.time_limit_s), images[0]),
            ("py", "torch", lambda: run_torch(words, images[1], _device(options.device), options.dtype), images[1]),
        )
        for side, program, run, image in runs:
            try:
                _sound(run(), program, options.time_limit_s)
                result[side] = _numbers(read_image(image, shape, program), box)
            except InputError as error:
                result["failure"] = str(error)
    write_atomic(options.out, readable_json(result))
    return 0


def _device(asked: str) -> str:
    return choose_device(asked).used or asked


def _sound(run: ProgramRun, program: str, time_limit_s: float) -> None:
    failure = run.failure(time_limit_s)
    if failure:
        raise InputError(f"the {program} program {failure}")


if __name__ == "__main__":
    raise SystemExit(run_command(main))
