"""The output of a run: few lines, the time left, and on a failure its messages; everything else is in the log."""

import io
import json
import subprocess
import sys
import time

import pytest
from rich.console import Console

from trace_audit.workflow import progress
from trace_audit.workflow.progress import Brief, Steps, wants_all

HEAD = """\
Building DAG of jobs...
Job stats:
job        count
-------  -------
c_trace        2
compare        1
gate           1
total          4

Select jobs to execute...
"""
RUN = (
    HEAD
    + """\
Job 1: C trace: small, pixel (1, 2)
Job 2: C trace: small, pixel (3, 4)
Finished jobid: 1 (Rule: c_trace)
1 of 4 steps (25%) done
Finished jobid: 2 (Rule: c_trace)
2 of 4 steps (50%) done
rule compare:
    jobid: 3
Finished jobid: 3 (Rule: compare)
3 of 4 steps (75%) done
localrule gate:
    jobid: 4
Finished jobid: 4 (Rule: gate)
4 of 4 steps (100%) done
"""
)
FAILED = (
    HEAD
    + """\
Error in rule c_trace:
    jobid: 1
Logfile logs/c_trace/small.log:
================================================================================
trace_audit: error: the reference ended with exit status 1
================================================================================
WorkflowError:
At least one job did not complete successfully.
"""
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    return tmp_path


def child(stderr: str, stdout: str = "", status: int = 0, ending: str = "pass") -> subprocess.Popen:
    program = f"import sys; sys.stderr.write({stderr!r}); print({stdout!r}, end=''); {ending}; sys.exit({status})"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", program], **pipes)


def seen(*children: subprocess.Popen, terminal: bool = False) -> tuple[list[str], Brief]:
    out = io.StringIO()
    brief = Brief(Console(file=out, force_terminal=terminal, width=100, highlight=False, soft_wrap=True))
    for child in children:
        brief.follow(child)
        brief.may_find_nothing = False
    return out.getvalue().splitlines(), brief


def test_steps_are_counted_and_the_time_left_comes_from_what_jobs_took(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    steps = Steps({"c_trace": 10.0, "compare": 4.0, "gate": 2.0})
    for line in RUN.splitlines():
        if line.startswith("Job 1"):
            assert (steps.total, steps.done) == (4, 0)
            assert steps.left_s() == pytest.approx(26)
        if line.startswith("Finished jobid: 1 "):
            assert steps.doing == "C trace: small, pixel (3, 4)"
            now[0] = 6.0
        steps.read(line)
        if line.startswith("1 of 4"):
            assert steps.seconds["c_trace"] == 6.0
            assert steps.left_s() == pytest.approx(6 + 4 + 2 - 6)
    assert (steps.done, steps.left_s(), steps.text()) == (4, None, "")


def test_without_a_terminal_there_are_few_plain_lines_and_the_log_has_all(folder):
    lines, _ = seen(child(RUN, "the table\n"))
    assert f"0 of 4 steps; all messages: {progress.LOG}" in lines
    assert [line.split(",")[0] for line in lines if " steps," in line] == [f"{n} of 4 steps" for n in (1, 2, 3, 4)]
    assert "the table" in lines and len(lines) == 6
    assert not any("\x1b" in line for line in lines)
    log = progress.LOG.read_text()
    assert set(RUN.splitlines()) <= set(log.splitlines()) and "the table" in log
    assert json.loads(progress.SECONDS.read_text()).keys() == {"c_trace", "compare", "gate"}


def test_on_a_terminal_one_line_lives_and_what_hooks_print_stays(folder):
    lines, _ = seen(child(RUN, "the table\n", ending="import time; time.sleep(0.3)"), terminal=True)
    text = "\n".join(lines)
    assert "the table" in text and "4/4" in text and " of 4 steps" not in text


def test_nothing_to_do_is_said_once_and_not_after_a_round_that_did_something():
    nothing = "Nothing to be done (all requested files are present and up to date).\n"
    assert seen(child(nothing))[0] == [nothing.rstrip()]
    assert not any("Nothing" in line for line in seen(child(RUN), child(nothing))[0])


def test_the_log_of_the_first_failed_job_is_shown():
    _, brief = seen(child(FAILED, status=1))
    assert brief.failure() == [
        "Logfile logs/c_trace/small.log:",
        "trace_audit: error: the reference ended with exit status 1",
    ]


def test_a_mistake_in_the_config_is_shown_once():
    lines, brief = seen(child("Using profile x.\nerror: config/config.yaml: wrong\n", status=2))
    assert lines == ["error: config/config.yaml: wrong"] and brief.failure() == []


def test_what_snakemake_itself_cannot_do_is_shown():
    text = "Using profile x.\nWorkflowError in file Snakefile, line 3:\nno such thing\n"
    _, brief = seen(child(text, status=1))
    assert brief.failure() == text.splitlines()[1:]


def test_a_child_of_the_run_that_holds_the_pipe_is_not_waited_for():
    leave = "import subprocess; subprocess.Popen(['sleep', '20'])"
    began = time.monotonic()
    seen(child(RUN, ending=leave))
    assert time.monotonic() - began < 10


def test_known_times_that_cannot_be_read_are_none(folder):
    progress.SECONDS.write_text("[1, 2")
    assert seen(child(RUN))[0]


@pytest.mark.parametrize(("value", "all_of_it"), [("1", True), ("0", False), ("", False)])
def test_verbose_shows_all(monkeypatch, value, all_of_it):
    monkeypatch.setenv("VERBOSE", value)
    assert wants_all() == all_of_it
