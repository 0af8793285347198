"""Start and end of a workflow run: the environment of its jobs, and the messages at its end."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from trace_audit.core.errors import InputError
from trace_audit.core.files import fresh_file, printable, read_yaml, write_atomic
from trace_audit.workflow.plan import Comparison
from trace_audit.workflow.run import BEGAN, ENDING

SUMMARY = Path("results/audit/summary.txt")


def share_environment(source: Path) -> None:
    """Make `python` in a job the python that runs snakemake, with the packages in `source` importable.

    Otherwise an activated conda environment puts its own python first.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")]))


def require_writable(folder: Path) -> None:
    """Raise InputError if files cannot be created in `folder`, or in its parent if it does not exist yet."""
    existing = folder if folder.exists() else folder.absolute().parent
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        kind = (
            "on a read-only file system"
            if existing.is_dir() and _read_only(existing)
            else "no folder that you may write"
        )
        raise InputError(f"{folder}: {kind}; make it writable, or run in a copy of the checkout")


def require_plain(*folders: Path) -> None:
    """Raise InputError for a folder whose path has characters that snakemake reads as a pattern."""
    for folder in folders:
        characters = sorted(set("{}<>") & set(str(folder.resolve())))
        if characters:
            raise InputError(
                f"{folder.resolve()}: snakemake cannot work in a path with {' '.join(characters)}; rename it"
            )


def require_config(*paths: Path) -> None:
    """End the run with one line where a config is not YAML as it is read here; snakemake's own reader is laxer."""
    try:
        for path in filter(Path.exists, paths):
            read_yaml(path, "config")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def require_own_files(*folders: Path) -> None:
    """Raise InputError for a link or a second name of a file below `folders`: a job would write through it.

    A folder itself may be a link, to another disk say.
    """
    for folder in folders:
        for parent, folders_below, names in os.walk(folder):
            for name in (*folders_below, *names):
                path = Path(parent) / name
                status = path.lstat()
                if stat.S_ISLNK(status.st_mode):
                    raise InputError(
                        f"{printable(str(path))}: is a link, and a job would write into the file behind it; remove it"
                    )
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and path.suffix == ".log":
                    raise InputError(
                        f"{printable(str(path))}: has a second name (hard link), so a job would write into that file "
                        "too; remove it"
                    )


def _read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def show_summary() -> None:
    """Print the verdicts and the location of the files."""
    if SUMMARY.is_file():
        print(f"\n{SUMMARY.read_text(encoding='utf-8')}\nEverything is in results/; results/README.md describes it.")


class Session:
    """A run, which began when this object was created."""

    def __init__(self) -> None:
        self._started_s = time.time()

    def begin(self) -> None:
        """Mark that there was something to run; `trace_audit.workflow.run` reads the mark."""
        fresh_file(BEGAN).close()

    def succeed(self) -> None:
        """Show the table, unless make does that, as it also does after a run without jobs."""
        if "MAKELEVEL" not in os.environ:
            show_summary()

    def fail(self, audits: Iterable[Comparison]) -> None:
        """Record crashes, seal the results, and say what failed and why."""
        comparisons = {Path(audit.folder, audit.document): audit for audit in audits}
        missed = [asdict(audit) for path, audit in comparisons.items() if not self._made(path)]
        crashes = [sys.executable, "-m", "trace_audit.trail.failed_jobs", "--since-s", repr(self._started_s)]
        subprocess.run(crashes, input=json.dumps(missed), text=True, check=False)
        seal = [sys.executable, "-m", "trace_audit.ledger", "seal"]
        subprocess.run(seal, stdout=subprocess.DEVNULL, check=False)
        self._show_ending(comparisons)

    def _show_ending(self, comparisons: dict[Path, Comparison]) -> None:
        """Say what failed and why, of what this run has compared or put to a gate.

        Run by `trace_audit.workflow.run`, that shows it, when snakemake has said its own.
        """
        gates = {audit.gate for audit in comparisons.values() if self._made(Path(f"logs/{audit.gate}.log"))}
        judged = {path for path, audit in comparisons.items() if audit.gate in gates or self._made(path)}
        kinds = {type(comparisons[path]) for path in judged}
        lacking = [path for path, audit in comparisons.items() if type(audit) in kinds and not path.is_file()]
        shown = [str(path) for path in comparisons if path in judged and path.is_file()]
        command = [sys.executable, "-m", "trace_audit.report.ending", "--not-compared", str(len(lacking)), *shown]
        self._say_last(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout)

    def say_log(self, log: Path) -> None:
        """Print the new lines of a job's log."""
        if self._made(log):
            self._say_last(log.read_text(encoding="utf-8", errors="replace"))

    def _say_last(self, text: str) -> None:
        later = os.environ.get(ENDING)
        if later:
            write_atomic(Path(later), text)
        else:
            print(f"\n{text}", file=sys.stderr, flush=True)

    def _made(self, path: Path) -> bool:
        return path.is_file() and path.stat().st_mtime >= self._started_s
