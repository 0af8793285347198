"""Noise of a campaign: the counts do not depend on how frames are divided into shards, and the audit reaches back to
the photons.
"""

import json
import subprocess

import h5py
import hdf5plugin  # noqa: F401 - lets h5py read what is compressed
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from nanobrag_campaign import audit, ledger, summary
from nanobrag_campaign import noise as noises
from nanobrag_campaign.nxmx import DATA, EXPECTED, PROVENANCE
from nanobrag_campaign.shards import audit_file, audit_key, content_key, sample, shard_file, side_file
from nanobrag_torch.noise.detector import ByTorch, DetectorNoise, Stream, counts_of
from nanobrag_torch.simulator import simulate
from tests.campaign.conftest import DETECTOR, SCENARIOS, Made
from tests.campaign.test_audit import change
from tests.campaign.test_shards import experiment
from trace_audit.config.campaign import Campaign, Noise
from trace_audit.core.files import readable_json

NOISE = {
    "generator": "philox",
    "seed": 9,
    "gain_counts_per_photon": 1.5,
    "readout_sigma_counts": 2.0,
    "offset_counts": 100.0,
    "point_spread_fwhm_um": 600.0,
}
CLASSIC = {"generator": "classic", "seed": 77, "offset_counts": 40}
BRIGHT = ["-fluence", "1e28"]


@pytest.fixture(scope="module")
def noisy(campaign, tmp_path_factory):
    """The campaign of the other tests with noise, its shards made and joined."""
    made = Made(tmp_path_factory.mktemp("noisy") / "data", campaign.scenarios)
    assert made.make_plan(noise=NOISE, extra_flags=BRIGHT) == 0
    for shard in made.plan.shards:
        assert made.simulate(shard) == 0
    assert made.merge() == 0
    return made


def audited(made, c_binary, folder):
    copy = made.copy(folder)
    for shard in copy.plan.shards:
        assert copy.audit(shard, c_binary, audit_file(copy.folder, shard)) == 0
    return copy


def verdicts(made):
    return [json.loads(audit_file(made.folder, shard).read_text()) for shard in made.plan.shards]


def frames_of(made):
    with h5py.File(made.folder / "master.h5") as file:
        return file[DATA][:]


def test_counts_are_those_of_the_frames_own_image(noisy, tmp_path):
    detector = DetectorNoise(1.5, 2.0, 100.0, 600.0 / 400.0)
    for shard in noisy.plan.shards[::3]:
        frame = noisy.frames(shard)[1]
        with torch.no_grad():
            image = simulate(experiment(noisy, shard, frame, tmp_path / shard.name), dtype=torch.float32)
        expected = counts_of(image[None], [frame.number], Stream(9, shard.scenario), detector, ByTorch())[0]
        with h5py.File(shard_file(noisy.folder, shard)) as file:
            assert file[DATA].dtype == np.uint16 and file[DATA].attrs["units"] == "counts"
            assert np.array_equal(file[DATA][1], expected.numpy())
            assert file["entry/instrument/detector/saturation_value"][()] == 65535
        assert expected.double().std() > 2


@pytest.mark.parametrize("division", [{"frames_per_shard": 7}, {"frames_per_shard": 2, "frames_per_launch": 2}])
def test_division_changes_no_count(noisy, tmp_path, division):
    repeated = Made(tmp_path / "data", noisy.scenarios)
    assert repeated.make_plan(noise=NOISE, extra_flags=BRIGHT, **division) == 0
    for shard in repeated.plan.shards:
        assert repeated.simulate(shard) == 0
    assert repeated.merge() == 0
    assert np.array_equal(frames_of(repeated), frames_of(noisy))


@pytest.mark.parametrize("frames", [1, 2])
def test_frames_have_the_same_bytes_in_any_launches(campaign, tmp_path, frames):
    """The frames of a launch are resolved together; those after the first launch are compared in the other thread."""
    without_noise = Made(tmp_path / "data", campaign.scenarios)
    assert without_noise.make_plan(frames_per_launch=frames) == 0
    shard = without_noise.plan.shards[0]
    assert without_noise.simulate(shard) == 0
    assert shard_file(without_noise.folder, shard).read_bytes() == shard_file(campaign.folder, shard).read_bytes()


def test_scenarios_and_frames_have_their_own_numbers(noisy):
    """The noise of two frames without their images: they have no number in common."""
    frames = frames_of(noisy).astype(float)
    quiet = [frame[-4:, -4:].ravel() for frame in frames]
    assert len({tuple(corner) for corner in quiet}) == len(frames)


def test_records_say_which_generator(noisy, campaign):
    shard = noisy.plan.shards[4]
    record = json.loads(side_file(noisy.folder, shard).read_text())
    told = record["provenance"]["noise"]
    assert told["name"] == "Philox 4x32-10" and told["seed"] == 9 and told["key"] == [9, 0]
    assert told["counter"] == ["pixel", "frame", Stream(9, "mosaic").number, "use and attempt"]
    with h5py.File(shard_file(noisy.folder, shard)) as file:
        assert json.loads(file[PROVENANCE].asstr()[()])["noise"] == told
        kept = sample(shard, 2, 13)
        assert file[EXPECTED].attrs["index_in_file"].tolist() == kept and len(file[EXPECTED]) == len(kept)
    assert record["seconds"]["noise"] > 0
    assert "noise" not in json.loads(side_file(campaign.folder, campaign.plan.shards[4]).read_text())["provenance"]
    with h5py.File(noisy.folder / "master.h5") as file:
        assert EXPECTED not in file and file[DATA].dtype == np.uint16


def test_the_sample_is_held_against_c_and_drawn_again(noisy, c_binary, tmp_path):
    made = audited(noisy, c_binary, tmp_path / "copy")
    rows = [row for verdict in verdicts(made) for row in verdict["frames"]]
    assert len(rows) == 10 and all(row["status"] == "pass" and row["other_counts"] == 0 for row in rows)
    assert rows[0]["compared"] == audit.COMPARED[True] and rows[0]["peak"] > 0
    arguments = ["--plan", str(made.folder / "plan.h5"), "--folder", str(made.folder), "--records", str(made.folder)]
    taken = tmp_path / "square.taken.json"
    taken.write_text(json.dumps({"kind": "file", "line": "F from MTZ column FP", "remarks": []}))
    out = made.folder / "summary.json"
    assert summary.main(["summarize", *arguments, "--out", str(out), "--taken", str(taken)]) == 0
    result = json.loads(out.read_text())
    assert "agree, worst" in result["summary"] and "before noise; their counts are those drawn" in result["summary"]
    text = out.with_suffix(".txt").read_text()
    assert "Philox 4x32-10" in text and "structure factors       F from MTZ column FP" in text
    environment = json.loads(side_file(made.folder, made.plan.shards[0]).read_text())["environment"]
    record = ledger.fields_of(made.plan, result, environment, {}, {})
    assert record["noise"] == "philox" and record["structure_factors"]["square"]["line"] == "F from MTZ column FP"


def test_a_count_that_was_not_drawn_is_caught(noisy, c_binary, tmp_path, capsys):
    made = audited(noisy, c_binary, tmp_path / "copy")
    shard = made.plan.shards[0]
    index = sample(shard, 2, 13)[1]

    def edit(file):
        frame = file[DATA][index]
        frame[3, 4] += 1
        file[DATA][index] = frame

    change(shard_file(made.folder, shard), side_file(made.folder, shard), edit)
    assert made.audit(shard, c_binary, audit_file(made.folder, shard)) == 0
    row = next(row for row in verdicts(made)[0]["frames"] if row["index_in_file"] == index)
    assert row["status"] == "fail" and row["other_counts"] == 1
    arguments = ["--plan", str(made.folder / "plan.h5"), "--folder", str(made.folder), "--records", str(made.folder)]
    assert summary.main(["summarize", *arguments, "--out", str(made.folder / "summary.json")]) == 0
    capsys.readouterr()
    assert summary.main(["gate", str(made.folder / "summary.json")]) == 1
    assert "; 1 counts are not those drawn from it" in capsys.readouterr().err


def test_an_image_that_is_not_cs_is_caught_though_its_counts_are_drawn_from_it(noisy, c_binary, tmp_path):
    made = noisy.copy(tmp_path / "copy")
    shard = made.plan.shards[3]
    index = sample(shard, 2, 13)[0]

    def edit(file):
        image = file[EXPECTED][0]
        image[2, 2] += 1e-3 * image.max()
        file[EXPECTED][0] = image
        told = json.loads(file[PROVENANCE].asstr()[()])["noise"]
        number = made.frames(shard)[index].number
        file[DATA][index] = noises.again(image, number, shard, made.plan.settings.noise, told)

    change(shard_file(made.folder, shard), side_file(made.folder, shard), edit)
    assert made.audit(shard, c_binary, audit_file(made.folder, shard)) == 0
    row = json.loads(audit_file(made.folder, shard).read_text())["frames"][0]
    assert row["status"] == "fail" and row["other_counts"] == 0 and row["worst_pixel_slow_fast"] == [2, 2]


# ---- the classic generator


def test_classic_counts_are_those_of_the_c_program(campaign, c_binary, tmp_path):
    """-noisefile with the frame's own seed gives the same counts where the photons are the same single-precision
    number.
    """
    made = Made(tmp_path / "data", campaign.scenarios)
    assert made.make_plan(noise=CLASSIC, dtype="float64", extra_flags=BRIGHT) == 0
    shard = made.plan.shards[1]
    assert made.simulate(shard) == 0
    assert made.audit(shard, c_binary, audit_file(made.folder, shard)) == 0
    verdict = json.loads(audit_file(made.folder, shard).read_text())
    assert verdict["status"] == "pass" and verdict["frames"][0]["other_counts"] == 0
    row = verdict["frames"][0]
    seed = noises.classic_seed(made.plan.settings.noise, row["frame"])
    files = ["-floatfile", "c.bin", "-noisefile", "c.img", "-seed", str(seed), "-adc", "40", "-nopgm"]
    subprocess.run([c_binary, *row["arguments"], *files], cwd=tmp_path, check=True, capture_output=True)
    shape = DETECTOR["pixels_slow"], DETECTOR["pixels_fast"]
    counts = np.frombuffer((tmp_path / "c.img").read_bytes()[-2 * shape[0] * shape[1] :], np.uint16).reshape(shape)
    with h5py.File(shard_file(made.folder, shard)) as file:
        photons = file[EXPECTED][0]
        assert np.array_equal(photons, np.fromfile(tmp_path / "c.bin", np.float32).reshape(shape))
        assert np.array_equal(file[DATA][row["index_in_file"]], counts)
    assert counts.max() > 40


# ---- settings


def test_only_with_noise_do_shards_depend_on_the_sample():
    base = {"scenarios": list(SCENARIOS)}

    def key(**changes):
        return content_key(Campaign.model_validate({**base, **changes}))

    assert key() == key(audit={"seed": 5}) == key(noise={"seed": 8}) == key(frames_per_launch=4)
    assert key(noise=NOISE) == key(noise=NOISE, frames_per_launch=4)
    assert len({key(), key(noise=NOISE), key(noise={**NOISE, "seed": 8}), key(noise=NOISE, audit={"seed": 5})}) == 4
    assert json.loads(audit_key(Campaign.model_validate({**base, "noise": NOISE})))["noise"]["seed"] == 9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"generator": "classic", "readout_sigma_counts": 1.0}, "the classic generator has none"),
        ({"generator": "mersenne"}, "'none', 'philox' or 'classic'"),
        ({"gain_counts_per_photon": 0}, "greater than 0"),
        ({"largest_count": 2**32}, "less than"),
        ({"offset_counts": float("nan")}, "less than or equal"),
    ],
)
def test_noise_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        Noise.model_validate(wrong)


def test_every_count_of_32_bits(noisy, tmp_path):
    made = Made(tmp_path / "data", noisy.scenarios)
    bright = {**NOISE, "gain_counts_per_photon": 1e5, "largest_count": 2**32 - 1}
    assert made.make_plan(noise=bright, scenarios=["square"], extra_flags=BRIGHT) == 0
    assert made.simulate(made.plan.shards[0]) == 0
    with h5py.File(shard_file(made.folder, made.plan.shards[0])) as file:
        frames = file[DATA][:]
    assert frames.dtype == np.uint32 and frames.max() > 65535
    assert json.loads(readable_json(noises.story(made.plan.settings.noise, "square", 4e-4, (0, 1, 0, 1))))["roi"]
