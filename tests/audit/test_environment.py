"""Audits run without compiled code; other uses of the same commands may run with it."""

import os

import pytest

from trace_audit.core.errors import run_command
from trace_audit.programs.environment import COMPILE, operation_by_operation


@pytest.mark.parametrize(("stated", "within"), [(None, "never"), ("always", "always")])
def test_audits_go_without_compiled_code_unless_told(stated, within, monkeypatch):
    monkeypatch.delenv(COMPILE, raising=False)
    if stated:
        monkeypatch.setenv(COMPILE, stated)
    with pytest.raises(ZeroDivisionError), operation_by_operation():
        assert os.environ[COMPILE] == within
        raise ZeroDivisionError
    assert os.environ.get(COMPILE) == stated


def test_a_command_leaves_the_choice_to_what_it_runs(monkeypatch):
    """Benchmarks and campaigns use the same commands, and use compiled code."""
    monkeypatch.delenv(COMPILE, raising=False)
    modes = []
    assert run_command(lambda _: modes.append(os.environ.get(COMPILE)) or 0, []) == 0
    assert modes == [None]
