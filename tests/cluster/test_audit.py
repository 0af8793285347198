"""The audit as shipped, through a real Slurm, and what Slurm reports about its jobs."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import start
from tests.cluster.slurm import Slurm
from tests.workflow.conftest import REPOSITORY

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ON_GPU = ("regression_test", "torch_trace")
ON_CPU = ("build_reference", "c_trace", "compare", "structure_factors")
NOT_SOURCE = (".git", ".venv", ".snakemake", ".hypothesis", "*_cache", "__pycache__", "build", "logs", "results")


@pytest.fixture(scope="module")
def audit(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository in which `make audit PROFILE=slurm` has run, with the python of these tests.

    The only change: it asks Slurm for the state of its jobs more often.
    """
    folder = tmp_path_factory.mktemp("shipped") / "repository"
    shutil.copytree(REPOSITORY, folder, symlinks=True, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    profile = folder / "workflow/profiles/slurm/config.yaml"
    settings = yaml.safe_load(profile.read_text())
    often = {"seconds-between-status-checks": 1, "slurm-init-seconds-before-status-checks": 6}
    assert often.keys() <= settings.keys()
    profile.write_text(yaml.safe_dump(settings | often))
    slurm.forget()
    ready = [f"VENV={sys.prefix}", "STAMP=Makefile"]  # nothing to set up
    run = start(
        ["make", "audit", "PROFILE=slurm", *ready], folder, slurm.environment(), folder.with_name("terminal.txt")
    )
    try:
        status = run.end(500)
    finally:
        run.stop()
    assert status == 0, run.text()[-6000:]
    return folder


def test_every_audit_of_the_shipped_config_passes(audit):
    gate = json.loads((audit / "results/audit/gate.json").read_text())
    assert gate == {"status": "pass", "audits": 16, "protected_assets": "unchanged", "reference": "as built"}
    assert len(list((audit / "results").glob("*/S*_F*/auto_float*/compare_scaling_traces.json"))) == 16


def test_jobs_that_run_torch_held_a_gpu_and_no_others(audit, slurm):
    held = {job["JobId"]: (job["Comment"].split("_wildcards_")[0], job["JOB_GRES"]) for job in slurm.jobs()}
    for rule, gres in held.values():
        assert gres == ("gpu:fake:1" if rule.removeprefix("rule_") in ON_GPU else "(null)"), rule
    assert {rule for rule, _ in held.values()} == {f"rule_{name}" for name in (*ON_GPU, *ON_CPU)}
    assert {job["JobState"] for job in slurm.jobs()} == {"COMPLETED"}
    assert len(slurm.jobs_of("torch_trace")) == len(slurm.jobs_of("compare")) == 16


def test_jobs_have_the_size_that_the_config_gives(audit, slurm):
    (build,), torch = slurm.jobs_of("build_reference"), slurm.jobs_of("torch_trace")
    assert (build["CPUs/Task"], build["MinMemoryNode"], build["TimeLimit"]) == ("2", "1000M", "00:10:00")
    assert {(job["MinMemoryNode"], job["TimeLimit"]) for job in torch} == {("3000M", "00:20:00")}


def test_the_record_says_which_device_and_why(audit, slurm):
    records = [json.loads(path.read_text()) for path in (audit / "results/audit/ledger").glob("*.json")]
    attempts = [record for record in records if record.get("kind") == "attempt"]
    jobs = {job["JobId"] for job in slurm.jobs_of("torch_trace")}
    assert {attempt["environment"]["variables"]["SLURM_JOB_ID"] for attempt in attempts} == jobs
    for attempt in attempts:
        job = attempt["environment"]["variables"]["SLURM_JOB_ID"]
        choice = attempt["environment"]["device"]
        assert choice["asked"] == "auto"
        assert choice["used"] == attempt["device"] == "cpu"  # the GPUs of this Slurm are no real ones
        assert (
            f"Slurm job {job} was given GPU {attempt['environment']['variables']['CUDA_VISIBLE_DEVICES']}"
            in choice["reason"]
        )
        assert any(row.startswith("device auto was cpu: ") for row in attempt["deviations"])
