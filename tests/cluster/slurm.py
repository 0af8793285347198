"""A real Slurm with one node, for as long as a `with` block lasts, and what a test asks about its jobs.

    with Slurm() as slurm:
        subprocess.run(["make", "audit", "PROFILE=slurm"], env=slurm.environment())

`python -m tests.cluster make audit PROFILE=slurm` does the same for any command.
"""

import contextlib
import os
import re
import shutil
import signal

from tests.cluster.daemons import NODE, Daemons, wait_for
from tests.cluster.processes import processes_with


class Slurm(Daemons):
    """The daemons, and the jobs that Slurm knows."""

    def __init__(self) -> None:
        super().__init__()
        self._forgotten = 0

    def lose_jobs(self) -> None:
        """Start slurmctld anew without its saved state: it knows none of the jobs, and counts from 1 again."""
        self._end("slurmctld", signal.SIGKILL)
        shutil.rmtree(self.folder / "state")
        (self.folder / "state").mkdir(mode=0o755)
        self._forgotten = 0
        self.start_controller()

    def jobs(self) -> list[dict[str, str]]:
        """Slurm's own record of every job not forgotten, in order: the fields of `scontrol show job -d`."""
        text = self.ask("scontrol", "show", "job", "-d", "--oneliner")
        lines = [line for line in text.splitlines() if line.startswith("JobId=")]
        records = [dict(re.findall(r"(?:^|\s)([A-Za-z_:/]+)=(\S*)", line)) for line in lines]
        recent = [record for record in records if int(record["JobId"]) > self._forgotten]
        return sorted(recent, key=lambda record: int(record["JobId"]))

    def forget(self) -> None:
        """Leave the jobs so far out of what `jobs` returns."""
        self._forgotten = max((int(job["JobId"]) for job in self.jobs()), default=self._forgotten)

    def reset(self) -> None:
        """No job in the queue, slurmctld at work, and a node that takes jobs."""
        if "slurmctld" not in self._running:
            self.start_controller()
        self.cancel_all()
        if self._node_state() != "idle":
            self.ask("scontrol", "update", f"NodeName={NODE}", "State=RESUME")
        self.wait_for_node("idle", 60)

    def jobs_of(self, rule: str) -> list[dict[str, str]]:
        """The jobs of one rule, which the plugin names in the comment."""
        names = (f"rule_{rule}", f"rule_{rule}_wildcards_")
        return [job for job in self.jobs() if job["Comment"] == names[0] or job["Comment"].startswith(names[1])]

    def running_job(self, rule: str, seconds: float = 120) -> str:
        """Id of the job of a rule whose work, a job step, has begun; waits for it."""

        def at_work() -> list[str]:
            steps = self.ask("squeue", "--steps", "--noheader", "--format=%i").split()
            return [job["JobId"] for job in self.jobs_of(rule) if f"{job['JobId']}.0" in steps]

        return wait_for(at_work, f"a job of rule {rule} to run", seconds)[0]

    def freeze(self, job: str, how: signal.Signals = signal.SIGSTOP) -> None:
        """Stop the processes of a job's work, so that it hangs; with SIGCONT they go on."""
        told: set[int] = set()
        new = wait_for(lambda: self._at_work(job), f"the processes of job {job}", 20, every_s=0.02)
        while new:  # one that was just starting another is asked again
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
            told |= new
            new = self._at_work(job) - told

    def _at_work(self, job: str) -> set[int]:
        """The processes of a job's first step: those whose environment says so, and their descendants.

        `scontrol listpids` is not asked: while a step starts, it answers -1 (to kill(2): every process there is) or
        names all processes of the machine.
        """
        return processes_with(self._mark(), f"SLURM_JOB_ID={job}", "SLURM_STEP_ID=0")
