"""SIGKILL at random moments, of snakemake, of the C program, or of the torch run."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trace_audit.chaos.checkout import LIMIT_S, command, environment, fault_of, prepare

VICTIMS = ("snakemake", "C program", "torch run")
_POLL_S = 0.01
_LIFE_S = {"C program": 0.3, "torch run": 3.0}  # about their lifetime: the moments of kills are drawn from this span


@dataclass
class Tally:
    """Results of the kills of one victim."""

    victim: str
    tried: int = 0
    struck: int = 0
    same: int = 0
    first_fault: str = ""

    def add(self, outcome: str, fault: str) -> None:
        """Count one kill."""
        self.tried += 1
        self.struck += outcome == "killed"
        self.same += not fault
        self.first_fault = self.first_fault or fault


def kills(template: Path, base: Path, expected: dict[str, str], count: int, full_s: float, seed: int) -> list[Tally]:
    """`count` kills shared among the victims, each in a copy of `template` below `base`; a full run takes `full_s`.

    Half the kills of snakemake hit a run from its beginning; all others hit one whose reference is built and tested.
    """
    prepared = prepare(shutil.copytree(template, base / "prepared", symlinks=True))
    rng = random.Random(seed)
    tallies = {victim: Tally(victim) for victim in VICTIMS}
    for number in range(count):
        victim = VICTIMS[number % len(VICTIMS)]
        from_the_beginning = victim == "snakemake" and number % 2 == 0
        folder = shutil.copytree(template if from_the_beginning else prepared, base / f"kill {number}", symlinks=True)
        moment_s = rng.uniform(0, _LIFE_S.get(victim, full_s if from_the_beginning else full_s / 2))
        outcome = kill_at(folder, victim, moment_s, everything=rng.random() < 0.5)
        fault = fault_of(folder, expected)
        tallies[victim].add(outcome, fault)
        print(f"{number + 1}: {victim}, {outcome} after {moment_s:.2f} s: {fault or 'same bytes'}", flush=True)
        shutil.rmtree(folder)
    return list(tallies.values())


def kill_at(folder: Path, victim: str, moment_s: float, everything: bool = False) -> str:
    """Start the audit, kill `victim` after `moment_s` (of its own life, for a program); returns the outcome.

    With `everything`, all processes of the run are killed; otherwise the others continue to their own end.
    """
    process = subprocess.Popen(
        command(),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if victim == "snakemake":
            time.sleep(moment_s)
            outcome = "killed" if process.poll() is None else "had ended"
            process.kill()
        else:
            outcome = _kill_program(process, folder, victim, moment_s)
        if everything:
            _kill_all(process.pid, folder)
        process.wait(LIMIT_S)
        _wait_for_the_rest(process.pid, folder)
    finally:
        _kill_all(process.pid, folder)
    return outcome


def _is_victim(argv: list[str], folder: Path, victim: str) -> bool:
    if victim == "torch run":
        return "trace_audit.harness" in argv[:4]
    return argv[0] == str(folder / "results/reference/nanobragg")


def _kill_program(process: subprocess.Popen[bytes], folder: Path, victim: str, moment_s: float) -> str:
    while process.poll() is None:
        if _alive(process.pid, folder, victim):
            time.sleep(moment_s)
            return "killed" if [pid for pid in _alive(process.pid, folder, victim) if _kill(pid)] else "had ended"
        time.sleep(_POLL_S)
    return "was not seen"


def _alive(session: int, folder: Path, victim: str) -> list[int]:
    return [pid for pid, argv in _processes(session, folder) if _is_victim(argv, folder, victim)]


def _processes(session: int, folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Process id and command line of a run's processes: those of its session, and programs below its folder."""
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            argv = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if os.getsid(int(path.name)) == session or argv[0].startswith(f"{folder}/"):
                yield int(path.name), argv
        except OSError:
            continue


def _wait_for_the_rest(session: int, folder: Path) -> None:
    until = time.monotonic() + LIMIT_S
    while any(argv[0] for _, argv in _processes(session, folder)) and time.monotonic() < until:
        time.sleep(_POLL_S)


def _kill_all(session: int, folder: Path) -> None:
    for pid, _ in _processes(session, folder):
        _kill(pid)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
