"""Images of the real nanoBragg, which come with the sources, held against this device's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from nanobrag_bench.gpu.rows import Row, Task, check, not_run
from nanobrag_bench.gpu.runs import MODES, Plan, name_of, simulation_of

FOLDER = Path(__file__).parents[3] / "tests" / "golden" / "reference_images"
TOLERANCE_OF_PEAK = 1e-6
_PRESET = "-nonoise -nopgm -defects default"


def tasks(plan: Plan) -> Iterator[Task]:
    """Every case by itself; one that says why, where the files are not there."""
    folder = (plan.golden or FOLDER).resolve()
    listed = folder / "cases.json"
    if not listed.is_file():
        why = f"{listed} is not there; --golden names a folder with cases.json and images"
        yield "golden: all", lambda: iter([not_run("golden: all", why)])
        return
    cases = json.loads(listed.read_text())
    for name in islice(cases, plan.extent.cases):
        yield f"golden: {name}", partial(_of_case, plan, folder, name, cases[name])


def _of_case(plan: Plan, folder: Path, name: str, case: dict[str, Any]) -> Iterator[Row]:
    if not (folder / f"{name}.npz").is_file():
        yield not_run(f"golden: {name}", "there is no image of it")
        return
    for mode in MODES:
        for dtype in plan.dtypes:
            with chdir(folder):  # where the files of the command line are
                simulation = simulation_of(f"{case['args']} {_PRESET}", plan.device, dtype, mode)
            worst = _off(simulation.image().cpu().double(), folder / f"{name}.npz", case)
            right = worst <= TOLERANCE_OF_PEAK and simulation.made_by.name == mode
            subject = f"golden: {name}, {mode}, {name_of(dtype)}"
            yield check(subject, right, f"{worst:.1e} of the peak by {simulation.made_by.name} code")


def _off(image: Any, file: Path, case: dict[str, Any]) -> float:
    """The largest difference from the stored image, a region of it or some of its pixels, as a share of the peak."""
    import numpy as np
    import torch

    with np.load(file) as stored:
        of_all = "corrected" in stored
        expected = torch.from_numpy(stored["corrected" if of_all else "corrected_sample"]).double()
        positions = None if of_all else torch.from_numpy(stored["sample_index"]).long()
    if positions is not None:
        return float((image.reshape(-1)[positions] - expected).abs().max() / case["corrected_max"])
    if region := case.get("roi_xmin_xmax_ymin_ymax"):
        image = image[region[2] : region[3] + 1, region[0] : region[1] + 1]
    return float((image - expected).abs().max() / expected.abs().max())
