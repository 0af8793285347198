"""The set-up: the Makefile's checks, and one set of versions in all environment files."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.workflow.conftest import REPOSITORY

CONDA_NAMES = {"torch": "pytorch"}


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "envs/requirements.txt").read_text().splitlines()
    return dict(re.match(r"([\w-]+)==([\w.]+)", line).groups() for line in lines if line and not line.startswith("#"))


def test_every_requirement_is_pinned_and_explained():
    for line in (REPOSITORY / "envs/requirements.txt").read_text().splitlines():
        assert not line or line.startswith("#") or re.fullmatch(r"[\w-]+==[\w.]+ +# \S.*", line), line


def test_conda_files_carry_the_same_versions():
    pinned = {CONDA_NAMES.get(name, name).lower(): version for name, version in pins().items()}
    packages = yaml.safe_load((REPOSITORY / "envs/audit.yaml").read_text())["dependencies"]
    assert "pytorch=2.13.0" in packages
    for package in packages:
        name, version = package.split("=")
        assert name == "python" or pinned[name] == version, package


def run_make(target: str, folder: Path, path: str, *words: str) -> subprocess.CompletedProcess:
    """make in a copy that holds only the Makefile and what its set-up reads."""
    for name in ("Makefile", "pyproject.toml", "envs"):
        source = REPOSITORY / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder)
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "NB_C_BIN")
    }
    command = [shutil.which("make"), target, *words]
    environment = {**inherited, "PATH": path}
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)


def tools(folder: Path, *names: str) -> str:
    """A PATH that holds just these programs."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(shutil.which(name))
    return str(folder)


def errors(done: subprocess.CompletedProcess) -> list[str]:
    return [line for line in done.stderr.splitlines() if not line.startswith("make")]


def test_missing_gcc_is_one_line(tmp_path: Path):
    path = tools(tmp_path / "bin", "bash", "cat", "cksum", "tr")
    done = run_make("audit", tmp_path, path, "PYTHON=true")
    assert done.returncode == 2
    assert len(errors(done)) == 1
    assert "gcc not found" in done.stderr
    assert "apt install" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_old_python_is_one_line(tmp_path: Path):
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = run_make("setup", tmp_path, os.environ["PATH"], f"PYTHON={old}")
    assert done.returncode == 2
    assert len(errors(done)) == 1
    assert "is no python of version 3.11 or later" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_help_names_every_target(tmp_path: Path):
    done = run_make("help", tmp_path, os.environ["PATH"])
    for target in ("audit", "test", "bench", "report", "clean"):
        assert f"make {target} " in done.stdout
