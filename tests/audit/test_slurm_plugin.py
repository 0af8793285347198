"""The plugin keeps its way of asking while slurmctld does not answer."""

import snakemake_executor_plugin_slurm as plugin

from trace_audit.workflow.slurm.plugin import keep_to_squeue, last_known


def test_last_known_answer_holds_until_there_is_a_new_one():
    answers = iter([None, 300, None, None, 600])
    ask = last_known(lambda: next(answers))
    assert [ask() for _ in range(5)] == [None, 300, 300, 300, 600]


def test_the_plugin_asks_through_it(monkeypatch):
    answers = iter([300, None])
    monkeypatch.setattr(plugin, "get_min_job_age", lambda: next(answers))
    keep_to_squeue()
    assert [plugin.get_min_job_age(), plugin.get_min_job_age()] == [300, 300]
