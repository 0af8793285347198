"""The plan: every frame follows from the seeds and its number, orientations are uniform, mistakes are named."""

import numpy as np
import pytest

from nanobrag_campaign import plan as plans
from nanobrag_campaign.orientations import misset_from_file, random_misset_deg, rotation_matrices
from nanobrag_campaign.plan import misset_deg, read_plan, wavelengths_A
from nanobrag_campaign.shards import content_key, shards_of
from nanobrag_torch.physics import rotations
from tests.campaign.conftest import SETTINGS, Made, write_scenarios
from trace_audit.config.campaign import Campaign
from trace_audit.config.scenario import load_scenario
from trace_audit.core.errors import InputError


def settings(**changes) -> Campaign:
    return Campaign.model_validate({**SETTINGS, **changes})


def test_same_seed_same_bytes(campaign, tmp_path):
    again = Made(tmp_path, campaign.scenarios)
    assert again.make_plan() == 0
    assert (tmp_path / "plan.h5").read_bytes() == (campaign.folder / "plan.h5").read_bytes()
    assert again.make_plan(orientations={"count": 7, "seed": 12}) == 0
    assert (tmp_path / "plan.h5").read_bytes() != (campaign.folder / "plan.h5").read_bytes()


def test_a_frame_depends_on_its_number_alone():
    whole = random_misset_deg(5, 0, 1000)
    assert np.array_equal(random_misset_deg(5, 317, 40), whole[317:357])
    assert len(np.unique(whole, axis=0)) == 1000
    assert not np.isin(random_misset_deg(6, 0, 1000), whole).any()


def test_orientations_are_uniform():
    """Under the uniform distribution on SO(3) every matrix element has mean 0 and variance 1/3, the trace has the
    moments 0, 1, and |q.q'| of a quaternion has mean 8/(3 pi) x 1/2; bounds at five standard errors."""
    n = 40000
    matrices = rotation_matrices(random_misset_deg(1, 0, n))
    assert np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert np.allclose(np.linalg.det(matrices), 1)
    assert np.abs(matrices.mean(0)).max() < 5 * np.sqrt(1 / 3 / n)
    assert np.abs((matrices**2).mean(0) - 1 / 3).max() < 5 * np.sqrt(4 / 45 / n)
    trace = np.trace(matrices, axis1=1, axis2=2)
    assert abs(trace.mean()) < 5 / np.sqrt(n)
    assert abs((trace**2).mean() - 1) < 5 * np.sqrt(2 / n)
    angle = np.sort(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    expected = (angle - np.sin(angle)) / np.pi  # distribution of the rotation angle
    assert np.abs(expected - (np.arange(n) + 0.5) / n).max() < 1.95 / np.sqrt(n)  # Kolmogorov and Smirnov, 1e-3


def test_angles_mean_what_the_simulator_makes_of_them():
    import torch

    for angles, matrix in zip(*(lambda a: (a, rotation_matrices(a)))(random_misset_deg(3, 0, 20)), strict=True):
        turned = rotations.about_xyz(torch.eye(3, dtype=torch.float64), torch.from_numpy(np.radians(angles)))
        assert np.allclose(turned.numpy().T, matrix, atol=1e-12)


def test_wavelengths(campaign):
    scenario = load_scenario("square", campaign.scenarios)
    jittered = wavelengths_A(settings(), scenario, 0, 20000)
    assert np.array_equal(wavelengths_A(settings(), scenario, 100, 7), jittered[100:107])
    assert abs(jittered.mean() - 1) < 5 * 0.005 / np.sqrt(20000)
    assert jittered.std() == pytest.approx(0.005, rel=0.03)
    two = settings(wavelengths={"values_A": [0.9, 1.1]})
    assert wavelengths_A(two, scenario, 1, 3).tolist() == [1.1, 0.9, 1.1]
    assert len({tuple(row) for row in misset_deg(two, 1, 3)}) == 2  # both wavelengths of an orientation follow
    energy = wavelengths_A(settings(wavelengths={}), load_scenario("mosaic", campaign.scenarios), 0, 2)
    assert energy.tolist() == [12398.42 / 12000.0] * 2


def test_frames_of_a_shard_are_those_of_the_table(campaign):
    plan = campaign.plan
    names = [(shard.name, shard.first, shard.count) for shard in plan.shards]
    assert names[:4] == [
        ("square/000000", 0, 3),
        ("square/000001", 3, 3),
        ("square/000002", 6, 1),
        ("mosaic/000000", 0, 3),
    ]
    frames = campaign.frames(plan.shards[4])
    assert [frame.number for frame in frames] == [3, 4, 5]
    assert np.array_equal([frame.misset_deg for frame in frames], random_misset_deg(11, 3, 3))


def test_growth_keeps_what_is_there():
    small, grown = settings(), settings(orientations={"count": 12, "seed": 11})
    assert content_key(small) == content_key(grown)
    assert set(shards_of(small)) - set(shards_of(grown)) == {shards_of(small)[2], shards_of(small)[5]}  # not full
    for change in (
        {"dtype": "float64"},
        {"orientations": {"count": 7, "seed": 1}},
        {"extra_flags": ["-oversample", "2"]},
    ):
        assert content_key(settings(**change)) != content_key(small)


def test_orientations_from_a_file(campaign, tmp_path):
    path = tmp_path / "angles with a blank.txt"
    path.write_text("# x y z\n10 20 30\n\n-1.5 0 7e-1  # the second\n")
    made = Made(tmp_path / "data", campaign.scenarios)
    assert made.make_plan(orientations={"file": str(path)}) == 0
    assert [frame.misset_deg for frame in made.frames(made.plan.shards[0])] == [(10, 20, 30), (-1.5, 0, 0.7)]


def test_orientations_from_an_array(campaign, tmp_path):
    angles = random_misset_deg(4, 0, 5)
    np.save(tmp_path / "angles.npy", angles)
    chosen = settings(orientations={"file": str(tmp_path / "angles.npy")})
    assert np.array_equal(misset_deg(chosen, 2, 3), angles[2:])
    with pytest.raises(InputError, match="5 orientations, expected 6"):
        misset_deg(chosen, 3, 3)
    for bad in (angles[:, :2], angles.astype(int), np.array([{}])):
        np.save(tmp_path / "angles.npy", bad)
        with pytest.raises(InputError, match="angles.npy"):
            misset_deg(chosen, 0, 1)


@pytest.mark.parametrize("line", ["1 2", "1 2 three", "1 2 nan", "1 2 inf", "1 2 3 4", "\x1b[2J 1 2"])
def test_bad_orientation_file(tmp_path, line):
    (tmp_path / "angles").write_text(f"1 2 3\n{line}\n")
    with pytest.raises(InputError, match=r"angles: line 2 is '.*', expected three angles") as raised:
        misset_from_file(tmp_path / "angles")
    assert str(raised.value).isprintable()


def test_scenarios_that_do_not_go_together(campaign, tmp_path):
    folder = tmp_path / "scenarios"
    write_scenarios(folder)
    path = folder / "mosaic.yaml"
    path.write_text(path.read_text().replace("pixels_fast: 24", "pixels_fast: 25"))
    arguments = [
        "--settings",
        settings().model_dump_json(),
        "--scenario-dir",
        str(folder),
        "--out",
        str(tmp_path / "p.h5"),
    ]
    with pytest.raises(InputError, match="mosaic has another detector than square"):
        plans.main(arguments)
    assert not (tmp_path / "p.h5").exists()
    with pytest.raises(InputError, match="names none"):
        plans.main(["--settings", settings(scenarios=[]).model_dump_json(), *arguments[2:]])


def test_what_is_no_plan(tmp_path, campaign):
    for name, content in {"text": b"hello", "cut": (campaign.folder / "plan.h5").read_bytes()[:3000]}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="is no plan of a campaign"):
            read_plan(tmp_path / name)
