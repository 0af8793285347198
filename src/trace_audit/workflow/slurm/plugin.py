"""Workarounds for two bugs of Snakemake's Slurm plugin, version 2.8.0.

1. `check_active_jobs` asks slurmctld for MinJobAge before each round of questions. Without an answer it asks sacct
   instead; without an accounting database that never succeeds, and the run hangs although slurmctld is back. Here the
   last answer is used until there is a new one, and before the first one the default of slurm.conf.
2. `check_active_jobs` waits without end for a job that Slurm no longer knows, because slurmctld lost its state or
   forgot the job (MinJobAge) before it was asked. Here such a job fails after a stated time, and is tried again.

A third fault, of job arrays, is handled in `array_task`. All three depend on the internals of that version, so another
version is refused by name.
"""

import sys
import time
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Any

from trace_audit.core.errors import InputError

PLUGIN = "snakemake_executor_plugin_slurm"
PACKAGE = "snakemake-executor-plugin-slurm"
VERSION = "2.8.0"
DEFAULT_MIN_JOB_AGE_S = 300  # of slurm.conf


def last_known(ask: Callable[[], int | None]) -> Callable[[], int]:
    """`ask`, which repeats its last answer when there is none (None); Slurm's own default before the first answer."""
    known = DEFAULT_MIN_JOB_AGE_S

    def answer() -> int:
        nonlocal known
        known = ask() or known
        return known

    return answer


class Forgotten:
    """Jobs missing from Slurm's answers, and since when."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._missing_since: dict[str, float] = {}
        self._answer: dict[str, str] | None = None

    def asked(self, answer: dict[str, str] | None) -> None:
        """Record an answer of squeue or sacct: states by job id, None for no answer."""
        self._answer = answer

    def for_too_long(self, job: str) -> bool:
        """Whether a job has been missing from every answer for longer than the limit.

        Time without an answer does not count: while slurmctld is down nothing is known about any job.
        """
        if self._answer is None or job in self._answer or job.partition("_")[0] in self._answer:
            self._missing_since.pop(job, None)
            return False
        now = self._clock()
        return now - self._missing_since.setdefault(job, now) > self._limit_s


def require_version(installed: str) -> None:
    """Raise InputError if another version of the plugin is installed than these workarounds are made for."""
    if installed != VERSION:
        raise InputError(
            f"{PACKAGE} {installed} is installed, and this workflow works around faults of {VERSION} (src/trace_audit/"
            f"workflow/slurm/plugin.py names them): pip install {PACKAGE}=={VERSION}, or check that file and name the "
            "new version there"
        )


def prepare_plugin(forgotten_after_s: float) -> None:
    """Install both workarounds, if the plugin is loaded. Raises InputError for another version of it."""
    plugin: Any = sys.modules.get(PLUGIN)
    if plugin is None:
        return
    require_version(version(PACKAGE))
    plugin.get_min_job_age = last_known(plugin.get_min_job_age)
    forgotten = Forgotten(forgotten_after_s)
    plugin.query_job_status = _overheard(plugin.query_job_status, forgotten)
    plugin.Executor.check_active_jobs = _giving_up(plugin.Executor.check_active_jobs, forgotten, forgotten_after_s)


def _overheard(ask: Callable[..., Any], forgotten: Forgotten) -> Callable[..., Any]:
    """`ask`, with each answer passed to `forgotten`."""

    async def query(*arguments: Any) -> Any:
        answer = await ask(*arguments)
        forgotten.asked(answer[0])
        return answer

    return query


def _giving_up(check: Callable[..., AsyncIterator[Any]], forgotten: Forgotten, limit_s: float) -> Callable[..., Any]:
    """`check`, which returns the jobs still at work, without forgotten ones: those failed."""

    async def check_active_jobs(self: Any, active_jobs: list[Any]) -> AsyncIterator[Any]:
        async for job in check(self, active_jobs):
            if not forgotten.for_too_long(job.external_jobid):
                yield job
                continue
            text = f"SLURM-job '{job.external_jobid}' failed: Slurm has not known it for {limit_s:.0f} s"
            self.report_job_error(job, msg=text)

    return check_active_jobs
