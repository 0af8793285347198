"""`python -m trace_audit doctor` lists what is installed and what is missing, with the consequence and a remedy."""

import re
import subprocess

import pytest

from nanobragg_tables.__main__ import REPOSITORY
from trace_audit import doctor
from trace_audit.doctor import Finding, report


def test_a_machine_that_can_audit(capsys):
    assert doctor.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ("python", "compiler", "OpenMP", "torch", "writable"):
        assert any(line.split()[:2] == ["ok", name] for line in lines), name
    assert not any(line.startswith("MISSING") for line in lines)


@pytest.mark.parametrize("name", ["gcc", "make"])
def test_a_missing_tool_is_named_with_its_cost_and_a_remedy(name, monkeypatch, capsys):
    which = doctor.shutil.which
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(doctor.shutil, "which", lambda tool: None if tool == name else which(tool))
    assert doctor.main([]) == 1
    out = capsys.readouterr().out
    assert "MISSING" in out and "the reference cannot be built" in out and "apt install build-essential" in out


def test_a_compiler_without_openmp_is_seen(monkeypatch):
    monkeypatch.setenv("CC", "false")
    rows = {row.name: row for row in doctor.compilers()}
    assert rows["compiler"].there and not rows["OpenMP"].there


def test_another_package_of_the_name_is_named(monkeypatch, capsys):
    owners = {"nanobrag_torch": ["nanobragg-audit", "other-nanobrag"]}
    monkeypatch.setattr(doctor.importlib.metadata, "packages_distributions", lambda: owners)
    assert doctor.main([]) == 1
    out = capsys.readouterr().out
    assert "MISSING  package    nanobrag_torch of nanobragg-audit and other-nanobrag" in out
    assert "pip uninstall other-nanobrag nanobragg-audit" in out


def test_what_is_optional_is_no_failure(monkeypatch, capsys):
    which = doctor.shutil.which
    monkeypatch.setattr(
        doctor.shutil, "which", lambda tool: None if tool in ("sbatch", *doctor.BROWSERS) else which(tool)
    )
    assert doctor.main([]) == 0
    out = capsys.readouterr().out
    assert "absent   Slurm" in out and "absent   browser" in out and "MISSING" not in out


def test_whatever_may_be_missing_has_a_cost_and_a_remedy(tmp_path):
    for row in doctor.findings(tmp_path):
        gone = Finding(row.name, False, "none", row.costs or "-", row.remedy or "-", row.needed)
        assert report([gone]).count("\n") == 3
        assert (row.costs and row.remedy) or row.name == "torch"


def test_make_help_lists_every_target():
    text = (REPOSITORY / "Makefile").read_text()
    targets = next(line for line in text.splitlines() if line.startswith(".PHONY:")).split()[1:]
    done = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make ([\w-]+) ", done.stdout, re.MULTILINE))
    assert listed == set(targets) - {"help", "compiler"}
