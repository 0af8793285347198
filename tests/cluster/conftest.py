"""One Slurm for all tests of this folder, and a small project whose audit has run through it once."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster.daemons import missing
from tests.cluster.slurm import Slurm
from tests.workflow.conftest import REPOSITORY, Project, make_project

RUN_LIMIT_S = 240  # no run here takes longer; one that does has hung
QUICK = (
    *("--seconds-between-status-checks", "1"),
    *("--slurm-init-seconds-before-status-checks", "7"),
    *("--latency-wait", "10"),
)


def start(command: list[str], folder: Path, environment: dict[str, str], output: Path) -> "Run":
    """Start a command in a session of its own."""
    hidden = ("NB_C_BIN", "MAKELEVEL", "MAKEFLAGS", "MFLAGS")
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={name: value for name, value in environment.items() if name not in hidden},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
    return Run(process, output)


@dataclass
class Run:
    """A command at work, snakemake or make; what it prints goes to a file."""

    process: subprocess.Popen
    output: Path

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def end(self, limit_s: float = RUN_LIMIT_S) -> int:
        """Wait for the end and return the exit status. A command that hangs is stopped, and the test fails."""
        try:
            return self.process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.stop()
            pytest.fail(f"the run did not end within {limit_s} s:\n{self.text()[-3000:]}")

    def stop(self) -> None:
        """Interrupt it, as Ctrl-C does, and kill what does not end."""
        for how in (signal.SIGINT, signal.SIGKILL):
            if self.process.poll() is not None:
                return
            os.killpg(self.process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=30)


@dataclass
class ClusterProject:
    """A project whose jobs go to the Slurm of the tests."""

    project: Project
    slurm: Slurm
    runs: list[Run] = field(default_factory=list)

    def start(self, *arguments: str) -> Run:
        """Start snakemake with the slurm profile, asking for the state of jobs more often than the profile does."""
        output = self.project.folder / f"terminal_{len(self.runs)}.txt"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        command += ["--profile", str(REPOSITORY / "workflow/profiles/slurm"), *QUICK, *arguments]
        self.runs.append(start(command, self.project.folder, self.slurm.environment(), output))
        return self.runs[-1]

    def run(self, *arguments: str) -> Run:
        """Run snakemake to its end, which must be a success."""
        run = self.start(*arguments)
        assert run.end() == 0, run.text()[-6000:]
        return run

    def file(self, name: str) -> Path:
        return self.project.file(name)

    def records(self, kind: str = "attempt") -> list[dict]:
        """Records of one kind in the ledger, in order."""
        paths = sorted(self.file("results/audit/ledger").glob("*.json"))
        return [record for path in paths if (record := json.loads(path.read_text())).get("kind") == kind]

    def check_sound(self) -> None:
        """Every byte is as recorded, and no job is left to do."""
        verify = [sys.executable, "-m", "trace_audit", "verify", "results"]
        done = subprocess.run(verify, cwd=self.project.folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Nothing to be done" in self.project.snakemake("-n", "--config", "cluster=true").stdout

    def redo(self, *names: str) -> None:
        """Remove artifacts, so that their jobs have to run again."""
        for name in names:
            self.file(name).unlink()


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    with Slurm() as running:
        yield running


@pytest.fixture(scope="session")
def finished(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> ClusterProject:
    """A small project whose audit has run once, without Slurm: the tests need only its result."""
    project = make_project(tmp_path_factory.mktemp("finished") / "audit")
    done = project.snakemake("--config", "cluster=true")
    assert done.returncode == 0, done.stdout + done.stderr
    return ClusterProject(project, slurm)


@pytest.fixture
def audited(finished: ClusterProject, slurm: Slurm, tmp_path: Path) -> Iterator[ClusterProject]:
    """A copy of the finished project, and a Slurm whose list of jobs starts empty.

    After the test no job of it is left, and the node accepts jobs again.
    """
    folder = tmp_path / "audit"
    shutil.copytree(finished.project.folder, folder, symlinks=True)
    project = ClusterProject(Project(folder), slurm)
    slurm.forget()
    yield project
    for run in project.runs:
        run.stop()
    slurm.reset()
