"""The set-up: the Makefile's checks, and one set of versions in all environment files."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import REPOSITORY, Project

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
IMPORT_NAMES = {"pyyaml": "yaml", "pytorch": "torch", "matplotlib-base": "matplotlib"}
OF_NO_RULE = {"rocrate", "snakemake"}  # make crate, and what runs the rules
CONDA = """#!/bin/sh
case "$*" in
"info --json") echo '{"conda_version": "25.1.0", "root_prefix": "/", "conda_prefix": "/", "platform": "linux-64"}' ;;
"--version") echo "conda 25.1.0" ;;
"config --get channel_priority --json") echo '{"get": {"channel_priority": "strict"}}' ;;
*) exit 1 ;;
esac
"""


def pins(name: str = "requirements.txt") -> dict[str, str]:
    lines = (REPOSITORY / "envs" / name).read_text().splitlines()
    return dict(re.match(r"([\w-]+)==([\w.]+)", line).groups() for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("name", ["requirements.txt", "docs.txt"])
def test_every_requirement_is_pinned_and_explained(name):
    for line in (REPOSITORY / "envs" / name).read_text().splitlines():
        assert not line or line.startswith("#") or re.fullmatch(r"[\w-]+==[\w.]+ +# \S.*", line), line


def test_conda_files_carry_the_same_versions():
    pinned = {CONDA_NAMES.get(name, name).lower(): version for name, version in pins().items()}
    packages = yaml.safe_load((REPOSITORY / "envs/audit.yaml").read_text())["dependencies"]
    assert "pytorch=2.13.0" in packages
    for package in packages:
        name, version = package.split("=")
        assert name == "python" or pinned[name] == version, package


def test_conda_file_of_the_site_carries_the_same_versions():
    packages = yaml.safe_load((REPOSITORY / "envs/docs.yaml").read_text())["dependencies"]
    assert dict(package.split("=") for package in packages if not package.startswith("python=")) == pins("docs.txt")


def test_conda_file_of_the_audit_has_what_the_sources_import():
    imported = set()
    for path in (REPOSITORY / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    ours = {path.name for path in (REPOSITORY / "src").iterdir()}
    needed = imported - set(sys.stdlib_module_names) - ours - OF_NO_RULE
    packages = yaml.safe_load((REPOSITORY / "envs/audit.yaml").read_text())["dependencies"]
    names = [package.partition("=")[0] for package in packages]
    assert needed <= {IMPORT_NAMES.get(name, name) for name in names}


def test_building_takes_python_alone():
    code = "import sys, trace_audit.programs.build; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-S", "-c", code]  # -S: without the packages of this environment
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_rules_take_the_conda_files(project: Project):
    conda = project.file("bin/conda")
    conda.parent.mkdir()
    conda.write_text(CONDA)
    conda.chmod(0o755)
    arguments = ["--software-deployment-method", "conda", "--list-conda-envs", "--", "audit", "parity"]
    done = project.snakemake(*arguments, PATH=f"{conda.parent}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    files = re.findall(r"^(\S+\.yaml)\s", done.stdout, re.MULTILINE)
    assert {Path(name).name for name in files} == {"audit.yaml", "build.yaml"}
    assert {(project.folder / name).resolve().parent for name in files} == {REPOSITORY / "envs"}


def run_make(target: str, folder: Path, path: str, *arguments: str) -> subprocess.CompletedProcess:
    """make in a copy that holds only the Makefile and what its set-up reads."""
    for name in ("Makefile", "pyproject.toml", "envs"):
        source = REPOSITORY / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder)
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "NB_C_BIN")
    }
    command = [shutil.which("make"), target, *arguments]
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


def test_ctrl_c_is_no_old_python(tmp_path: Path):
    stopped = tmp_path / "python3"
    stopped.write_text("#!/bin/sh\nexit 130\n")  # as a shell has it for what Ctrl-C ended
    stopped.chmod(0o755)
    done = run_make("setup", tmp_path, os.environ["PATH"], f"PYTHON={stopped}")
    assert done.returncode == 2 and errors(done) == []


def test_help_names_every_target(tmp_path: Path):
    done = run_make("help", tmp_path, os.environ["PATH"])
    for target in ("audit", "test", "test-cluster", "bench", "report", "clean"):
        assert f"make {target} " in done.stdout
