"""Job arrays: each task of the shards' array runs its own command, once, on a GPU."""

import os
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import QUICK, start
from tests.cluster.slurm import Slurm
from tests.workflow.conftest import REPOSITORY

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SHARDS = 4
FAILS_ONCE = 2
SNAKEFILE = f"""
rule all:
    input: expand("out/{{i}}.txt", i=range({SHARDS}))
    localrule: True

rule campaign_shard:
    output: "out/{{i}}.txt"
    resources: gpu=1, mem_mb=500, runtime=2
    shell: "echo $CUDA_VISIBLE_DEVICES >> runs_{{wildcards.i}}; echo $CUDA_VISIBLE_DEVICES > {{output}};"
           " [ {{wildcards.i}} != {FAILS_ONCE} ] || [ $(wc -l < runs_{{wildcards.i}}) = 2 ]"
"""


def test_each_shard_is_made_once_and_the_one_that_fails_again(slurm: Slurm, tmp_path: Path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    slurm.forget()
    environment = slurm.environment(PYTHONPATH=str(REPOSITORY / "src"))
    environment["PATH"] = os.pathsep.join([environment["PATH"], str(Path(sys.executable).parent)])
    command = [sys.executable, "-m", "snakemake", "--profile", str(REPOSITORY / "workflow/profiles/slurm"), *QUICK]
    run = start([*command, "--slurm-array-limit", "3"], tmp_path, environment, tmp_path / "terminal.txt")
    try:
        assert run.end(150) == 0, run.text()
    finally:
        run.stop()
    assert (tmp_path / "out").is_dir()
    for shard in range(SHARDS):
        runs = (tmp_path / f"runs_{shard}").read_text().split()
        assert len(runs) == (2 if shard == FAILS_ONCE else 1), f"shard {shard}"
        assert runs[-1] in ("0", "1")
        assert (tmp_path / f"out/{shard}.txt").read_text().split() == runs[-1:]
    jobs = slurm.jobs()
    assert sum("ArrayJobId" in job for job in jobs) == SHARDS
    assert {job["JOB_GRES"] for job in jobs} == {"gpu:fake:1"}
    assert sorted(job["JobState"] for job in jobs) == ["COMPLETED"] * SHARDS + ["FAILED"]
