"""Progress of a snakemake run: one live line with steps and remaining time; all messages go to a log.

snakemake's output is read line by line. Lines that the workflow's own hooks print are shown; the rest goes to the log.
After a failure the messages of the first failed job are shown. Without a terminal a line is printed for each quarter.
"""

import os
import re
import subprocess
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from trace_audit.core.escapes import escaped
from trace_audit.core.files import append_to, fresh_file, parse_json, printable, readable_json, write_atomic

LOG = Path("logs/workflow.log")
SECONDS = Path(".snakemake/run.seconds.json")  # duration of a job's last run here, by rule
NOTHING = "Nothing to be done"
_SHOWN_OF_A_FAILURE = 20
_KEPT_LINES = 2000
_COUNT = re.compile(r"(\w+) +(\d+)$")
_STEPS = re.compile(r"(\d+) of (\d+) steps \(")
_JOB = re.compile(r"Job (\d+): (.*)")
_RULE = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")
_JOB_ID = re.compile(r" {4}jobid: (\d+)$")
_FINISHED = re.compile(r"Finished jobid: (\d+) \(Rule: (\w+)\)")
_THROUGH = re.compile(r"(error|warning): ")  # lines printed by the workflow's own files
_FAULT = re.compile(r"(Error in rule|[A-Za-z]*(Error|Exception)\b|Traceback)")


class Steps:
    """The progress of a run, according to snakemake's output."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.done = self.total = 0
        self.seconds = dict(seconds)
        self.waiting: Counter[str] = Counter()  # jobs that have not finished, by rule
        self.running: dict[str, tuple[str, float]] = {}  # by number: its rule, its start
        self._rule = ""
        self._busy_s = 0.0
        self._began = time.monotonic()
        self._in_table = False

    def read(self, line: str) -> None:
        """Take one line of snakemake's log."""
        now = time.monotonic()
        if line == "Job stats:":
            self._in_table = True
        elif self._in_table and (match := _COUNT.match(line)):
            self.waiting[match[1]] += int(match[2])
        elif self._in_table and not line:
            self._in_table, self.total = False, self.waiting.pop("total", 0)
        elif match := _JOB.match(line):
            self.running[match[1]] = (match[2], now)
        elif match := _RULE.match(line):
            self._rule = match[1]
        elif match := _JOB_ID.match(line):
            self.running.setdefault(match[1], (self._rule, now))
        elif match := _FINISHED.match(line):
            self._finish(match[1], match[2], now)
        elif match := _STEPS.match(line):
            self.done, self.total = int(match[1]), int(match[2])

    def _finish(self, number: str, rule: str, now: float) -> None:
        _, began = self.running.pop(number, ("", now))
        self.waiting[rule] -= 1
        self.seconds[rule] = now - began
        self._busy_s += now - began

    @property
    def doing(self) -> str:
        """The rules at work, the latest first."""
        return next((printable(rule) for rule, _ in reversed(self.running.values())), "")

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def left_s(self) -> float | None:
        """Seconds until the end; None if they cannot be estimated."""
        waiting = +self.waiting
        if not self.seconds or not waiting:
            return None
        typical = sum(self.seconds.values()) / len(self.seconds)
        now = time.monotonic()
        work = sum(count * self.seconds.get(rule, typical) for rule, count in waiting.items())
        work -= sum(now - began for _, began in self.running.values())
        side_by_side = max(1.0, self._busy_s / self.elapsed_s) if self.done > 2 else 1.0
        return max(work, 0.0) / side_by_side

    def text(self) -> str:
        """The remaining time as text; empty if unknown."""
        left = self.left_s()
        if left is None:
            return ""
        return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"


class Brief:
    """Follows several calls of snakemake and writes all their output to one log."""

    def __init__(self, console: Console | None = None) -> None:
        LOG.parent.mkdir(exist_ok=True)
        self.console = console or Console(highlight=False, soft_wrap=True)
        fresh_file(LOG).close()
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._lock = threading.Lock()
        self._told = 0
        self.may_find_nothing = True  # a second round without jobs is not worth a message

    def follow(self, child: subprocess.Popen[str]) -> int:
        """Exit status of the child process, whose outputs are text pipes."""
        self._last.clear()
        self._told = 0
        steps = Steps(_known_seconds())
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[rest]}"))
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            task = bar.add_task("starting", total=None, rest="")
            assert child.stdout is not None and child.stderr is not None
            readers = [
                threading.Thread(target=self._read_output, args=(child.stdout,), daemon=True),
                threading.Thread(target=self._read_messages, args=(child.stderr, steps, bar, task), daemon=True),
            ]
            for reader in readers:
                reader.start()
            while child.poll() is None:
                time.sleep(0.1)
                bar.update(task, rest=" · ".join(filter(None, (steps.text(), steps.doing[:60]))))
            for reader in readers:
                reader.join(timeout=2.0)  # processes that a job left running may hold the pipes open
        if steps.done:
            write_atomic(SECONDS, readable_json({rule: round(took, 2) for rule, took in steps.seconds.items()}))
        return child.returncode

    def _read_output(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._keep(line)
                self._say(line)

    def _read_messages(self, stream: IO[str], steps: Steps, bar: Progress, task: Any) -> None:
        with stream:
            for line in stream:
                self._keep(line)
                steps.read(line.rstrip("\n"))
                if _THROUGH.match(line) or (line.startswith(NOTHING) and self.may_find_nothing):
                    self._say(line)
                if steps.total:
                    bar.update(task, total=steps.total, completed=steps.done, description=f"{steps.done}/{steps.total}")
                    self._tell_quarter(steps)

    def _tell_quarter(self, steps: Steps) -> None:
        """Without a terminal: print a line at the start and for every quarter of the steps."""
        quarter = 1 + 4 * steps.done // steps.total
        if self.console.is_terminal or quarter <= self._told:
            return
        self._told = quarter
        text = f"{steps.done} of {steps.total} steps"
        rest = [f"{steps.elapsed_s:.0f} s" if steps.done else "", steps.text() if steps.done < steps.total else ""]
        self._say(", ".join(filter(None, [text, *rest])) + ("" if steps.done else f"; all messages: {LOG}"))

    def _keep(self, line: str) -> None:
        with self._lock:
            with append_to(LOG) as log:
                log.write(escaped(line.encode(errors="backslashreplace")))
            self._last.append(line.rstrip("\n"))

    def _say(self, line: str) -> None:
        with self._lock:
            self.console.print(printable(line.rstrip("\n")), markup=False)

    def failure(self) -> list[str]:
        """The messages of the first failed job, else of snakemake itself; limited in number."""
        lines = list(self._last)
        if any(line.startswith("error:") for line in lines):  # has gone through
            return []
        log = next((number for number, line in enumerate(lines) if line.startswith("Logfile ")), None)
        if log is not None:
            ends = [number for number, line in enumerate(lines) if number > log and line.startswith("=====")]
            inside = lines[log + 2 : ends[1] if len(ends) > 1 else None]
            return [lines[log], *inside[-_SHOWN_OF_A_FAILURE:]]
        fault = next((number for number, line in enumerate(lines) if _FAULT.match(line)), max(0, len(lines) - 10))
        return lines[fault : fault + _SHOWN_OF_A_FAILURE]


def _known_seconds() -> dict[str, float]:
    """Duration of jobs at their last run in this folder; empty if unknown."""
    try:
        known = parse_json(SECONDS.read_text(encoding="utf-8"))
        return {rule: float(took) for rule, took in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def wants_all() -> bool:
    """Whether VERBOSE asks for all messages on the terminal."""
    return os.environ.get("VERBOSE", "") not in ("", "0")
