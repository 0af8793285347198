"""Which command a task of a Slurm job array runs."""

import base64
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import yaml

from trace_audit.workflow.slurm.array_task import own_command

REPOSITORY = Path(__file__).resolve().parents[2]

PACKED = base64.b64encode(json.dumps({"2": zlib.compress(b"make second").hex()}).encode()).decode()
WRAPPED = f"#!/bin/sh\n# made by sbatch --wrap.\n\nmake first --slurm-jobstep-array-execs={PACKED}\n"
OWN_LINE = f"#!/bin/sh\nmake first\n--slurm-jobstep-array-execs\n'{PACKED}'"


@pytest.mark.parametrize(
    ("script", "task", "command"),
    [
        (WRAPPED, "1", None),
        (WRAPPED.replace(PACKED, f"'{PACKED}'"), "2", "make second"),
        (WRAPPED, "2", "make second"),
        (OWN_LINE, "1", "make first"),
        (OWN_LINE, "2", "make second"),
        ("#!/bin/sh\nmake only\n", "1", None),
    ],
)
def test_own_command(script, task, command):
    assert own_command(script, task) == command


PRECOMMAND = yaml.safe_load((REPOSITORY / "workflow/profiles/slurm/config.yaml").read_text())["precommand"]


def test_the_shell_that_submits_a_job_leaves_the_precommand_as_it_is():
    """The plugin passes the command in double quotes."""
    done = subprocess.run(["/bin/sh", "-c", f'printf %s "{PRECOMMAND}"'], capture_output=True, text=True, check=True)
    assert done.stdout == PRECOMMAND


def test_a_fault_before_the_command_is_known_ends_the_task(tmp_path):
    broken = run_script(tmp_path, "echo second", packed="AAAA", SLURM_ARRAY_TASK_ID="2")
    assert "first" not in broken.stdout and broken.returncode != 0, broken.stderr


def run_script(folder: Path, command: str, packed: str = "", **environment: str) -> subprocess.CompletedProcess:
    """A batch script with the precommand of the slurm profile, run by a shell as slurmd does."""
    packed = packed or base64.b64encode(json.dumps({"2": zlib.compress(command.encode()).hex()}).encode()).decode()
    script = folder / "slurm_script"
    first = f"{PRECOMMAND.replace('python', sys.executable)} && echo first"
    script.write_text(f"#!/bin/sh\n{first} --slurm-jobstep-array-execs={packed}\n")
    script.chmod(0o755)
    return subprocess.run([str(script)], env=os.environ | environment, capture_output=True, text=True, check=False)


def test_task_runs_its_own_command_and_hands_on_its_exit_status(tmp_path):
    own = run_script(tmp_path, "echo second; exit 7", SLURM_ARRAY_TASK_ID="2")
    assert (own.stdout, own.returncode) == ("second\n", 7), own.stderr


def test_first_task_and_jobs_outside_an_array_run_the_script(tmp_path):
    for environment in ({}, {"SLURM_ARRAY_TASK_ID": "1"}):
        done = run_script(tmp_path, "echo second", **environment)
        assert done.stdout.startswith("first ") and done.returncode == 0, done.stderr


def test_outside_an_array_there_is_nothing_to_run():
    command = [sys.executable, "-m", "trace_audit.workflow.slurm.array_task"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
