"""`python -m trace_audit.workflow.run`: snakemake, after removing the leftovers of a killed run.

    python -m trace_audit.workflow.run [--until-done] [--brief] ARGUMENTS_OF_SNAKEMAKE ...

A killed run leaves snakemake's lock behind. The lock is removed if it comes from a run of this command, no process of
that run is alive, and none of its jobs is in Slurm's queue. A lock that a direct call of snakemake made stays;
snakemake then says what to do.

With --until-done snakemake runs again until it finds nothing to do: it decides only once about a job whose input is
marked `ancient`, and when the maker of that input has to run, it overlooks other reasons to run the job.

With --brief the terminal shows one line with steps and remaining time, and failures; all messages of snakemake go to
logs/workflow.log. VERBOSE=1 in the environment shows all of them on the terminal.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nanobrag_torch.faults.interrupts import INTERRUPTED
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import parse_json, printable, readable_json, write_atomic
from trace_audit.workflow.progress import LOG, Brief, wants_all
from trace_audit.workflow.slurm.queue import jobs_of_folder

FOLDER = Path(".snakemake")
LOCK = FOLDER / "run.lock"  # held as long as a process of the run is alive
MARK = FOLDER / "run.json"  # exists from the start of a run to its end; a killed run leaves it behind
BEGAN = FOLDER / "run.began"  # made by the workflow when it starts its first job
LAST_WORDS = FOLDER / "run.ending"  # the workflow's last message after a failure, shown when snakemake has ended
ENDING = "TRACE_AUDIT_ENDING"  # environment variable with that file's name, for the workflow
MESSAGES_ABOVE = "its messages are above"  # part of the last message of a run with missing comparisons
UNTIL_DONE, BRIEF = "--until-done", "--brief"
PATIENCE_S = 10.0
MOST_ROUNDS = 4


@contextlib.contextmanager
def alone(arguments: list[str]) -> Iterator[int]:
    """Keep other runs out of the current folder; returns the descriptor that every process of the run must inherit.

    Raises InputError if another run is at work, or jobs of a killed one are.
    """
    FOLDER.mkdir(exist_ok=True)
    descriptors: list[int] = []
    lock = FileLock(LOCK, preserve_lock_file=True, fallback_to_soft=False, on_acquired=descriptors.append)
    try:
        lock.acquire(timeout=PATIENCE_S)
    except Timeout:
        raise InputError(f"{Path.cwd()}: another run is at work in this folder; wait until it ends") from None
    except NotImplementedError:
        raise InputError(
            f"{Path.cwd()}: the file system has no locks (flock), so two runs could not be kept apart; work on another "
            "one, or call snakemake itself and make sure that it runs only once"
        ) from None
    try:
        clear_leftovers(arguments)
        if not locked_by_snakemake():
            write_atomic(MARK, readable_json({"slurm": names_slurm(arguments)}))
        yield descriptors[-1]
    finally:
        if not locked_by_snakemake():
            MARK.unlink(missing_ok=True)
        lock.release()


def locked_by_snakemake() -> bool:
    """Whether snakemake's own lock is in the current folder."""
    return any((FOLDER / "locks").glob("*"))


def clear_leftovers(arguments: list[str]) -> None:
    """Remove snakemake's lock if an earlier run of this command left it; `words` are those of the new run.

    The caller holds the lock of the run, so that earlier run has ended.
    """
    if not (MARK.exists() and locked_by_snakemake()):
        return
    if _used_slurm():
        jobs = jobs_of_folder(Path.cwd())
        if jobs:
            numbers = " ".join(jobs)
            raise InputError(
                f"{Path.cwd()}: jobs of a run that was killed are still in Slurm's queue, and would write the same "
                f"files as a new run: scancel {numbers}, or wait until they end; then start again"
            )
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--unlock", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it left no message"])[-1]
        raise InputError(f"{Path.cwd()}: snakemake --unlock failed: {last}")


def _used_slurm() -> bool:
    """Whether the run that left the mark sent jobs to Slurm; an unreadable mark counts as such."""
    try:
        return bool(parse_json(MARK.read_text(encoding="utf-8"))["slurm"])
    except (ValueError, KeyError, TypeError):
        return True


def names_slurm(arguments: list[str]) -> bool:
    """Whether these arguments make snakemake send jobs to Slurm."""
    pairs = list(zip(arguments, arguments[1:], strict=False))
    named = [value for option, value in pairs if option in ("--profile", "--workflow-profile", "--executor", "-e")]
    named += [option.partition("=")[2] for option in arguments if option.startswith(("--profile=", "--executor="))]
    return any(Path(value).name == "slurm" for value in named)


def run_snakemake(arguments: list[str], descriptor: int, brief: Brief | None = None) -> int:
    """Exit status of snakemake, shown by `brief` if given; a signal that ends this process ends snakemake first."""
    BEGAN.unlink(missing_ok=True)
    LAST_WORDS.unlink(missing_ok=True)
    environment = os.environ | {ENDING: str(LAST_WORDS.absolute())}
    pipes: dict[str, Any] = {}
    if brief:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "backslashreplace"}
    command = [sys.executable, "-m", "trace_audit.workflow.start_snakemake", *arguments]
    child = subprocess.Popen(command, pass_fds=[descriptor], env=environment, **pipes)

    told: list[int] = []

    def hand_on(number: int, _: object) -> None:
        told.append(number)
        if number != signal.SIGINT:  # the terminal sends this signal to both processes
            child.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        status = brief.follow(child) if brief else child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGINT in told:
        _show_interrupt(brief)
        return INTERRUPTED
    if status != 0:
        _show_failure(brief)
    return status if status >= 0 else 128 - status


def _show_interrupt(brief: Brief | None) -> None:
    if brief:  # else snakemake has said so itself
        print(f"trace_audit: interrupted; all messages: {LOG}", file=sys.stderr, flush=True)


def _show_failure(brief: Brief | None) -> None:
    """Print the workflow's last message; before it the messages of a job that prevented all comparisons."""
    ending = LAST_WORDS.read_text(encoding="utf-8") if LAST_WORDS.exists() else ""
    messages = brief.failure() if brief and (not ending or MESSAGES_ABOVE in ending) else []
    for line in messages:
        print(printable(line), file=sys.stderr)
    if ending:
        print(f"\n{ending}", end="", file=sys.stderr, flush=True)
    if brief and (messages or ending):
        print(f"All messages: {LOG}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """Run snakemake with these arguments in the current folder; returns its exit status."""
    own = list(itertools.takewhile(lambda argument: argument in (UNTIL_DONE, BRIEF), argv))
    arguments = argv[len(own) :]
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    with alone(arguments) as descriptor:
        brief = Brief() if BRIEF in own and not wants_all() else None
        for _ in range(MOST_ROUNDS):
            status = run_snakemake(arguments, descriptor, brief)
            if status != 0 or UNTIL_DONE not in own or not BEGAN.exists():
                return status
            if brief:
                brief.may_find_nothing = False
    raise InputError(f"snakemake found jobs to run {MOST_ROUNDS} times in a row; `snakemake -n` says which and why")


if __name__ == "__main__":
    raise SystemExit(run_command(main))
