"""A whole image made small: no reflection and no difference is lost; the profile is about where the beam goes."""

import base64
import json

import numpy as np
import pytest
import torch
import yaml

from nanobrag_torch.cli import parse
from nanobrag_torch.parameters import defects
from nanobrag_torch.physics import detector, rays
from trace_audit.chaos.checkout import SMALL_SCENARIO
from trace_audit.core.errors import run_command
from trace_audit.images.overview import MOST_BLOCKS, block_size, by_block, main, packed, profile
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
    found = profile(image, (20.5, 20.5), 1.0)
    assert found["mean_photons"] == [2.0 * ring for ring in range(len(found["mean_photons"]))]
    assert found["radius_pixels"][:2] == [0.5, 1.5]


@pytest.mark.parametrize(
    "words", ["", "-Xbeam 3 -Ybeam 12", "-detector_rotx 20 -detector_roty -11 -detector_rotz 7", "-twotheta 15"]
)
def test_the_beam_meets_the_detector_at_the_beam_centre(words):
    command = [*WORDS, *words.split()]
    slow, fast = beam_centre_pixels(command)
    experiment = parse(command).experiment
    g = detector.build(experiment.detector, defects.active(experiment.defects), torch.device("cpu"))
    place = [torch.tensor([at * 0.2e-3], dtype=torch.float64) for at in (fast, slow)]
    position = rays.position_m(g, *place, torch.zeros(1, dtype=torch.float64))[:, 0]
    assert torch.linalg.cross(position, g.beam_vector).abs().max() < 1e-15 and torch.dot(position, g.beam_vector) > 0


def test_a_beam_that_never_meets_the_detector_has_no_centre():
    assert beam_centre_pixels([*WORDS, "-close_distance", "-50"]) is None


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL_SCENARIO))
    return path


def overview_of(scenario, binary, *more):
    out = scenario.with_name("overview.json")
    words = ["--binary", str(binary), "--config", str(scenario), "--out", str(out), *more]
    assert run_command(main, words) == 0
    return json.loads(out.read_text())


def test_both_programs_are_shown_and_agree(scenario, c_binary):
    found = overview_of(scenario, c_binary)
    assert found["failure"] is None and found["shape_slow_fast"] == [64, 48] and found["block_pixels"] == 1
    assert found["c"] == found["py"] and found["worst_of_peak"] < 1e-6 and found["peak_photons"] > 0
    assert found["profiles"]["c"]["radius_pixels"] == found["profiles"]["py"]["radius_pixels"]


def test_a_program_that_fails_or_takes_too_long_is_named(scenario, tmp_path):
    crashing = tmp_path / "crashing"
    crashing.write_text("#!/bin/sh\necho 'last words' >&2\nexit 3\n")
    crashing.chmod(0o755)
    found = overview_of(scenario, crashing)
    assert found["failure"] == "the C program ended with exit status 3: last words" and "c" not in found
    crashing.write_text("#!/bin/sh\nexec sleep 60\n")
    found = overview_of(scenario, crashing, "--time-limit-s", "0.2")
    assert found["failure"] == "the C program did not end within 0.2 s"
