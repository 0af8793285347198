"""Ctrl-C while a command starts, runs or ends: one line, status 130, no traceback."""

import ast
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nanobrag_torch.faults import interrupts

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("nanobrag_bench", "nanobrag_campaign", "nanobrag_torch", "trace_audit")
TINY = ["-cell", "50", "60", "70", "90", "90", "90", "-lambda", "1", "-distance", "100", "-N", "2", "-default_F", "10"]
TINY += ["-detpixels", "8", "-nonoise", "-nopgm"]
COMMANDS = {
    "audit": ["-m", "trace_audit", "verify", "results"],
    "run": ["-m", "trace_audit.workflow.run", "--brief", "--version"],
    "snakemake": ["-m", "trace_audit.workflow.start_snakemake", "--version"],
    "report": ["-m", "trace_audit.report", "--results", "results"],
    "simulator": ["-m", "nanobrag_torch", *TINY],
    "refinement": ["-m", "nanobrag_torch.refine", "x.yaml"],
    "campaign": ["-m", "nanobrag_campaign.plan", "--help"],
    "installed": [str(Path(sys.executable).parent / "nanobrag-torch"), *TINY],
    "script": [str(REPOSITORY / "workflow/scripts/show_summary.py")],
}
# Presses Ctrl-C at the search for the module of this number, counted from when the command's package is imported.
AT_AN_IMPORT = """
import os, signal, sys

class Search:
    began, left = False, int(os.environ["PRESS_AT"])

    def find_spec(self, name, path=None, target=None):
        Search.began = Search.began or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        Search.left -= Search.began
        if Search.began and Search.left == 0:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Search())
"""


@pytest.fixture(autouse=True)
def _a_terminal_s_ctrl_c():
    """What a shell starts in the background ignores Ctrl-C, and so do all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(words, folder, **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_at_an_import(name, tmp_path):
    """Early, and where the command itself imports what it needs."""
    (tmp_path / "sitecustomize.py").write_text(AT_AN_IMPORT)
    (tmp_path / "results").mkdir()
    pick = random.Random(name)
    moments = [1, pick.randrange(2, 20), pick.randrange(20, 60)]
    runs = [start(COMMANDS[name], tmp_path, PYTHONPATH=str(tmp_path), PRESS_AT=str(moment)) for moment in moments]
    ends = [(run.communicate(timeout=60)[1], run.returncode) for run in runs]
    for said, status in ends:
        assert "Traceback" not in said and "Exception ignored" not in said, said
        if status == interrupts.INTERRUPTED:
            assert len(said.splitlines()) == 1 and "interrupted" in said
    assert ends[0][1] == interrupts.INTERRUPTED, "one at least must hit the start"


@pytest.mark.parametrize("name", ["audit", "simulator"])
def test_at_random_moments(name, tmp_path):
    """From the first moment on. Python itself speaks until the first lines of the package have run."""
    first = {*(REPOSITORY / "src").glob("*/__init__.py"), *(REPOSITORY / "src/nanobrag_torch/faults").glob("*.py")}
    pick = random.Random()
    for _ in range(6):
        run = start(COMMANDS[name], tmp_path)
        time.sleep(pick.uniform(0.0, 0.25))
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[1]
        files = {Path(name) for name in re.findall(r'File "([^"]+)", line', said)}
        assert {path for path in files if path.is_relative_to(REPOSITORY)} <= first, said
        assert run.returncode in (interrupts.INTERRUPTED, -signal.SIGINT, 0, 1, 2), said


def test_dropped_exceptions_are_raised_again(tmp_path):
    """Python ignores what a finalizer raises, an interrupt too."""
    code = """
import os, signal, sys, time
sys.argv[0] = "-m"
import trace_audit
from trace_audit.core.errors import run_command

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def command(_):
    Dropped()
    time.sleep(10)

raise SystemExit(run_command(command, []))
"""
    began = time.monotonic()
    run = start(["-c", code], tmp_path)
    said = run.communicate(timeout=60)[1]
    assert (run.returncode, said) == (interrupts.INTERRUPTED, "trace_audit: interrupted\n")
    assert time.monotonic() - began < 8


def test_a_program_of_the_user_keeps_python_s_ways(tmp_path):
    code = "import signal, trace_audit, nanobrag_torch; raise SystemExit(signal.getsignal(signal.SIGINT) is not "
    done = start(["-c", code + "signal.default_int_handler)"], tmp_path)
    done.communicate(timeout=60)
    assert done.returncode == 0


def test_ignored_ctrl_c_stays_ignored(tmp_path):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    (tmp_path / "sitecustomize.py").write_text(AT_AN_IMPORT)
    run = start(["-m", "trace_audit", "explain", "polar"], tmp_path, PYTHONPATH=str(tmp_path), PRESS_AT="3")
    out, said = run.communicate(timeout=60)
    assert (run.returncode, said) == (0, "") and "polar" in out


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_begins_with_it(package):
    """Before its first import that takes long."""
    body = ast.parse((REPOSITORY / f"src/{package}/__init__.py").read_text()).body[1:]
    assert [ast.unparse(statement) for statement in body[:2]] == [
        "from nanobrag_torch.faults import interrupts",
        f"interrupts.at_start('{package}')",
    ]
