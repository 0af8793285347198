"""Two experiments with published intermediate numbers, through the torch program's trace and image."""

import pytest
import torch

from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import simulate
from nanobrag_torch.trace import trace_lines
from tests.check_cases import EXPECTED, IMAGE_SUM, PIXEL_SLOW_FAST

RELATIVE_TOLERANCE = {torch.float64: 2e-12, torch.float32: 1e-6}


def last_values(lines: list[str]) -> dict[str, list[str]]:
    """The values of each `TRACE_PY: key value ...`, those of the last sub-pixel and layer where there are several."""
    rows = (line.removeprefix("TRACE_PY: ").split() for line in lines if line.startswith("TRACE_PY: "))
    return {key: values for key, *values in rows}


@pytest.mark.parametrize("dtype", RELATIVE_TOLERANCE, ids=["float64", "float32"])
@pytest.mark.parametrize("defects", ["default", "historic"])
@pytest.mark.parametrize("case", EXPECTED, ids=["A", "B"])
def test_published_numbers(case, defects, dtype):
    experiment = parse([*case.split(), "-nonoise", "-nopgm", "-defects", defects]).experiment
    traced = last_values(list(trace_lines(experiment, *PIXEL_SLOW_FAST, dtype=dtype)))
    for key, expected in EXPECTED[case].items():
        values = [float(value) for value in traced[key]]
        assert values == pytest.approx(expected, rel=RELATIVE_TOLERANCE[dtype], abs=0), key
    image = simulate(experiment, dtype=dtype)
    assert float(image.double().sum()) == pytest.approx(IMAGE_SUM[case], rel=max(1e-8, RELATIVE_TOLERANCE[dtype]))
    final = EXPECTED[case]["I_pixel_final"][0]
    assert float(image[PIXEL_SLOW_FAST]) == pytest.approx(final, rel=max(1e-7, RELATIVE_TOLERANCE[dtype]))
