"""The plugin keeps asking while slurmctld does not answer, and gives up a job that Slurm has forgotten."""

import asyncio
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin

from trace_audit.core.errors import InputError
from trace_audit.workflow.slurm.plugin import (
    DEFAULT_MIN_JOB_AGE_S,
    PACKAGE,
    VERSION,
    Forgotten,
    last_known,
    prepare_plugin,
    require_version,
)


def test_last_known_answer_holds_until_there_is_a_new_one():
    """Slurm's own default is used until there is an answer: slurmctld can stop before the first question."""
    answers = iter([None, 60, None, None, 600])
    ask = last_known(lambda: next(answers))
    assert [ask() for _ in range(5)] == [DEFAULT_MIN_JOB_AGE_S, 60, 60, 60, 600]


def test_a_job_missing_from_every_answer_is_given_up_after_the_limit():
    now = [0.0]
    forgotten = Forgotten(60, clock=lambda: now[0])

    def at(seconds: float, answer: dict[str, str] | None, job: str = "7") -> bool:
        now[0] = seconds
        forgotten.asked(answer)
        return forgotten.for_too_long(job)

    assert not at(0, {"7": "RUNNING"})
    assert not at(100, {})  # the clock starts with the first answer without it
    assert not at(160, {"8": "RUNNING"})
    assert at(161, {})
    assert not at(170, {"7": "RUNNING"})  # it is back
    assert not at(171, {}) and not at(231, {}) and at(232, {})


def test_no_answer_and_a_parent_array_count_as_known():
    now = [0.0]
    forgotten = Forgotten(10, clock=lambda: now[0])
    for seconds, answer, job in [(0, None, "7"), (99, None, "7"), (100, {"7": "PENDING"}, "7_3"), (200, None, "7")]:
        now[0] = seconds
        forgotten.asked(answer)
        assert not forgotten.for_too_long(job)
    now[0] = 201
    forgotten.asked({})
    assert not forgotten.for_too_long("7")


@pytest.fixture
def fresh_plugin(monkeypatch):
    """The plugin with stand-ins for the functions that ask Slurm; they are removed after the test."""

    async def query(command, logger):
        return next(query.answers), 0.1

    async def check(self, active_jobs):
        await plugin.query_job_status("squeue", None)
        for job in active_jobs:
            yield job

    ages = iter([300, None])
    monkeypatch.setattr(plugin, "get_min_job_age", lambda: next(ages))
    monkeypatch.setattr(plugin, "query_job_status", query)
    monkeypatch.setattr(plugin.Executor, "check_active_jobs", check)
    return query


def test_the_plugin_asks_through_it(fresh_plugin):
    prepare_plugin(60)
    assert [plugin.get_min_job_age(), plugin.get_min_job_age()] == [300, 300]


def test_the_plugin_reports_a_forgotten_job_as_failed(fresh_plugin):
    fresh_plugin.answers = iter([{"7": "RUNNING", "8": "RUNNING"}, {"8": "RUNNING"}, {"8": "RUNNING"}])
    prepare_plugin(-1)  # at once
    failed = []
    executor = SimpleNamespace(report_job_error=lambda job, msg: failed.append((job.external_jobid, msg)))
    jobs = [SimpleNamespace(external_jobid=number) for number in ("7", "8")]

    async def still_active():
        return [job.external_jobid async for job in plugin.Executor.check_active_jobs(executor, jobs)]

    assert asyncio.run(still_active()) == ["7", "8"] and failed == []
    assert asyncio.run(still_active()) == ["8"]
    assert [number for number, _ in failed] == ["7"] and "Slurm has not known it" in failed[0][1]


def test_another_version_of_the_plugin_is_refused_by_name(fresh_plugin, monkeypatch):
    require_version(VERSION)
    monkeypatch.setattr("trace_audit.workflow.slurm.plugin.version", lambda name: {PACKAGE: "2.9.0"}[name])
    with pytest.raises(InputError, match=rf"{PACKAGE} 2\.9\.0 is installed, .*pip install {PACKAGE}==2\.8\.0"):
        prepare_plugin(60)


def test_the_faults_are_still_there():
    """If this test fails, the plugin has changed: check whether the workarounds are still needed."""
    import inspect

    text = inspect.getsource(plugin.Executor.check_active_jobs)
    assert "get_min_job_age()" in text and "yield j" in text and "await query_job_status(" in text
