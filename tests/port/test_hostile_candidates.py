"""A program that hangs, crashes, floods or prints nonsense: one line that says which, within time and memory."""

import json
import resource
import sys
from pathlib import Path

import pytest

from trace_audit.config.side import Candidate
from trace_audit.core.errors import InputError, run_command
from trace_audit.port import program
from trace_audit.port.__main__ import main
from trace_audit.port.side_job import run_side
from trace_audit.trace.foreign_log import MOST_LINES_OF_A_KEY, read_foreign_log
from trace_audit.trace.key_names import KeyNames

SCENARIOS = Path(__file__).parents[2] / "config/scenarios"
FLAGS = "-cell 70 80 90 85 95 105 -default_F 100 -N 3 -distance 100 -lambda 1 -detpixels 8 -pixel 0.4 -fluence 1e24"


def run(tmp_path, code, **limits):
    command = program.Command((sys.executable, "-c", code, "{flags}"), **limits)
    return program.run(command, FLAGS.split(), (4, 5), tmp_path / "run")


@pytest.mark.parametrize(
    ("code", "limits", "told"),
    [
        ("import time; time.sleep(60)", {"time_limit_s": 0.5}, "did not end within 0.5 s"),
        ("import os; os.kill(os.getpid(), 11)", {}, "SIGSEGV"),
        ("import sys; sys.exit('cannot open A.mat')", {}, "ended with exit status 1: cannot open A.mat"),
        ("while True: print('x' * 1000)", {"output_limit_MB": 2.0, "time_limit_s": 60.0}, "2 MB"),
        (
            "import sys\nwhile True: sys.stderr.write('x' * 1000)",
            {"output_limit_MB": 2.0, "time_limit_s": 60.0},
            "2 MB",
        ),
    ],
)
def test_a_run_that_does_not_count_says_why(tmp_path, code, limits, told):
    outcome = run(tmp_path, code, **limits)
    assert outcome.failure is not None and told in outcome.failure and "\n" not in outcome.failure


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="does not start"):
        program.run(program.Command(("/not/there", "{flags}")), [], (0, 0), tmp_path / "run")


def test_a_key_again_and_again_in_bounded_memory(tmp_path):
    file = tmp_path / "log"
    file.write_bytes(b"TRACE_PY: polar 0.5\nTRACE_PY: steps nan\n" * 200_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    log = read_foreign_log(file, KeyNames())
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 100
    assert log.repeated["polar"] == 199_999 and log.trace.number("polar") == 0.5
    assert len(log.problems) <= MOST_LINES_OF_A_KEY


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("TRACE_PY: polar nan", "not finite"),
        ("no trace at all", "no trace line"),
    ],
)
def test_the_audit_of_nonsense_is_one_line(tmp_path, capsys, line, told):
    (tmp_path / "log").write_text(f"{line}\n")
    arguments = ["--flags", FLAGS, "--pixel", "4", "5", "--log", str(tmp_path / "log"), "--budget-s", "0"]
    status = run_command(main, [*arguments, "--name", "my-port", "--out", str(tmp_path / "out")])
    captured = capsys.readouterr()
    said = captured.err or captured.out
    assert status in (1, 2) and told in said and "Traceback" not in said


def test_colours_of_a_terminal_are_taken_away(tmp_path):
    (tmp_path / "log").write_bytes(b"\x1b[1;32mTRACE_PY:\x1b[0m polar \x1b[33m0.25\x1b[0m\x1b[K\n")
    assert read_foreign_log(tmp_path / "log", KeyNames()).trace.number("polar") == 0.25


def test_of_a_run_that_flooded_the_beginning_is_kept(tmp_path):
    """A flood is stopped at its limit, told in one line, and leaves a megabyte of evidence."""
    (tmp_path / "F.hkl").write_text("1 0 0 5\n")
    flood = "import itertools, sys; any(sys.stdout.buffer.write(b'x' * 10**6) == 0 for _ in itertools.count())"
    side = Candidate(command=[sys.executable, "-c", flood, "{flags}"], output_limit_MB=3.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run_side(
        side=side,
        name="flood",
        scenario="still",
        scenario_dir=SCENARIOS,
        hkl=tmp_path / "F.hkl",
        pixel=(1, 1),
        binary=None,
        image=False,
        folder=tmp_path / "kept",
    )
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 300
    record = json.loads((tmp_path / "kept/run.json").read_text())
    assert record["failure"] == "printed more than 3 MB; have it print less, or raise output_limit_MB"
    assert (tmp_path / "kept/stdout.txt").stat().st_size == 1_000_000
