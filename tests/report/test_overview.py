"""A whole image made small: no reflection and no difference is lost; the profile is about where the beam goes."""

import base64
import json
import shutil

import numpy as np
import pytest
import torch

from nanobrag_torch.cli import parse
from nanobrag_torch.parameters import defects
from nanobrag_torch.physics import detector, rays
from trace_audit.chaos.checkout import SMALL_SCENARIO
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import run_command
from trace_audit.core.files import sha256_of_file
from trace_audit.images.overview import MOST_BLOCKS, block_size, by_block, packed, profile
from trace_audit.images.overview import main as overview
from trace_audit.images.patch import main as patch
from trace_audit.images.two_images import beam_centre_pixels

WORDS = ["-cell", "50", "60", "70", "90", "90", "90", "-default_F", "1", "-N", "2", "-lambda", "1"]
WORDS += ["-detpixels", "100", "-pixel", "0.2", "-distance", "150"]


def test_a_block_shows_its_value_of_largest_magnitude():
    image = np.zeros((7, 5))
    image[3, 4], image[0, 1], image[6, 0] = 9.0, -3.0, 2.0
    assert by_block(image, 3).tolist() == [[-3.0, 0.0], [0.0, 9.0], [2.0, 0.0]]
    assert by_block(image, 1).tolist() == image.tolist()


@pytest.mark.parametrize("shape", [(1, 1), (MOST_BLOCKS, 1), (MOST_BLOCKS + 1, 7), (2527, 2463)])
def test_no_side_has_more_blocks_than_the_page_can_take(shape):
    size = block_size(shape)
    assert max(shape) <= size * MOST_BLOCKS and (size == 1 or max(shape) > (size - 1) * MOST_BLOCKS)


def test_numbers_are_packed_in_single_precision_row_by_row():
    values = np.array([[1.5, -2.25], [3e-20, 4.0]])
    assert np.frombuffer(base64.b64decode(packed(values)), "<f4").tolist() == values.astype("<f4").ravel().tolist()


def test_a_profile_is_the_mean_of_each_ring():
    image = np.hypot(*(np.arange(41)[:, None] + 0.5 - 20.5, np.arange(41)[None, :] + 0.5 - 20.5)).astype(int) * 2.0
    means = profile(image, (20.5, 20.5), 1.0)
    assert means["mean_photons"] == [2.0 * ring for ring in range(len(means["mean_photons"]))]
    assert means["radius_pixels"][:2] == [0.5, 1.5]


@pytest.mark.parametrize(
    "flags", ["", "-Xbeam 3 -Ybeam 12", "-detector_rotx 20 -detector_roty -11 -detector_rotz 7", "-twotheta 15"]
)
def test_the_beam_meets_the_detector_at_the_beam_centre(flags):
    command = [*WORDS, *flags.split()]
    slow, fast = beam_centre_pixels(command)
    experiment = parse(command).experiment
    g = detector.build(experiment.detector, defects.active(experiment.defects), torch.device("cpu"))
    pixel = [torch.tensor([at * 0.2e-3], dtype=torch.float64) for at in (fast, slow)]
    position = rays.position_m(g, *pixel, torch.zeros(1, dtype=torch.float64))[:, 0]
    assert torch.linalg.cross(position, g.beam_vector).abs().max() < 1e-15 and torch.dot(position, g.beam_vector) > 0


def test_a_beam_that_never_meets_the_detector_has_no_centre():
    assert beam_centre_pixels([*WORDS, "-close_distance", "-50"]) is None


class Records:
    """The records of an audit of a small scenario, and the pictures made of them."""

    def __init__(self, folder, binary):
        self.folder, self.binary = folder, binary
        scenario = Scenario.model_validate(SMALL_SCENARIO)
        snapshot = {"scenario": scenario.model_dump(mode="json"), "pixel_slow_fast": [20, 30], "device": "cpu"}
        self.write("config_snapshot.json", {**snapshot, "dtype": "float64", "backend": "eager", "input_sha256": {}})
        sha = sha256_of_file(binary)
        self.c_run = {"program": binary.name, "binary_sha256": sha, "arguments": ["-roi", *"0123"], "exit_code": 0}
        self.write("c_trace_run.json", self.c_run)
        self.write("build.json", {"kind": "external", "binary": str(binary), "binary_sha256": sha256_of_file(binary)})

    def write(self, name, content):
        (self.folder / name).write_text(json.dumps(content))

    def picture(self, main, *more):
        names = (("snapshot", "config_snapshot.json"), ("c-run", "c_trace_run.json"), ("build", "build.json"))
        arguments = [argument for option, name in names for argument in (f"--{option}", str(self.folder / name))]
        assert run_command(main, [*arguments, "--out", str(self.folder / "out.json"), *more]) == 0
        return json.loads((self.folder / "out.json").read_text())


def test_both_programs_are_shown_and_agree(tmp_path, c_binary, monkeypatch):
    monkeypatch.setenv("NB_C_BIN", "/no/such/program")
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "always")
    records = Records(tmp_path, c_binary)
    picture = records.picture(overview)
    assert picture["failure"] is None and picture["shape_slow_fast"] == [64, 48] and picture["block_pixels"] == 1
    assert picture["c"] == picture["py"] and picture["worst_of_peak"] < 1e-6 and picture["peak_photons"] > 0
    assert picture["profiles"]["c"]["radius_pixels"] == picture["profiles"]["py"]["radius_pixels"]
    assert picture["made_by"]["c"] == {"program": c_binary.name, "sha256": sha256_of_file(c_binary)}
    assert picture["made_by"]["py"]["backend"] == "eager"
    round_it = records.picture(patch)
    assert round_it["failure"] is None and round_it["first_slow_fast"] == [0, 10] and round_it["c"] == round_it["py"]


def test_a_program_that_fails_or_takes_too_long_is_named(tmp_path):
    crashing = tmp_path / "crashing"
    crashing.write_text("#!/bin/sh\necho 'last words' >&2\nexit 3\n")
    crashing.chmod(0o755)
    picture = Records(tmp_path, crashing).picture(overview)
    assert picture["failure"] == "the C program ended with exit status 3: last words" and "c" not in picture
    crashing.write_text("#!/bin/sh\nexec sleep 60\n")
    picture = Records(tmp_path, crashing).picture(overview, "--time-limit-s", "0.2")
    assert picture["failure"] == "the C program did not end within 0.2 s"


@pytest.mark.parametrize("main", [patch, overview])
def test_no_picture_is_made_by_another_program_than_the_one_audited(tmp_path, c_binary, main, monkeypatch):
    audited = tmp_path / "theirs"
    audited.write_text("#!/bin/sh\nexit 0\n")
    audited.chmod(0o755)
    records = Records(tmp_path, audited)
    audited.unlink()
    shutil.copy(c_binary, tmp_path / "nanobragg")  # a program that happens to lie there
    monkeypatch.setenv("NB_C_BIN", str(c_binary))
    picture = records.picture(main)
    assert "c" not in picture and "py" not in picture
    assert f"theirs with SHA-256 {records.c_run['binary_sha256'][:16]}, is no longer where it was" in picture["failure"]


def test_no_picture_is_made_of_other_structure_factors(tmp_path, c_binary):
    records = Records(tmp_path, c_binary)
    (tmp_path / "other.hkl").write_text("1 0 0 5\n")
    assert "structure factors changed" in records.picture(patch, "--hkl", str(tmp_path / "other.hkl"))["failure"]
