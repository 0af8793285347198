"""`python -m trace_audit.workflow.run`: one run at a time, and the leftovers of a killed one cleared away.

Snakemake is a stand-in here, a module of that name in a folder of its own, that records how it was called.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trace_audit.workflow.run import BEGAN, LOCK, MARK, PATIENCE_S, names_slurm

SNAKEMAKE = """
import os, pathlib, sys, time
words = sys.argv[1:]
with open("calls.txt", "a") as calls:
    calls.write(" ".join(words) + "\\n")
locks = pathlib.Path(".snakemake/locks")
if words[:1] == ["--unlock"]:
    for path in locks.glob("*"):
        path.unlink()
    sys.exit(0)
if any(locks.glob("*")):
    sys.exit("locked")
locks.mkdir(parents=True, exist_ok=True)
(locks / "0.input.lock").touch()
rounds = int(os.environ.get("ROUNDS_WITH_JOBS", "0"))
if open("calls.txt").read().count("run") <= rounds:
    pathlib.Path(".snakemake/run.began").touch()
if "ENDING" in os.environ:
    pathlib.Path(os.environ["TRACE_AUDIT_ENDING"]).write_text(os.environ["ENDING"])
if "sleep" in words:
    print("asleep", flush=True)
    time.sleep(60)
(locks / "0.input.lock").unlink()
print("snakemake's own last words", file=sys.stderr, flush=True)
sys.exit(int(os.environ.get("STATUS", "0")))
"""
SQUEUE = "#!/bin/sh\n[ -z \"$SQUEUE_FAILS\" ] || { echo 'Unable to contact slurm controller' >&2; exit 1; }\n"


IMPATIENT = """
import sys
from trace_audit.core.errors import run_command
from trace_audit.workflow import run

run.PATIENCE_S = float(sys.argv.pop(1))
sys.exit(run_command(run.main))
"""


class Folder:
    """A folder to run in, with the stand-ins for snakemake and squeue."""

    def __init__(self, path: Path) -> None:
        self.path = path / "project"
        (self.path / ".snakemake/locks").mkdir(parents=True)
        (path / "modules").mkdir()
        (path / "modules/snakemake.py").write_text(SNAKEMAKE)
        self.squeue = path / "bin/squeue"
        self.squeue.parent.mkdir()
        self.in_queue()
        self._places = {
            "PYTHONPATH": os.pathsep.join([str(path / "modules"), os.environ.get("PYTHONPATH", "")]),
            "PATH": os.pathsep.join([str(self.squeue.parent), os.environ["PATH"]]),
        }

    def in_queue(self, *rows: str) -> None:
        self.squeue.write_text(SQUEUE + "".join(f"echo '{row}'\n" for row in rows))
        self.squeue.chmod(0o755)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        return self._start([sys.executable, "-m", "trace_audit.workflow.run", *arguments], **environment)

    def _start(self, command: list[str], **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            cwd=self.path,
            env={**os.environ, **self._places, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit status and standard error of a run."""
        return self._end(self.start(*arguments, **environment))

    def refused(self, *arguments: str, patience_s: float = 0.5) -> str:
        """What a run says that finds another one at work; it waits for that one's end less long than a user's does."""
        command = [sys.executable, "-c", IMPATIENT, str(patience_s), *arguments]
        status, errors = self._end(self._start(command))
        assert status == 2
        return errors

    def _end(self, process: subprocess.Popen) -> tuple[int, str]:
        _, errors = process.communicate(timeout=60)
        return process.returncode, errors

    def calls(self) -> list[str]:
        path = self.path / "calls.txt"
        return path.read_text().splitlines() if path.exists() else []

    def leave_lock(self, mark: dict | None) -> Path:
        """What a killed run leaves."""
        lock = self.path / ".snakemake/locks/0.input.lock"
        lock.touch()
        if mark is not None:
            (self.path / MARK).write_text(json.dumps(mark))
        return lock


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("status", [0, 1])
def test_words_and_exit_status_are_those_of_snakemake(folder: Folder, status: int):
    assert folder.run("run", "--cores", "2", "--", "all", STATUS=str(status))[0] == status
    assert folder.calls() == ["run --cores 2 -- all"]
    assert not (folder.path / MARK).exists()


@pytest.mark.parametrize(("status", "shown"), [(0, False), (1, True)])
def test_what_failed_is_said_after_snakemakes_own_words(folder: Folder, status: int, shown: bool):
    errors = folder.run("run", STATUS=str(status), ENDING="see diff_summary.md\n")[1]
    assert errors.rstrip().endswith("see diff_summary.md") == shown
    assert folder.run("run", STATUS="1")[1].rstrip().endswith("snakemake's own last words")


def test_second_run_waits_and_then_says_why_it_does_not_start(folder: Folder):
    first = folder.start("run", "sleep")
    assert first.stdout.readline() == "asleep\n"
    before = time.monotonic()
    errors = folder.refused("run", patience_s=1.5)
    assert time.monotonic() - before >= 1.5 and PATIENCE_S > 5
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 128 + signal.SIGTERM
    first.communicate()
    assert errors.count("\n") == 1 and "another run is at work in this folder" in errors


def test_lock_holds_while_snakemake_lives_after_its_parent_was_killed(folder: Folder):
    first = folder.start("run", "sleep")
    assert first.stdout.readline() == "asleep\n"
    (child,) = map(int, Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split())
    first.kill()
    first.wait()
    assert "another run is at work" in folder.refused("run")
    os.kill(child, signal.SIGKILL)
    first.communicate()
    time.sleep(0.2)
    assert folder.run("run")[0] == 0
    assert folder.calls() == ["run sleep", "--unlock run", "run"]


def test_lock_of_a_killed_run_of_ours_is_removed(folder: Folder):
    lock = folder.leave_lock({"slurm": False})
    assert folder.run("run")[0] == 0
    assert folder.calls() == ["--unlock run", "run"]
    assert not lock.exists() and not (folder.path / MARK).exists() and (folder.path / LOCK).exists()


def test_lock_that_snakemake_made_by_itself_stays(folder: Folder):
    lock = folder.leave_lock(None)
    code, errors = folder.run("run")
    assert code == 1 and "locked" in errors and lock.exists() and not (folder.path / MARK).exists()


@pytest.mark.parametrize("mark", [{"slurm": True}, {}, []], ids=["slurm", "no key", "no mapping"])
def test_jobs_in_the_queue_keep_the_lock(folder: Folder, mark):
    lock = folder.leave_lock(mark)
    folder.in_queue("17|/somewhere/else", f"12_3|{folder.path}", f"18|{folder.path}")
    code, errors = folder.run("run")
    assert code == 2 and "scancel 12_3 18, or wait" in errors and errors.count("\n") == 1
    assert lock.exists() and folder.calls() == []
    folder.in_queue("17|/somewhere/else")
    assert folder.run("run")[0] == 0 and folder.calls() == ["--unlock run", "run"]


def test_no_answer_of_slurm_keeps_the_lock(folder: Folder):
    lock = folder.leave_lock({"slurm": True})
    code, errors = folder.run("run", SQUEUE_FAILS="1")
    assert code == 2 and "Unable to contact slurm controller" in errors and errors.count("\n") == 1
    assert lock.exists() and folder.calls() == []


@pytest.mark.parametrize(("rounds", "calls"), [(0, 1), (1, 2), (2, 3)])
def test_until_done_runs_again_after_a_round_with_jobs(folder: Folder, rounds: int, calls: int):
    assert folder.run("--until-done", "run", ROUNDS_WITH_JOBS=str(rounds))[0] == 0
    assert folder.calls() == ["run"] * calls
    assert folder.run("run", ROUNDS_WITH_JOBS="9")[0] == 0 and len(folder.calls()) == calls + 1


def test_until_done_has_an_end(folder: Folder):
    code, errors = folder.run("--until-done", "run", ROUNDS_WITH_JOBS="9")
    assert code == 2 and "4 times in a row" in errors
    (folder.path / "calls.txt").unlink()
    assert folder.run("--until-done", "run", ROUNDS_WITH_JOBS="9", STATUS="1")[0] == 1
    assert folder.calls() == ["run"] and (folder.path / BEGAN).exists()


@pytest.mark.parametrize(
    ("arguments", "slurm"),
    [
        ("--profile workflow/profiles/slurm -- all", True),
        ("--profile=workflow/profiles/slurm", True),
        ("-n --executor slurm", True),
        ("--profile workflow/profiles/default", False),
        ("--cores 2 slurm", False),
        ("", False),
    ],
)
def test_slurm_is_known_from_the_words(arguments: str, slurm: bool):
    assert names_slurm(arguments.split()) is slurm
