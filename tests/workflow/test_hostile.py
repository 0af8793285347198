"""Names and values that could do harm in a shell, a format string or a page are treated as plain text."""

import subprocess
import sys
from pathlib import Path

import pytest
from markupsafe import escape

from tests.workflow.conftest import Project, make_project
from trace_audit.trail import attempts, hash_chain
from trace_audit.trail.verify import verify

BAD = "it's $(touch pwned) `touch pwned` ; touch pwned & %s"
NAMES = ["$(touch pwned)", "a;touch pwned", "../up", "a/b", "a b", "x'y", "{slow}", "-rf", "", "a\nb", "é"]


@pytest.fixture(scope="module")
def hostile(finished: Project, tmp_path_factory) -> tuple[Project, subprocess.CompletedProcess]:
    """An audit in a folder, with a program, a reflection file and lists of files, all of them badly named."""
    project = make_project(tmp_path_factory.mktemp("hostile") / BAD)
    (project.folder / "config/scenarios" / f"{BAD}.hkl").write_text("0 0 1 10.0\n1 0 0 20.0\n")
    project.write_scenario(structure_factors={"file": f"{BAD}.hkl"})
    program = project.file(f"{BAD} nanobragg")
    true_one = finished.file("results/reference/nanobragg")
    program.write_text(f"#!/bin/sh\necho '<script>%s%n' >&2\nexec '{true_one}' \"$@\"\n")
    program.chmod(0o755)
    assets = f"config/{BAD}.yaml"
    project.file(assets).write_text("- config/scenarios/small.yaml\n")
    (project.folder / "config/scenarios").rename(project.folder / "config" / f"{BAD} scenarios")
    project.file(assets).write_text(f"- |-\n  config/{BAD} scenarios/small.yaml\n")
    project.write_config(
        scenario_dir=f"config/{BAD} scenarios",
        reference={"binary": program.name},
        gate={"protected_assets": assets},
    )
    return project, project.snakemake("--quiet", "host", "reason")


def test_an_audit_with_bad_names_everywhere_runs_and_verifies(hostile):
    project, done = hostile
    assert done.returncode == 0, done.stdout + done.stderr
    assert verify(project.file("results")) == []
    record = hash_chain.load(project.file("results") / attempts.LEDGER)[0].record
    assert record["status"] == "pass" and any(BAD in name for name in record["inputs"])


@pytest.mark.parametrize("name", ["{0}", "a {input}", "a<b>"])
def test_a_folder_that_snakemake_would_take_for_a_pattern_is_refused_in_one_line(name, tmp_path: Path):
    done = make_project(tmp_path / name).snakemake("-n", "--quiet", "host")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(errors) == 1 and "rename it" in errors[0] and "Traceback" not in done.stderr


def test_nothing_in_them_was_run(hostile):
    project, _ = hostile
    assert [path for path in project.folder.parent.rglob("pwned*") if path.name == "pwned"] == []
    assert not Path("pwned").exists()


def test_they_are_text_in_the_documents_and_on_the_page(hostile):
    project, _ = hostile
    notes = project.file("results/audit/notes.md").read_text()
    assert "<script>" not in notes
    command = [sys.executable, "-m", "trace_audit.report"]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = project.file("results/report/index.html").read_text()
    assert escape("touch pwned & %s") in page and BAD not in page and "<script>%s%n" not in page


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["scenarios", "campaign"])
def test_a_bad_name_of_a_scenario_or_a_campaign_is_refused_in_one_line(name, key, tmp_path: Path, monkeypatch):
    from trace_audit.core.errors import InputError
    from trace_audit.workflow.plan import make_plan

    monkeypatch.chdir(make_project(tmp_path / "project").folder)
    good = {"scenarios": ["small"], "devices": ["cpu"], "dtypes": ["float64"]}
    bad = {"scenarios": [name]} if key == "scenarios" else {"campaign": {"name": name, "scenarios": ["small"]}}
    with pytest.raises(InputError) as refusal:
        make_plan(good | bad, "config/config.yaml")
    assert len(str(refusal.value).splitlines()) == 1 and str(refusal.value).isprintable()
