"""The workflow outside its checkout: folders of users, a copied config alone, a module of another workflow."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.workflow import forked
from tests.workflow.conftest import REPOSITORY, SMALL_CONFIG, Project, make_project
from trace_audit.core.files import sha256_of_file
from trace_audit.trail.verify import verify

PROTECTED = "results/audit/protected_before.json"
MODULE = """
configfile: "config/config.yaml"


module audit:
    snakefile: "{snakefile}"
    config: config


use rule * from audit{names}


rule mine:
    default_target: True
    input:
        rules.{audit}.input,
    output:
        "mine.txt",
    shell:
        "cp results/audit/summary.txt {{output}}"
"""


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return forked.run(["--cores", "2", "--quiet", "host", "reason", *arguments], folder, dict(os.environ))


def embedded(project: Project, names: str = "", audit: str = "audit") -> Path:
    text = MODULE.format(snakefile=REPOSITORY / "workflow/Snakefile", names=names, audit=audit)
    project.file("Snakefile").write_text(text)
    return project.folder


def test_a_folder_without_config_is_audited_as_shipped(tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    done = snakemake(tmp_path, "-s", str(REPOSITORY / "Snakefile"), "--directory", str(mine), "--", PROTECTED)
    assert done.returncode == 0, done.stdout + done.stderr
    names = json.loads((mine / PROTECTED).read_text())
    listed = yaml.safe_load((REPOSITORY / "config/protected_assets.yaml").read_text())
    assert [(mine / name).resolve() for name in names] == [REPOSITORY / name for name in listed]
    assert not (mine / "config").exists()


def test_a_config_alone_takes_scenarios_and_lists_from_the_checkout(tmp_path: Path):
    (tmp_path / "config").mkdir()
    own = tmp_path / "config/config.yaml"
    own.write_text(yaml.safe_dump({**SMALL_CONFIG, "scenarios": ["supervisor"]}))
    done = snakemake(tmp_path, "-s", str(REPOSITORY / "Snakefile"), "--", PROTECTED)
    assert done.returncode == 0, done.stdout + done.stderr
    hashes = json.loads((tmp_path / PROTECTED).read_text())
    assert hashes["config/config.yaml"] == sha256_of_file(own)
    (scenario,) = [name for name in hashes if name.endswith("/supervisor.yaml")]
    assert (tmp_path / scenario).resolve() == REPOSITORY / "config/scenarios/supervisor.yaml"


def test_an_own_list_is_preferred_and_a_wrong_line_in_it_is_refused(tmp_path: Path):
    project = make_project(tmp_path)
    project.file("config/protected_assets.yaml").write_text("- config/scenarios/none.yaml\n")
    done = project.snakemake("-n", "--quiet", "host")
    assert done.returncode == 2
    assert "config/protected_assets.yaml: no such file 'config/scenarios/none.yaml'" in done.stderr


def test_as_a_module_it_runs_to_its_end(make_tested, tmp_path: Path):
    project = make_tested(tmp_path)
    done = snakemake(embedded(project))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass" in project.file("mine.txt").read_text()
    assert verify(project.file("results")) == []


@pytest.mark.parametrize(("names", "audit"), [(" as theirs_*", "theirs_audit")])
def test_as_a_module_its_rules_may_be_renamed(names, audit, tmp_path: Path):
    done = snakemake(embedded(make_project(tmp_path), names, audit), "-n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "theirs_gate" in done.stdout + done.stderr


def test_a_module_may_bring_its_config_in_its_own_text(tmp_path: Path):
    project = make_project(tmp_path)
    folder = embedded(project)
    text = project.file("Snakefile").read_text().replace("config: config\n", f"config: {SMALL_CONFIG!r}\n")
    project.file("Snakefile").write_text(text.replace('configfile: "config/config.yaml"\n', ""))
    project.file("config/config.yaml").unlink()
    done = snakemake(folder, "-n")
    assert done.returncode == 0, done.stdout + done.stderr
