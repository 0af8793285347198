"""Somebody else's program as the candidate of the config: run, audited, on record, gated."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import Project
from trace_audit.__main__ import main as trail
from trace_audit.chaos.checkout import SMALL_SCENARIO
from trace_audit.config.side import Candidate, Reference
from trace_audit.core.errors import InputError
from trace_audit.port.job import compare_sides
from trace_audit.port.side_job import run_side

PLANTED = Path(__file__).parents[1] / "port/planted.py"
FOLDER = "results/small/S20_F30/candidate"


@pytest.fixture(scope="module")
def audited(make_tested, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    project = make_tested(tmp_path_factory.mktemp("candidate"))
    command = [sys.executable, str(PLANTED), "fluence_per_mm2", "all", "{slow}", "{fast}", "-", "{flags}"]
    project.write_config(candidate={"name": "my-port", "command": command, "budget_s": 0})
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


def test_the_trail_is_that_of_any_audit(audited, monkeypatch, capsys):
    project, _ = audited
    folder = project.file(FOLDER)
    assert {"port_audit.json", "attempt_failed.log", "diff_on_blocker.patch"} <= {p.name for p in folder.iterdir()}
    kept = folder.joinpath("attempt_failed.log").read_text()
    assert "==== candidate/stdout.txt ====" in kept and "TRACE_PY: polar" in kept
    history = project.file("results/audit/attempt_history.md").read_text()
    assert "## Blockers" in history and "fluence_photons_per_m2" in history
    monkeypatch.chdir(project.folder)
    assert trail(["verify", "results"]) == 0, capsys.readouterr().out


def test_the_record_is_repeated_byte_by_byte(audited, monkeypatch, capsys):
    project, _ = audited
    monkeypatch.chdir(project.folder)
    status = trail(["rerun", "1", "--run-recorded-program"])
    assert status == 0, capsys.readouterr().out
    assert "port_audit.json: same bytes" in capsys.readouterr().out


def test_a_record_does_not_make_the_machine_run_its_command(audited, monkeypatch, capsys):
    project, _ = audited
    monkeypatch.chdir(project.folder)
    with pytest.raises(InputError, match=r"the candidate is a program of its own .*nothing was run"):
        trail(["rerun", "1"])


def test_a_program_that_crashes_is_a_verdict(tmp_path, capsys):
    """The same jobs as in a run, without snakemake."""
    folders = {role: tmp_path / role for role in ("reference", "candidate")}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({**SMALL_SCENARIO, "name": "s"}))
    sides = {
        "reference": Reference(program="torch"),
        "candidate": Candidate(command=["/bin/sh", "-c", "echo no such matrix >&2; exit 3", "{flags}"]),
    }
    common = {"scenario": "s", "scenario_dir": tmp_path, "hkl": None, "pixel": (20, 30)}
    for role, side in sides.items():
        run_side(side=side, name=role, binary=None, image=False, folder=folders[role], **common)
    compare_sides(sides=sides, folders=folders, budget_s=0, folder=tmp_path / "out", **common)
    verdict = json.loads((tmp_path / "out/port_audit.json").read_text())
    assert verdict["status"] == "fail"
    assert verdict["reasons"] == ["candidate ended with exit status 3: no such matrix; see candidate/stderr.txt"]
    assert "exit status 3" in (tmp_path / "out/port_audit.junit.xml").read_text()


def test_a_command_without_flags_is_refused_before_any_job(project: Project):
    project.write_config(candidate={"command": ["/bin/true"]})
    done = project.snakemake("-n")
    assert done.returncode == 2 and "{flags}" in done.stderr


def test_an_unknown_placeholder_is_named(project: Project):
    project.write_config(candidate={"command": ["/bin/true", "{flags}", "{pixel}"]})
    done = project.snakemake("-n")
    assert done.returncode == 2 and "{pixel}" in done.stderr
