"""A run that is killed and run again ends with the bytes of an undisturbed one; `make chaos` does this many times."""

import importlib.util

import pytest

from tests.workflow.conftest import REPOSITORY, Project, make_project


@pytest.fixture(scope="module")
def chaos():
    spec = importlib.util.spec_from_file_location("chaos", REPOSITORY / "workflow/scripts/chaos.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "moment_s"), [("snakemake", 6.0), ("torch run", 1.0)])
def test_a_killed_run_comes_out_the_same_when_run_again(chaos, finished: Project, tmp_path, victim, moment_s):
    expected = chaos.artifacts(finished.folder)
    assert len(expected) > 12
    folder = make_project(tmp_path / "killed run").folder
    assert chaos.kill_at(folder, victim, moment_s) == "killed"
    assert chaos.artifacts(folder) != expected
    assert chaos.faults_after(folder, expected) == ""
