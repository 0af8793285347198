"""Thirty mistakes of ports, planted one by one in a program that is run as somebody else's.

With all keys printed the fault is named at its key; with half of them, or with the pixel alone, the interval holds it.
A wrong name is never given.
"""

import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.port.planted import MISTAKES
from trace_audit.port.audit import audit_port
from trace_audit.port.findings import PortCase
from trace_audit.port.our_program import OurProgram, one_pixel
from trace_audit.stages.intervene import watched_trace
from trace_audit.trace.foreign_log import read_foreign_lines
from trace_audit.trace.key_names import KeyNames
from trace_audit.trace.keys import registry

FLAGS = tuple(
    shlex.split(
        "-cell 70 80 90 85 95 105 -misset 10 20 30 -lambda 1.1 -distance 90 -pixel 0.1 -detpixels 64 "
        "-Na 5 -Nb 7 -Nc 6 -default_F 100 -fluence 1e24 -oversample 1 "
        "-phi 2 -osc 0.3 -phisteps 2 -mosflm"
    )
)
PIXEL = (40, 22)


SEEN_AT = {"F_cell_twice": "F_cell"}  # the amplitude of the first orientation is printed a second time, before its term


@cache
def ours() -> OurProgram:
    return OurProgram(FLAGS, PIXEL)


@cache
def lines(mistake: str) -> tuple[str, ...]:
    import torch

    from tests.port.planted import visitor

    visit = visitor(*MISTAKES[mistake])
    experiment = one_pixel(ours().base, PIXEL)
    return tuple(watched_trace(experiment, PIXEL, device="cpu", dtype=torch.float64, visit=visit))


def audit(mistake: str, printed: str):
    chosen = []
    for number, line in enumerate(lines(mistake)):
        name = line.split(": ", 1)[-1].split("=")[0].split()[0]
        if printed == "all" or (printed == "half" and number % 2) or name == printed:
            chosen.append(line.encode() + b"\n")
    log = read_foreign_lines(chosen, KeyNames())
    return audit_port(PortCase("planted", log, None), ours(), budget_s=0)


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_every_key_printed(mistake):
    key = SEEN_AT.get(mistake, MISTAKES[mistake][0])
    audited = audit(mistake, "all")
    named = [cause.key for cause in audited.causes]
    assert named == [key], f"{mistake}: {named}"


@pytest.mark.parametrize("printed", ["half", "floatimage_accumulated"])
@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_fewer_keys_give_an_interval_that_holds_the_fault(mistake, printed):
    key = MISTAKES[mistake][0]
    audited = audit(mistake, printed)
    for cause in audited.causes:
        assert cause.interval is not None
        assert key in cause.interval.possible, f"{mistake}: {cause.key} {cause.interval.possible}"
        assert cause.interval.next_keys or cause.key == key
    differs = any(row.verdict == "differs" for row in audited.rows.values())
    assert bool(audited.causes) == differs, "what differs has an interval, and nothing else has one"


def test_thirty_mistakes_at_known_keys():
    assert len(MISTAKES) == 30
    assert {key for key, _ in MISTAKES.values()} <= registry().keys()


def test_run_as_a_program_of_its_own(tmp_path: Path):
    """As a user does it: a command, a folder of results, exit code 1."""
    script = Path(__file__).parent / "planted.py"
    command = f"{sys.executable} {script} polar_off all {{slow}} {{fast}} - {{flags}}"
    argv = [sys.executable, "-m", "trace_audit.port", "--flags", " ".join(FLAGS), "--pixel", "40", "22"]
    done = subprocess.run(
        [*argv, "--command", command, "--name", "planted", "--budget-s", "1", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "polar" in done.stdout and "planted" in done.stdout
    assert (tmp_path / "out/port_audit.md").is_file() and (tmp_path / "out/port_audit.junit.xml").is_file()
