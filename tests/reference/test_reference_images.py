"""The C program against images of the real nanoBragg."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

IMAGES = Path(__file__).resolve().parents[1] / "golden" / "reference_images"
CASES = json.loads((IMAGES / "cases.json").read_text())
LARGEST_DIFFERENCE = 1e-6  # of the peak


def difference(image: np.ndarray, reference: np.ndarray) -> float:
    return np.abs(image - reference.astype(float)).max() / np.abs(reference).max()


@pytest.mark.parametrize("preset", ["default", "historic"])
@pytest.mark.parametrize("name", CASES)
def test_image(nanobragg, name, preset):
    stored = np.load(IMAGES / f"{name}.npz")
    reference = stored["historic" if preset == "historic" and "historic" in stored else "corrected"]
    files = {"sources.txt": (IMAGES / "sources.txt").read_text()}
    image = nanobragg.image(*CASES[name]["args"].split(), "-nopgm", "-noprogress", "-defects", preset, files=files)
    assert image.shape == tuple(CASES[name]["shape_slow_fast"])
    assert difference(image, reference) <= LARGEST_DIFFERENCE


def test_historic_cases_differ_where_the_list_says_so():
    for name, case in CASES.items():
        stored = np.load(IMAGES / f"{name}.npz")
        assert case["historic_differs"] == ("historic" in stored)


def shared_case(shared_golden, nanobragg, name, *more):
    for file in ("A.mat", "scaled.hkl"):
        shutil.copy(shared_golden / file, nanobragg.folder)
    case = json.loads((shared_golden / "cases.json").read_text())[name]
    return case, nanobragg.succeed(*case["args"].split(), "-nopgm", "-noprogress", *more)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["supervisor_roi", "interpolated"])
def test_image_with_shared_inputs(shared_golden, nanobragg, name):
    case, result = shared_case(shared_golden, nanobragg, name)
    first_fast, last_fast, first_slow, last_slow = case["roi_xmin_xmax_ymin_ymax"] or (0, None, 0, None)
    image = result.image[first_slow : last_slow and last_slow + 1, first_fast : last_fast and last_fast + 1]
    assert difference(image, np.load(shared_golden / f"{name}.npz")["corrected"]) <= LARGEST_DIFFERENCE


@pytest.mark.shared
@pytest.mark.parametrize(("defects", "which"), [("default", "corrected"), ("default,+phi_carryover", "historic")])
def test_supervisor_image(shared_golden, nanobragg, defects, which):
    case, result = shared_case(shared_golden, nanobragg, "supervisor", "-defects", defects)
    stored = np.load(shared_golden / "supervisor.npz")
    image, peak = result.image, case[f"{which}_max"]
    sampled = np.abs(image.ravel()[stored["sample_index"]] - stored[f"{which}_sample"])
    assert sampled.max() <= LARGEST_DIFFERENCE * peak
    slow, fast = stored["patch_origin_slow_fast"]
    patch = np.abs(image[slow : slow + 64, fast : fast + 64] - stored[f"{which}_patch"])
    assert patch.max() <= LARGEST_DIFFERENCE * peak
    assert image.sum() == pytest.approx(case[f"{which}_sum"], rel=1e-9)
    assert [*np.unravel_index(image.argmax(), image.shape)] == case[f"{which}_peak_slow_fast"]
