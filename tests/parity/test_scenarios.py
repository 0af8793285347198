"""The scenario files: each feature has one and matters to its image, and both programs agree on all of them."""

import contextlib
import copy
import json
import os

import numpy as np
import pytest
import torch
import yaml

from nanobrag_torch.cli import parse
from nanobrag_torch.io.smv import read_smv_header
from nanobrag_torch.simulator import simulate
from tests.c_program import REPOSITORY
from trace_audit.config.scenario import arguments, load_scenario
from trace_audit.config.scenario_model import Scenario
from trace_audit.images import image_audit
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.programs import image_run

FOLDER = REPOSITORY / "config" / "scenarios"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SMALL = [name for name in NAMES if load_scenario(name, FOLDER).detector.pixels_slow <= 64]
COMPARED = SMALL if os.environ.get("NB_RUN_PARALLEL") == "1" else SMALL[::7]

# scenario: keys without which its image is another one
MATTERS = {
    "convention_mosflm": ["detector.Xbeam_mm", "detector.Ybeam_mm"],
    "convention_denzo": ["detector.convention"],
    "convention_adxv": ["detector.convention"],
    "convention_xds": ["detector.ORGX_pixels", "detector.ORGY_pixels"],
    "convention_dials": ["spindle"],
    "convention_custom": ["detector.twotheta_axis"],
    "custom_normal_kept": ["detector.odet_vector=[0.999, 0.0, 0.0]"],
    "custom_origin_used": ["defects"],
    "pivot_beam_custom": ["detector.pivot"],
    "close_distance": ["detector.close_distance_mm"],
    "rotations_twotheta": ["detector.twotheta_deg"],
    "curved_detector": ["detector.curved"],
    "curved_detector_own_axes": ["defects"],
    "point_pixel": ["detector.point_pixel"],
    "thick_layers": ["detector.thick_steps"],
    "divergence_round": ["beam.hdivrange_mrad", "beam.hdivsteps"],
    "divergence_square": ["beam.square_divergence"],
    "dispersion": ["beam.dispersion_percent"],
    "source_file": ["beam.sources"],
    "source_weights": ["defects"],
    "mosaic": ["crystal.mosaic_domains"],
    "random_orientation": ["crystal.misset_random_seed"],
    "random_orientation_uniform": ["defects"],
    "shape_round": ["crystal.fudge"],
    "shape_gauss": ["crystal.fudge"],
    "shape_tophat": ["crystal.fudge"],
    "sample_size": ["crystal.sample_y_mm"],
    "beam_clips_sample": ["beam.beamsize_mm"],
    "early_interpolation": ["defects=default,-early_interpolation_choice"],
    "tricubic_interpolation": ["structure_factors.interpolate=False"],
    "structure_factor_table": ["structure_factors.default_F_electrons"],
    "resolution_limit": ["structure_factors.d_min_A"],
    "water_background": ["structure_factors.water_um"],
    "water_background_once": ["defects"],
    "corrected_layers": ["defects", "crystal.mosaic_quadrature", "crystal.shape", "detector.Xclose_mm"],
    "mask_and_roi": ["detector.masked"],
    "automatic_oversampling": ["sampling.oversample=1"],
    "oversample_factors": ["sampling.oversample_omega"],
    "phi_through_zero": ["spindle"],
    "phi_carried_over": ["defects"],
    "polarization": ["beam.polarization_factor"],
    "unpolarized": ["beam.polarization"],
    "matrix_and_cell": ["crystal.matrix"],
    "every_defect_off": ["defects"],
    "every_defect_on": ["defects"],
}


def data_of(name: str) -> dict:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def image_of(data: dict, folder) -> np.ndarray:
    """The torch image of a scenario given as data."""
    scenario = Scenario.model_validate(data)
    folder.mkdir()
    files = prepare_inputs(scenario, folder, hkl=None, scenario_folder=FOLDER)
    with contextlib.chdir(folder):
        return simulate(parse(arguments(scenario, files)).experiment, dtype=torch.float32).numpy().astype(float)


def changed(data: dict, keys: list[str]) -> dict:
    """The scenario without some keys, or with another value (key=value)."""
    result = copy.deepcopy(data)
    for key in keys:
        path, _, value = key.partition("=")
        *sections, last = path.split(".")
        section = result.setdefault(sections[0], {}) if sections else result
        section.pop(last, None)
        if value:
            section[last] = yaml.safe_load(value.lower() if value == "False" else value)
    return result


@pytest.mark.parametrize("name", MATTERS)
def test_feature_matters_to_its_image(name, tmp_path):
    data = data_of(name)
    assert changed(data, MATTERS[name]) != data
    image, without = image_of(data, tmp_path / "with"), image_of(changed(data, MATTERS[name]), tmp_path / "without")
    assert image.shape == without.shape
    assert np.abs(image - without).max() > 1e-3 * image.max() > 0


def test_every_small_scenario_states_what_it_is_for():
    assert set(MATTERS) <= set(SMALL)
    assert {name for name in SMALL if not name.startswith("gradients")} == set(MATTERS)


@pytest.mark.parametrize("name", MATTERS)
def test_pixels_are_a_bright_a_middling_and_a_weak_one(name, tmp_path):
    data = data_of(name)
    image = image_of(data, tmp_path / "image")
    bright, middling, weak = (image[slow, fast] for slow, fast in data["pixels"])
    assert bright == image.max() > middling > weak >= 0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", COMPARED)
def test_programs_agree(name, dtype, c_binary, tmp_path, capsys):
    where = ["--config", name, "--scenario-dir", str(FOLDER)]
    c, py = str(tmp_path / "c/floatimage.bin"), str(tmp_path / "py/floatimage.bin")
    assert image_run.main(["--program", "c", "--binary", str(c_binary), "--out", c, *where]) == 0
    assert image_run.main(["--program", "torch", "--dtype", dtype, "--out", py, *where]) == 0
    arguments = ["--c-image", c, "--py-image", py, "--binary", str(c_binary), "--dtype", dtype]
    status = image_audit.main([*arguments, "--out", str(tmp_path / "image_parity.json"), *where])
    result = json.loads((tmp_path / "image_parity.json").read_text())
    assert status == 0, result["summary"]
    assert result["peak"] > 0
    assert len(result["traces"]) >= 3


# ---- what a scenario makes


@pytest.fixture
def masked() -> dict:
    return data_of("mask_and_roi")


def test_mask_is_an_image_of_zeros_and_ones(masked, tmp_path):
    scenario = Scenario.model_validate(masked)
    files = prepare_inputs(scenario, tmp_path, hkl=None, scenario_folder=FOLDER)
    header = read_smv_header(files.mask)
    assert (header["SIZE1"], header["SIZE2"]) == ("36", "32")
    pixels = np.frombuffer(files.mask.read_bytes()[512:], np.uint16).reshape(32, 36)
    expected = [[0 if 13 <= s <= 18 and 15 <= f <= 20 or s in (24, 25) else 1 for f in range(36)] for s in range(32)]
    assert pixels.tolist() == expected
    flags = arguments(scenario, files)
    assert flags[flags.index("-roi") + 1 :][:4] == ["4", "33", "2", "29"]


def test_sources_are_lines_in_metres(tmp_path):
    files = prepare_inputs(Scenario.model_validate(data_of("source_file")), tmp_path, hkl=None, scenario_folder=FOLDER)
    rows = [[float(text) for text in line.split()] for line in files.sources.read_text().splitlines()]
    assert [len(row) for row in rows] == [5, 5, 4]
    assert rows[1] == pytest.approx([-10.0, -0.03, 0.02, 3.0, 1.02e-10])
    assert set(files.hashes()) == {"sources"}


REFUSED = {
    "traced pixel under the mask": ({"pixels": [[15, 17]]}, "masked or outside roi"),
    "traced pixel outside the region": ({"pixels": [[0, 0]]}, "masked or outside roi"),
    "mask off the detector": ({"detector": {"masked": [{"fast": [0, 36], "slow": [0, 1]}]}}, "off the detector"),
    "region back to front": ({"detector": {"roi": {"fast": [9, 3], "slow": [0, 1]}}}, "beyond the last"),
    "no region at all": ({"detector": {"masked": []}}, "at least 1 item"),
    "source without a place": ({"beam": {"sources": [{"weight": 1}]}}, "sources.0.position_m"),
    "source of negative weight": ({"beam": {"sources": [{"position_m": [1, 0, 0], "weight": -1}]}}, "weight"),
    "two orientations": ({"crystal": {"misset_deg": [1, 2, 3], "misset_random_seed": 4}}, "not both"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, masked):
    changes, expected = REFUSED[name]
    for section, value in changes.items():
        masked[section] = {**masked[section], **value} if isinstance(value, dict) else value
    with pytest.raises(ValueError, match=expected):
        Scenario.model_validate(masked)
