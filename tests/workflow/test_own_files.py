"""A run writes into no file that lies elsewhere: links below logs/ and results/ are refused before anything runs."""

import pytest

from tests.workflow.conftest import REPOSITORY
from trace_audit.core.errors import InputError
from trace_audit.workflow.run_hooks import require_own_files


def test_links_and_second_names(tmp_path):
    logs, victim = tmp_path / "logs", tmp_path / "victim"
    victim.write_text("precious")
    (logs / "c_trace").mkdir(parents=True)
    (logs / "c_trace/plain.log").write_text("x")
    require_own_files(logs, tmp_path / "not there")
    for name, plant in (("a.log", "symlink_to"), ("b.log", "hardlink_to")):
        path = logs / "c_trace" / name
        getattr(path, plant)(victim)
        with pytest.raises(InputError, match=f"{name}: (is a link|has a second name)"):
            require_own_files(logs)
        path.unlink()
    (logs / "deep").symlink_to(tmp_path)
    with pytest.raises(InputError, match="deep: is a link"):
        require_own_files(logs)
    (logs / "deep").unlink()
    (tmp_path / "results").symlink_to(logs)
    require_own_files(tmp_path / "results")


def test_the_workflow_asks_before_anything_runs(project):
    victim, log = project.folder / "victim", project.folder / "logs/build_reference/reference.log"
    victim.write_text("precious")
    log.parent.mkdir(parents=True)
    log.symlink_to(victim)
    done = project.snakemake("-n")
    assert done.returncode == 2 and "reference.log: is a link" in done.stderr and "Traceback" not in done.stderr
    assert victim.read_text() == "precious" and (REPOSITORY / "Snakefile").is_file()
