"""`python -m trace_audit.images.patch`: the pixels around a traced one, by both programs, for the report.

The verdict comes from the trace; this shows the spot it belongs to. A program that cannot make the image is named in
the file.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import run_command
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.images.audited import add_options, read_audited
from trace_audit.images.two_images import simulate_both
from trace_audit.programs.reference import DEFAULT_TIME_LIMIT_S

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


def main(argv: list[str]) -> int:
    """Simulate the patch with both programs and write it."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.images.patch", description=__doc__, allow_abbrev=False)
    add_options(parser)
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="patch.json")
    options = parser.parse_args(argv)
    audited = read_audited(options)
    box = bounds(audited.scenario, *audited.pixel)
    images = simulate_both(audited, options.time_limit_s, ["-roi", *map(str, (box[2], box[3], box[0], box[1]))])
    result: dict[str, Any] = {"first_slow_fast": [box[0], box[2]], "failure": images.failure}
    result["made_by"] = audited.made_by()
    for side, image in (("c", images.c), ("py", images.py)):
        if image is not None:
            result[side] = _numbers(image, box)
    write_atomic(options.out, readable_json(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
