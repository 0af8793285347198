"""The trace of one pixel against the simulator's own image and against independently written formulas."""

from __future__ import annotations

import math
import os
import re

os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")

import numpy as np
import pytest
import torch

from nanobrag_torch import cli
from nanobrag_torch.trace import trace_lines
from tests.independent_model import PlainExperiment, trace_pixel

SLOW, FAST = 61, 88
N_CELLS = (36, 47, 29)
MATRIX = np.array([[-0.0284, -0.0031, 0.0254], [-0.0287, 0.0102, -0.0140], [0.0105, -0.0321, -0.0104]])
RELATIVE_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-6}
# rounding in the phase of sin(pi N h) is absolute, so values near its zeros are compared on this scale
OSCILLATING_SCALE = 1e-4

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
    ),
]
DTYPES = [torch.float64, torch.float32]


def amplitude(h: int, k: int, l: int) -> float:
    """Any smooth, never repeating function of the indices."""
    return round(60.0 + 40.0 * math.sin(1.3 * h + 2.1 * k + 0.7 * l), 2)


AMPLITUDES = {(h, k, l): amplitude(h, k, l) for h in range(-24, 25) for k in range(-24, 25) for l in range(-24, 25)}


def experiment() -> PlainExperiment:
    """No factor of this experiment is 1: tilted and swung detector, thick sensor, polarized beam, five phi steps."""
    return PlainExperiment(
        matrix=MATRIX, n_cells=N_CELLS, wavelength_m=0.9768e-10, amplitudes=AMPLITUDES, default_F=0.0,
        flux=3e17, exposure_s=2.0, beamsize_m=0.8e-3, kahn=0.7, pixel_m=0.172e-3, fast_m=15.1e-3, slow_m=13.3e-3,
        distance_m=0.1307, fdet=(0.999982, -0.005998, -0.000118), sdet=(-0.005998, -0.999970, -0.004913),
        beam=(0.00051387949, 0.0, -0.99999986), polar=(0.1, 0.9, 0.2), spindle=(-1, 0.02, 0),
        twotheta_axis=(0, 1, 0), detector_deg=(1.5, -2.0, 0.7), twotheta_deg=6.0, thickness_m=320e-6,
        attenuation_m=250e-6, layers=2, phi_deg=[0.4 + 0.03 * j for j in range(5)], misset_deg=(3.0, -4.0, 5.0),
    )  # fmt: skip


def command_line(tmp_path, device: str, dtype: torch.dtype) -> list[str]:
    """The same experiment in nanoBragg's flags, with its input files."""
    (tmp_path / "A.mat").write_text("\n".join(" ".join(f"{v:.17g}" for v in row) for row in MATRIX))
    (tmp_path / "P1.hkl").write_text("\n".join(f"{h} {k} {l} {f}" for (h, k, l), f in AMPLITUDES.items()))
    return (
        "-mat A.mat -hkl P1.hkl -nointerpolate -nonoise -nopgm -Na 36 -Nb 47 -Nc 29 -oversample 1 -lambda 0.9768"
        " -misset 3 -4 5 -flux 3e17 -exposure 2 -beamsize 0.8 -polar 0.7 -pixel 0.172 -detpixels_x 200 -detpixels_y 180"
        " -Xclose 15.1 -Yclose 13.3 -Xbeam 15.1 -Ybeam 13.3 -distance 130.7 -detector_rotx 1.5 -detector_roty -2"
        " -detector_rotz 0.7 -twotheta_axis 0 1 0 -fdet_vector 0.999982 -0.005998 -0.000118"
        " -sdet_vector -0.005998 -0.999970 -0.004913 -odet_vector 0 0 -0.99 -beam_vector 0.00051387949 0 -0.99999986"
        " -polar_vector 0.1 0.9 0.2 -spindle_axis -1 0.02 0 -detector_thick 320 -detector_abs 250"
        " -detector_thicksteps 2 -phi 0.4 -osc 0.15 -phisteps 5 -twotheta 6"
        f" -roi {FAST} {FAST} {SLOW} {SLOW} -trace_pixel {SLOW} {FAST}"
        f" -device {device} -dtype {str(dtype).removeprefix('torch.')}"
    ).split()


def parse(text: str) -> dict:
    """Lines of a trace as numbers, grouped as `trace_pixel` groups them."""
    out: dict = {"subpixel": [], "phi": [], "term": []}
    block = out
    for line in text.splitlines():
        if not line.startswith("TRACE_PY"):
            continue
        if line.startswith("TRACE_PY_PHI "):
            out["phi"].append(tuple(float(field.split("=")[1]) for field in line.split()[1:]))
            continue
        key, _, value = re.match(r"TRACE_PY:\s?(\w+)([= ])(.*)", line).groups()
        if key in ("detector_convention", "beam_center_m", "defects"):
            continue
        numbers = [float(field.split(":")[-1]) for field in value.split()]
        if key == "subpixel":
            block = {}
            out["subpixel"].append(block)
        elif key == "term":
            out["term"].append(tuple(numbers))
        else:
            target = out if key == "I_background" else block
            block = target
            assert key not in target, f"{key} is there twice"
            target[key] = numbers
    return out


def disagreements(traced: dict, expected: dict, tolerance: float) -> list[str]:
    """Names of the keys whose values differ, are missing or are unknown."""
    wrong = [key for key in expected.keys() ^ traced.keys()]
    for key in expected.keys() & traced.keys():
        if key == "subpixel":
            pairs = zip(traced[key], expected[key], strict=True)
            wrong += [name for a, b in pairs for name in disagreements(a, b, tolerance)]
        elif key in ("phi", "term"):
            rows = zip(traced[key], expected[key], strict=len(traced[key]) == len(expected[key]))
            if len(traced[key]) != len(expected[key]) or not all(
                _close(a, b, tolerance, OSCILLATING_SCALE) for row in rows for a, b in zip(*row, strict=True)
            ):
                wrong.append(key)
        else:
            floor = OSCILLATING_SCALE if key.startswith("F_latt") else 0.0
            wrong += [] if _close(traced[key], expected[key], tolerance, floor) else [key]
    return wrong


def _close(traced, expected, tolerance: float, floor: float) -> bool:
    """Relative to the length of a vector, not to each component."""
    a, b = (np.atleast_1d(np.asarray(v, dtype=float)) for v in (traced, expected))
    return a.shape == b.shape and np.linalg.norm(a - b) <= tolerance * max(np.linalg.norm(b), floor)


def constant(values: list[float]) -> list[float]:
    """Ones, or twos where the value is 1 already."""
    return [2.0 if value == 1 else 1.0 for value in values]


class TestScalingTrace:
    @pytest.fixture
    def run(self, tmp_path, monkeypatch, capsys):
        def run(device: str, dtype: torch.dtype) -> tuple[dict, float]:
            monkeypatch.chdir(tmp_path)
            assert cli.main([*command_line(tmp_path, device, dtype), "-floatfile", "image.bin"]) == 0
            image = np.fromfile(tmp_path / "image.bin", dtype=np.float32).reshape(180, 200)
            return parse(capsys.readouterr().out), float(image[SLOW, FAST])

        return run

    @pytest.fixture
    def run_with(self, tmp_path, monkeypatch):
        def run(hooks) -> dict:
            monkeypatch.chdir(tmp_path)
            stated = cli.parse(command_line(tmp_path, "cpu", torch.float64)).experiment
            return parse("\n".join(trace_lines(stated, SLOW, FAST, hooks=hooks)))

        return run

    @pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
    @pytest.mark.parametrize("device", DEVICES)
    def test_scaling_trace_matches_physics(self, run, device, dtype):
        traced, in_image = run(device, dtype)
        expected = trace_pixel(experiment(), SLOW, FAST)
        expected.pop("trace", None)
        assert disagreements(traced, expected, RELATIVE_TOLERANCE[dtype]) == []
        assert traced["floatimage_accumulated"] == [pytest.approx(in_image, rel=1e-7)]
        assert in_image > 0

    def test_every_factor_of_this_experiment_differs_from_one(self):
        """So that a constant 1 in the place of any factor cannot go unnoticed."""
        expected = trace_pixel(experiment(), SLOW, FAST)
        for key in ("capture_fraction", "polar", "omega_pixel", "steps", "fluence_photons_per_m2", "I_before_scaling"):
            assert abs(expected[key] - 1) > 1e-3, key

    def test_any_printed_number_replaced_by_a_constant_is_caught(self, run):
        traced, _ = run("cpu", torch.float64)
        expected = trace_pixel(experiment(), SLOW, FAST)
        assert disagreements(traced, expected, 1e-9) == []
        for key in traced.keys() - {"subpixel", "phi", "term"}:
            assert key in disagreements(traced | {key: constant(traced[key])}, expected, 1e-9)
        for key in traced["subpixel"][0]:
            mutant = {**traced["subpixel"][0], key: constant(traced["subpixel"][0][key])}
            assert key in disagreements(traced | {"subpixel": [mutant, *traced["subpixel"][1:]]}, expected, 1e-9)
        for key in ("phi", "term"):
            for column in range(len(traced[key][0])):
                row = list(traced[key][-1])
                row[column] = constant([row[column]])[0]
                assert key in disagreements(traced | {key: [*traced[key][:-1], tuple(row)]}, expected, 1e-9)

    @pytest.mark.parametrize(
        ("value", "key"),
        [
            ("kahn_factor", "polar"),
            ("last_cos_2theta", "cos_2theta"),
            ("omega_sr", "omega_pixel"),
            ("captured", "capture_fraction"),
            ("F_cell", "F_cell"),
            ("F_latt_axes", "F_latt_a"),
            ("hkl", "hkl_frac"),
            ("position_m", "pixel_pos_meters"),
            ("fluence_photons_per_m2", "fluence_photons_per_m2"),
            ("q_per_m", "scattering_vec_A_inv"),
            ("photons", "I_pixel_final"),
        ],
    )
    def test_a_stage_replaced_by_one_is_caught(self, run_with, value, key):
        """The stage itself returns ones: the printed value is the live one, so the check must fail."""
        traced = run_with(lambda name, seen, place: torch.ones_like(seen) if name == value else seen)
        assert key in disagreements(traced, trace_pixel(experiment(), SLOW, FAST), 1e-9)

    def test_a_constant_divisor_is_caught(self, run_with):
        traced = run_with(lambda name, seen, place: 1 if name == "steps" else seen)
        wrong = disagreements(traced, trace_pixel(experiment(), SLOW, FAST), 1e-9)
        assert {"steps", "I_pixel_final"} <= set(wrong)
