"""A small project in a temporary folder, and snakemake run on it with the repository's own Snakefile."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests.conftest import of_all_workers
from tests.workflow import forked
from trace_audit.chaos.checkout import SMALL_CONFIG, SMALL_SCENARIO, make_checkout, prepare, write_config

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Project:
    """A folder with config/ in it, on which snakemake works."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write_config(self, **changes) -> None:
        config = {**SMALL_CONFIG, **changes}
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(config))

    def write_scenario(self, name: str = "small", **changes) -> None:
        scenario = {**SMALL_SCENARIO, "name": name, **changes}
        (self.folder / f"config/scenarios/{name}.yaml").write_text(yaml.safe_dump(scenario))

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run snakemake here with the repository's Snakefile and default profile."""
        inherited = {name: value for name, value in os.environ.items() if name not in ("NB_C_BIN", "MAKELEVEL")}
        own = {**self.environment, **environment}
        command = ["--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "2", *arguments]
        if own.keys() <= {"NB_C_BIN"}:
            return forked.run(command, self.folder, {**inherited, **own})
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *command],
            cwd=self.folder,
            env={**inherited, **own},
            text=True,
            capture_output=True,
            timeout=forked.LIMIT_S,
            check=False,
        )

    def copy(self, folder: Path) -> "Project":
        """A copy of the project with its file times, so that all its results stay up to date.

        Its folder must be as deep as this one: inputs of rules that are sources are named relative to it.
        """
        assert len(folder.parts) == len(self.folder.parts), f"{folder}: not as deep as {self.folder}"
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return Project(folder)

    def file(self, name: str) -> Path:
        return self.folder / name


def make_project(folder: Path) -> Project:
    write_config(folder, SMALL_CONFIG, [SMALL_SCENARIO])
    return Project(folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def made_once(folder: Path, last_file: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first process of the tests that asks for it makes; `last_file` says that it is complete."""
    with FileLock(f"{folder}.lock"):
        if not (folder / last_file).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
    return folder


def audit(folder: Path) -> None:
    done = make_project(folder).snakemake("--quiet", "host", "reason")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "terminal.txt").write_text(done.stdout + done.stderr)


@pytest.fixture(scope="session")
def audited_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose audit has run."""
    return made_once(of_all_workers(tmp_path_factory) / "audited once", "terminal.txt", audit)


@pytest.fixture(scope="module")
def finished(audited_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose audit has run once, in a folder with a blank and a non-ASCII letter in its name."""
    return Project(audited_once).copy(tmp_path_factory.mktemp("audit of Ångström"))


@pytest.fixture(scope="session")
def make_tested(audited_once: Path) -> Callable[[Path], Project]:
    """Function that makes a project whose reference is built and whose regression test has passed, and no more."""

    def make(folder: Path) -> Project:
        project = Project(audited_once).copy(folder)
        for path in (project.file("logs"), *project.file("results").iterdir()):
            if path.name not in ("audit", "reference"):
                shutil.rmtree(path)
        for path in project.file("results/audit").iterdir():
            if path.name != "regression_test.json":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return project

    return make


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose reference is built and whose regression test has passed; tests work on copies as deep."""
    folder, last_file = of_all_workers(tmp_path_factory) / "prepared", "checkout/results/audit/regression_test.json"
    return made_once(folder, last_file, lambda made: prepare(make_checkout(made / "checkout"))) / "checkout"
