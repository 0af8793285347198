"""Audits go without compiled code; whoever else uses their commands does not."""

import os

import pytest

from trace_audit.core.errors import run_command
from trace_audit.programs.environment import COMPILE, operation_by_operation


@pytest.mark.parametrize(("given", "within"), [(None, "never"), ("always", "always")])
def test_audits_go_without_compiled_code_unless_told(given, within, monkeypatch):
    monkeypatch.delenv(COMPILE, raising=False)
    if given:
        monkeypatch.setenv(COMPILE, given)
    with pytest.raises(ZeroDivisionError), operation_by_operation():
        assert os.environ[COMPILE] == within
        raise ZeroDivisionError
    assert os.environ.get(COMPILE) == given


def test_a_command_leaves_the_choice_to_what_it_runs(monkeypatch):
    """Benchmarks and campaigns are such commands, and want compiled code."""
    monkeypatch.delenv(COMPILE, raising=False)
    found = []
    assert run_command(lambda _: found.append(os.environ.get(COMPILE)) or 0, []) == 0
    assert found == [None]
