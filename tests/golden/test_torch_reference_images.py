"""The torch program against images of the real nanoBragg."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import simulate

IMAGES = Path(__file__).parent / "reference_images"
CASES = json.loads((IMAGES / "cases.json").read_text())
WITH_SHARED_FILES = ["supervisor_roi", "interpolated"]
# of the peak
LARGEST_DIFFERENCE = {torch.float64: 1e-7, torch.float32: 1e-5}
DTYPES = pytest.mark.parametrize("dtype", LARGEST_DIFFERENCE, ids=["float64", "float32"])


def image_of(arguments: list[str], dtype: torch.dtype) -> np.ndarray:
    """The image of a command line whose files are in the current folder, (slow, fast) as float64."""
    return simulate(parse(arguments).experiment, dtype=dtype).numpy().astype(float)


def difference(image: np.ndarray, reference: np.ndarray) -> float:
    assert image.shape == reference.shape
    return np.abs(image - reference.astype(float)).max() / np.abs(reference).max()


def reference_of(folder: Path, name: str, preset: str) -> np.ndarray:
    stored = np.load(folder / f"{name}.npz")
    return stored["historic" if preset == "historic" and "historic" in stored else "corrected"]


@DTYPES
@pytest.mark.parametrize("preset", ["default", "historic"])
@pytest.mark.parametrize("name", CASES)
def test_image(name, preset, dtype, monkeypatch):
    monkeypatch.chdir(IMAGES)
    arguments = [*CASES[name]["args"].split(), "-nonoise", "-nopgm", "-defects", preset]
    image = image_of(arguments, dtype)
    assert difference(image, reference_of(IMAGES, name, preset)) <= LARGEST_DIFFERENCE[dtype]


def test_wrong_preset_is_noticed(monkeypatch):
    """The tolerance distinguishes the two presets wherever their images differ."""
    monkeypatch.chdir(IMAGES)
    differing = [name for name, case in CASES.items() if case["historic_differs"]]
    assert differing
    for name in differing:
        image = image_of([*CASES[name]["args"].split(), "-nopgm", "-defects", "default"], torch.float32)
        assert difference(image, reference_of(IMAGES, name, "historic")) > 100 * LARGEST_DIFFERENCE[torch.float32]


@pytest.fixture
def shared_cases(shared_golden, monkeypatch) -> dict:
    monkeypatch.chdir(shared_golden)
    return json.loads((shared_golden / "cases.json").read_text())


@pytest.mark.shared
@DTYPES
@pytest.mark.parametrize("preset", ["default", "historic"])
@pytest.mark.parametrize("name", WITH_SHARED_FILES)
def test_image_with_shared_inputs(name, preset, dtype, shared_cases, shared_golden):
    case = shared_cases[name]
    image = image_of([*case["args"].split(), "-nonoise", "-nopgm", "-defects", preset, *away()], dtype)
    if roi := case["roi_xmin_xmax_ymin_ymax"]:
        image = image[roi[2] : roi[3] + 1, roi[0] : roi[1] + 1]
    assert difference(image, reference_of(shared_golden, name, preset)) <= LARGEST_DIFFERENCE[dtype]


def away() -> list[str]:
    """Output names outside the shared folder, which may not be writable."""
    return ["-floatfile", os.devnull, "-intfile", os.devnull]


SUPERVISOR = pytest.mark.parametrize(
    ("defects", "which"), [("default", "corrected"), ("default,+phi_carryover", "historic")]
)


@pytest.mark.shared
@DTYPES
@SUPERVISOR
def test_supervisor_peak(defects, which, dtype, shared_cases, shared_golden):
    case, stored = shared_cases["supervisor"], np.load(shared_golden / "supervisor.npz")
    slow, fast = (int(i) for i in stored["patch_origin_slow_fast"])
    region = ["-roi", *map(str, (fast, fast + 63, slow, slow + 63))]
    image = image_of([*case["args"].split(), "-nonoise", "-nopgm", "-defects", defects, *away(), *region], dtype)
    patch = image[slow : slow + 64, fast : fast + 64]
    assert np.abs(patch - stored[f"{which}_patch"]).max() <= LARGEST_DIFFERENCE[dtype] * case[f"{which}_max"]
    assert [*np.unravel_index(image.argmax(), image.shape)] == case[f"{which}_peak_slow_fast"]


@pytest.mark.slow
@pytest.mark.shared
@DTYPES
@SUPERVISOR
def test_supervisor_image(defects, which, dtype, shared_cases, shared_golden):
    case, stored = shared_cases["supervisor"], np.load(shared_golden / "supervisor.npz")
    image = image_of([*case["args"].split(), "-nonoise", "-nopgm", "-defects", defects, *away()], dtype)
    sampled = np.abs(image.ravel()[stored["sample_index"]] - stored[f"{which}_sample"])
    assert len(sampled) >= 10_000
    assert sampled.max() <= LARGEST_DIFFERENCE[dtype] * case[f"{which}_max"]
    assert image.sum() == pytest.approx(case[f"{which}_sum"], rel=1e-6)
