"""Somebody else's program as the candidate of the config: run, audited, on record, gated."""

import json
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

PLANTED = Path(__file__).parents[1] / "port/planted.py"
FOLDER = "results/small/S20_F30/candidate"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    from tests.workflow.conftest import make_project

    project = make_project(tmp_path_factory.mktemp("candidate"))
    command = [sys.executable, str(PLANTED), "fluence_per_mm2", "all", "{slow}", "{fast}", "-", "{flags}"]
    project.write_config(candidate={"name": "my-port", "command": command, "budget_s": 20})
    done = project.snakemake("--quiet", "host", "reason")
    assert done.returncode == 1, done.stdout + done.stderr
    return project, done.stdout + done.stderr


def test_the_cause_is_named_at_the_gate(audited):
    project, printed = audited
    assert "my-port" in printed and "fluence_photons_per_m2" in printed
    assert not project.file("results/audit/port_gate.json").exists()
    verdict = json.loads(project.file(f"{FOLDER}/port_audit.json").read_text())
    assert verdict["status"] == "fail" and verdict["root_causes"] == ["fluence_photons_per_m2"]


def test_the_audit_is_on_record(audited):
    project, _ = audited
    record = json.loads(project.file("results/audit/ledger/000001.json").read_text())
    assert (record["kind"], record["device"], record["status"]) == ("attempt", "my-port", "fail")
    assert f"{FOLDER.removeprefix('results/')}/port_audit.md" in " ".join(record["artifacts"])
    assert "my-port" in project.file("results/audit/attempt_history.md").read_text()


def test_a_command_without_flags_is_refused_before_any_job(project: Project):
    project.write_config(candidate={"command": ["/bin/true"]})
    done = project.snakemake("-n")
    assert done.returncode == 2 and "{flags}" in done.stderr


def test_an_unknown_placeholder_is_named(project: Project):
    project.write_config(candidate={"command": ["/bin/true", "{flags}", "{pixel}"]})
    done = project.snakemake("-n")
    assert done.returncode == 2 and "{pixel}" in done.stderr
