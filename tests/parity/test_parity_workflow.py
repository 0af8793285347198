"""`snakemake parity` from end to end on one small scenario, and what it does when the images differ."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import Project, make_project
from trace_audit.trail import attempts, hash_chain

FOLDER = "results/small/images/cpu_float64"
QUIET = ("--quiet", "host", "reason", "--", "parity")


@pytest.fixture(scope="module")
def finished(make_tested, tmp_path_factory) -> Project:
    """A project whose images have been compared, and passed."""
    project = make_tested(tmp_path_factory.mktemp("parity"))
    done = project.snakemake(*QUIET)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def verify(project: Project) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "trace_audit", "verify", str(project.file("results"))]
    return subprocess.run(command, text=True, capture_output=True, check=False)


def test_every_artifact_is_there(finished):
    for name in ("floatimage.bin", "image_parity.json", "image_parity.md", "config_snapshot.json", "py_image_env.json"):
        assert finished.file(f"{FOLDER}/{name}").stat().st_size > 0
    for name in ("floatimage.bin", "c_image_stdout.txt", "c_image_run.json"):
        assert finished.file(f"results/small/images/c/{name}").stat().st_size > 0
    verdict = json.loads(finished.file(f"{FOLDER}/image_parity.json").read_text())
    assert verdict["status"] == "pass"
    assert finished.file("results/audit/image_gate.json").is_file()
    assert "small" in finished.file("results/audit/image_summary.txt").read_text()


def test_it_is_on_record_and_sealed(finished):
    history = finished.file("results/audit/attempt_history.md").read_text()
    assert "## Images" in history and "| small | cpu | float64 | pass |" in history
    done = verify(finished)
    assert done.returncode == 0, done.stdout


def test_the_comparison_on_record_comes_out_the_same_when_run_again(finished):
    command = [sys.executable, "-m", "trace_audit", "rerun", "1", "--results", str(finished.file("results"))]
    done = subprocess.run(command, cwd=finished.folder, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  c/floatimage.bin: same bytes\n" in done.stdout and done.stdout.count(": same bytes") == 9
    assert "  py_image_stdout.txt: not compared, it tells of time and machine\n" in done.stdout


def test_a_crash_before_the_images_are_compared_is_on_record(finished, tmp_path):
    project = finished.copy(tmp_path)
    crashing = project.file("crashing")
    crashing.write_text("#!/bin/sh\necho 'last words' >&2\nexit 3\n")
    crashing.chmod(0o755)
    assert project.snakemake(*QUIET, NB_C_BIN=str(crashing)).returncode == 1
    record = hash_chain.load(project.file("results") / attempts.LEDGER)[-2].record
    assert record["kind"] == "image" and record["status"] == "fail" and record["pixel_slow_fast"] is None
    assert record["commands"][0]["exit_code"] == 3 and record["commands"][0]["last_words"] == ["last words"]
    assert "| small | cpu | float64 | fail |" in project.file("results/audit/attempt_history.md").read_text()
    assert verify(project).returncode == 0


def test_nothing_of_it_runs_for_the_audit(finished):
    done = finished.snakemake("-n", "--quiet", "host")
    assert done.returncode == 0
    assert "torch_trace" in done.stdout + done.stderr
    assert "image_parity" not in done.stdout + done.stderr


def test_second_run_runs_no_job(finished):
    done = finished.snakemake("--", "parity")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_every_scenario_of_the_folder_is_compared_unless_some_are_named(tmp_path):
    project = make_project(tmp_path)
    project.write_scenario("other")
    for named, expected in (("all", {"other", "small"}), (["other"], {"other"})):
        project.write_config(image_parity={"scenarios": named})
        done = project.snakemake("-n", "--quiet", "host", "--", "parity")
        assert done.returncode == 0, done.stderr
        text = done.stdout + done.stderr
        assert {name for name in ("other", "small") if f"results/{name}/images/c/floatimage.bin" in text} == expected


@pytest.fixture(scope="module")
def halted(finished, tmp_path_factory):
    """The comparison again, with a reference whose beam is polarized."""
    project = finished.copy(tmp_path_factory.mktemp("halted"))
    folder = project.folder
    fake = folder / "fake_nanobragg"
    fake.write_text(f'#!/bin/sh\nexec "{folder}/results/reference/nanobragg" "$@" -polar 0.7\n')
    fake.chmod(0o755)
    return project, project.snakemake(*QUIET, NB_C_BIN=str(fake))


def test_gate_halts_and_names_the_factor(halted):
    project, done = halted
    assert done.returncode == 1
    assert "polar: relative difference" in done.stderr and "(root cause)" in done.stderr
    assert not project.file("results/audit/image_gate.json").exists()


def test_gate_keeps_the_evidence(halted):
    project, _ = halted
    verdict = json.loads(project.file(f"{FOLDER}/image_parity.json").read_text())
    assert verdict["status"] == "fail" and "polar" in verdict["root_causes"]
    failure = project.file(f"{FOLDER}/attempt_failed.log").read_text()
    assert "==== c_image_stdout.txt ====" in failure and "(not there)" not in failure
    assert list(Path(project.file(f"{FOLDER}/pixels")).glob("S*_F*/compare_scaling_traces.json"))
    assert "## Blockers" in project.file("results/audit/attempt_history.md").read_text()
    assert verify(project).returncode == 0
