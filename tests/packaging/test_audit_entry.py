"""`python -m trace_audit COMMAND` runs every command of the audit, and ends as the command does."""

import subprocess
import sys

import pytest

from trace_audit.__main__ import FOR_PEOPLE, FOR_RULES


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "trace_audit", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["compare", "ledger", "trail.gate"])
def test_a_command_gets_its_words(name):
    assert name in {**FOR_PEOPLE, **FOR_RULES}
    done = run(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m trace_audit.{name} ")


def test_a_command_ends_with_its_own_status():
    done = run("compare", "--c-log", "no.log", "--py-log", "no.log", "--out", "no.json")
    assert done.returncode == 2
    assert "no.log" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_command_without_a_module_is_refused():
    done = run("comparison")
    assert done.returncode == 2
    assert "comparison" in done.stderr
