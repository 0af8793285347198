"""`snakemake campaign`: from the config to one file; a restart makes what is missing and nothing else."""

import json
import re

import h5py
import hdf5plugin  # noqa: F401 - lets h5py read what is compressed
import pytest

from tests.workflow.conftest import Project, make_project
from trace_audit.trail.verify import verify

SMALL = {
    "name": "tiny",
    "scenarios": ["small"],
    "orientations": {"count": 5},
    "frames_per_shard": 2,
    "audit": {"frames_per_shard": 1},
    "folder": "frames; touch hacked & 'Å\" $(touch hacked)",
}
DATA = f"{SMALL['folder']}/tiny"
RECORDS = "results/campaign/tiny"


def counted(done) -> dict[str, int]:
    """Jobs by rule, from snakemake's table of them."""
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        name: int(number) for name, number in re.findall(r"^(campaign\w*) +(\d+)$", done.stdout + done.stderr, re.M)
    }


def hashes(project: Project) -> dict[str, str]:
    folder = project.file(DATA) / "shards/small"
    return {path.stem: json.loads(path.read_text())["sha256"] for path in sorted(folder.glob("*.json"))}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, c_binary) -> Project:
    project = make_project(tmp_path_factory.mktemp("campaign in Ångström"))
    project.environment["NB_C_BIN"] = str(c_binary)
    project.write_config(campaign=SMALL)
    done = project.snakemake("--quiet", "host", "reason", "--", "campaign")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    return Project(finished.copy(tmp_path).folder, finished.environment)


def test_everything_is_there_and_on_record(finished):
    with h5py.File(finished.file(f"{DATA}/master.h5")) as file:
        assert file["entry/data/data"].shape == (5, 64, 48) and file["entry/data/data"][4].max() > 0
    assert json.loads(finished.file(f"{RECORDS}/summary.json").read_text())["status"] == "pass"
    assert json.loads(finished.file(f"{RECORDS}/gate.json").read_text())["number"] == 1
    assert not list(finished.folder.rglob("hacked"))
    assert len(hashes(finished)) == 3
    assert verify(finished.file("results")) == []
    done = finished.snakemake("-n", "--", "campaign")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_one_missing_shard_is_one_job(project):
    before = hashes(project)
    project.file(f"{DATA}/shards/small/000001.h5").unlink()
    planned = counted(project.snakemake("-n", "--", "campaign"))
    assert (planned["campaign_shard"], planned["campaign_audit"]) == (1, 1) and "campaign_plan" not in planned
    kept = {path: path.stat().st_mtime_ns for path in project.file(f"{DATA}/shards/small").glob("*.h5")}
    assert counted(project.snakemake("--quiet", "host", "reason", "--", "campaign"))["campaign_shard"] == 1
    assert hashes(project) == before
    assert len(kept) == 2 and {path: path.stat().st_mtime_ns for path in kept} == kept
    assert verify(project.file("results")) == []


def test_a_larger_campaign_keeps_its_full_shards(project):
    project.write_config(campaign={**SMALL, "orientations": {"count": 7}})
    planned = counted(project.snakemake("-n", "--", "campaign"))
    assert planned["campaign_shard"] == 2  # the one that was not full, and a new one
    project.write_config(campaign={**SMALL, "orientations": {"count": 5, "seed": 8}})
    assert counted(project.snakemake("-n", "--", "campaign"))["campaign_shard"] == 3


def test_a_damaged_shard_stops_the_run(project):
    path = project.file(f"{DATA}/shards/small/000001.h5")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    done = project.snakemake("--quiet", "host", "reason", "--", "campaign")
    assert done.returncode == 1
    assert "000001.h5: its bytes have changed since it was written; remove it and run" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames_per_shrd": 2}, "unknown key 'campaign.frames_per_shrd'"),
        ({"orientations": {"file": "no such"}}, "campaign.orientations.file no such: No such file"),
        ({"scenarios": ["smal"]}, "unknown scenario 'smal'"),
        ({"name": "../up"}, "campaign.name: '../up': expected a name"),
        ({"extra_flags": ["-lambda", "1"]}, "campaign.extra_flags: -lambda is none of a campaign's flags"),
    ],
)
def test_mistakes_are_named_before_any_job(tmp_path, change, said):
    project = make_project(tmp_path / "x")
    project.write_config(campaign={**SMALL, **change})
    done = project.snakemake("-n", "--", "campaign")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0 and len(errors) == 1 and said in errors[0], done.stderr


def test_no_campaign_in_the_config(tmp_path):
    done = make_project(tmp_path / "x").snakemake("--quiet", "host", "reason", "--", "campaign")
    assert done.returncode == 1
    assert "campaign.scenarios: [] names none" in done.stdout + done.stderr
