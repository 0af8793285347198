"""The published factors of pixel (685, 1039), which contain the historic phi carry-over, from both programs."""

from __future__ import annotations

import subprocess

import pytest
import torch

from nanobrag_torch import cli
from nanobrag_torch.trace import trace_lines
from trace_audit.config.scenario import ScenarioFiles, arguments, load_scenario, write_matrix

SLOW, FAST = 685, 1039
PUBLISHED = {
    "I_before_scaling": 943654.80923755,
    "r_e_sqr": 7.94079248018965e-30,
    "fluence_photons_per_m2": 1e24,
    "steps": 10,
    "capture_fraction": 1,
    "polar": 0.91463969894451,
    "omega_pixel": 4.20412684465831e-07,
    "cos_2theta": 0.910647790250995,
    "I_pixel_final": 2.88139542684698e-07,
}
# the same pixel with every spindle step at its own orientation
CORRECTED = PUBLISHED | {"I_before_scaling": 807189.768676511, "I_pixel_final": 2.46470731171432e-07}


@pytest.fixture(params=[("supervisor_historic", PUBLISHED), ("supervisor", CORRECTED)], ids=lambda case: case[0])
def case(request, tmp_path) -> tuple[list[str], dict[str, float]]:
    """The scenario's command line, with a reflection file of just the amplitudes that the scenario fixes."""
    name, expected = request.param
    scenario = load_scenario(name)
    reflections = tmp_path / "traced.hkl"
    fixed = scenario.structure_factors.fixed_amplitudes
    reflections.write_text("".join(f"{' '.join(map(str, row.hkl))} {row.F_electrons}\n" for row in fixed))
    files = ScenarioFiles(hkl=reflections, matrix=write_matrix(scenario, tmp_path))
    return arguments(scenario, files), expected


def traced(lines) -> dict[str, float]:
    fields = (line.split() for line in lines if line.startswith(("TRACE_C: ", "TRACE_PY: ")))
    return {key: float(values[0]) for _, key, *values in fields if key in PUBLISHED}


def test_c_program(case, c_binary, tmp_path):
    arguments, expected = case
    run = subprocess.run(
        [c_binary, *arguments, "-roi", *map(str, (FAST, FAST, SLOW, SLOW)), "-trace_pixel", str(SLOW), str(FAST)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert traced(run.stdout.splitlines()) == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-6)])
def test_torch(case, dtype, tolerance):
    arguments, expected = case
    lines = trace_lines(cli.parse(arguments).experiment, SLOW, FAST, dtype=dtype)
    assert traced(lines) == pytest.approx(expected, rel=tolerance, abs=0)
