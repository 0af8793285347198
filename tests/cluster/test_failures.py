"""Jobs die in every way that a cluster has: the run continues or says why not, and nothing is lost or done twice."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cluster.conftest import QUICK, ClusterProject, start
from tests.cluster.daemons import NODE, wait_for
from tests.cluster.slurm import Slurm
from tests.workflow.conftest import REPOSITORY

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

VERDICT = "results/small/S20_F30/auto_float64/compare_scaling_traces.json"
TRACE = "results/small/S20_F30/auto_float64/trace_py_scaling.log"
AFTER_IT = (
    "results/audit/receipts/small_S20_F30_auto_float64.json",
    "results/audit/gate.json",
    "results/audit/receipts/seal.json",
)


def states(slurm: Slurm, rule: str) -> list[str]:
    """How the jobs of a rule ended, in order."""
    return [job["JobState"] for job in slurm.jobs_of(rule)]


def slurm_log(audited: ClusterProject, job: dict[str, str]) -> str:
    """What Slurm and snakemake wrote inside a job."""
    (path,) = audited.file("logs/slurm").rglob(f"{job['JobId']}.log")
    return path.read_text(errors="replace")


def memory_of_torch_MB() -> float:
    """Memory of a Python process that has imported torch."""
    code = "import resource, torch; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return float(done.stdout)


def check_made_once(audited: ClusterProject, before: bytes, attempts: int) -> None:
    """The verdict is the same as before and recorded once, and every byte is recorded."""
    assert audited.file(VERDICT).read_bytes() == before
    assert len(audited.records()) == attempts + 1
    assert audited.records()[-1]["status"] == "pass"
    audited.check_sound()


@pytest.fixture
def verdict(audited: ClusterProject) -> tuple[bytes, int]:
    """The verdict, which has to be computed again, and the number of recorded audits."""
    content = audited.file(VERDICT).read_bytes()
    audited.redo(VERDICT, *AFTER_IT)
    return content, len(audited.records())


def test_cancelled_job_is_tried_again(audited, slurm, verdict):
    run = audited.start()
    slurm.ask("scancel", slurm.running_job("compare"))
    assert run.end() == 0, run.text()
    assert "SLURM status is: 'CANCELLED'" in run.text()
    assert states(slurm, "compare") == ["CANCELLED", "COMPLETED"]
    check_made_once(audited, *verdict)


def test_job_over_its_time_limit_fails_the_run_and_the_next_run_completes(audited, slurm, verdict):
    run = audited.start("--retries", "0")
    job = slurm.running_job("compare")
    slurm.freeze(job)
    slurm.ask("scontrol", "update", f"JobId={job}", "EndTime=now")  # slurmctld looks every 30 s
    assert run.end() == 1, run.text()
    assert "SLURM status is: 'TIMEOUT'" in run.text()
    assert not audited.file(VERDICT).exists()
    audited.run()
    assert states(slurm, "compare") == ["TIMEOUT", "COMPLETED"]
    check_made_once(audited, *verdict)


def test_job_out_of_memory_is_tried_again_with_twice_the_memory(audited, slurm):
    before = audited.file(TRACE).read_bytes()
    audited.redo(TRACE)
    too_little_MB = round(
        1.3 * memory_of_torch_MB()
    )  # with snakemake and a trace it takes more, but less than twice that
    too_little = f"resources={{torch_trace: {{mem_mb: {too_little_MB}, gpus: 1}}}}"
    run = audited.run("--config", "cluster=true", too_little, "--", TRACE)
    assert states(slurm, "torch_trace") == ["FAILED", "COMPLETED"], run.text()  # OUT_OF_MEMORY where cgroups limit it
    assert [job["MinMemoryNode"] for job in slurm.jobs_of("torch_trace")] == [
        f"{too_little_MB}M",
        f"{2 * too_little_MB}M",
    ]
    assert "exceeded memory limit" in slurm_log(audited, slurm.jobs_of("torch_trace")[0])
    assert audited.file(TRACE).read_bytes() == before


def test_drained_node_holds_the_run_up_until_it_is_resumed(audited, slurm, verdict):
    slurm.ask("scontrol", "update", f"NodeName={NODE}", "State=DRAIN", "Reason=test")
    run = audited.start()
    wait_for(lambda: states(slurm, "compare") == ["PENDING"], "the job to be queued", 60)
    time.sleep(6)
    assert run.process.poll() is None, run.text()
    assert states(slurm, "compare") == ["PENDING"]
    slurm.ask("scontrol", "update", f"NodeName={NODE}", "State=RESUME")
    assert run.end() == 0, run.text()
    assert states(slurm, "compare") == ["COMPLETED"]
    check_made_once(audited, *verdict)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["restarted", "crashed"])
def test_slurmctld_goes_while_a_job_runs(audited, slurm, verdict, how):
    run = audited.start()
    job = slurm.running_job("compare")
    slurm.freeze(job)  # it shall not end too early
    time.sleep(7 if how == signal.SIGKILL else 0)  # slurmctld writes down what jobs there are every 5 s
    slurm.stop_controller(how)
    time.sleep(10)  # snakemake asks for the job in vain
    assert run.process.poll() is None, run.text()
    slurm.start_controller()
    slurm.freeze(job, signal.SIGCONT)
    assert run.end() == 0, run.text()
    assert states(slurm, "compare") == ["COMPLETED"]
    check_made_once(audited, *verdict)


def test_job_that_slurm_forgot_fails_after_a_while_and_is_tried_again(audited, slurm, verdict):
    run = audited.start("--config", "cluster=true", "forgotten_after_s=5")
    job = slurm.running_job("compare")
    slurm.freeze(job)
    slurm.lose_jobs()
    assert run.end() == 0, run.text()
    assert f"SLURM-job '{job}' failed: Slurm has not known it for 5 s" in run.text()
    assert states(slurm, "compare") == ["COMPLETED"]
    check_made_once(audited, *verdict)


def test_lock_of_a_killed_run_goes_once_none_of_its_jobs_is_left(audited, slurm, verdict):
    arguments = ["--snakefile", str(REPOSITORY / "Snakefile"), "--profile", str(REPOSITORY / "workflow/profiles/slurm")]
    command = [sys.executable, "-m", "trace_audit.workflow.run", *arguments, *QUICK]
    folder = audited.project.folder
    first = start(command, folder, slurm.environment(), folder / "first.txt")
    job = slurm.running_job("compare")
    slurm.freeze(job)
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    refused = start(command, folder, slurm.environment(), folder / "refused.txt")
    assert refused.end() == 2 and f"scancel {job}, or wait" in refused.text()
    slurm.ask("scancel", job)
    wait_for(lambda: states(slurm, "compare") == ["CANCELLED"], "the job to be cancelled", 30)
    again = start(command, folder, slurm.environment(), folder / "again.txt")
    assert again.end() == 0, again.text()
    check_made_once(audited, *verdict)


def test_interrupted_run_cancels_its_jobs_and_the_next_one_completes(audited, slurm, verdict):
    run = audited.start()
    slurm.running_job("compare")
    run.process.send_signal(signal.SIGINT)
    assert run.end(90) != 0
    wait_for(lambda: states(slurm, "compare") == ["CANCELLED"], "the job to be cancelled", 30)
    audited.run()
    assert states(slurm, "compare") == ["CANCELLED", "COMPLETED"]
    check_made_once(audited, *verdict)
