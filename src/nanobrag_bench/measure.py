"""One process measured from outside: wall time, CPU time, largest resident memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trace_audit.errors import InputError

_KB_PER_MB = 1024
_POLL_S = 0.005


class Measured(NamedTuple):
    """A process that ended well: seconds of wall and CPU time, largest resident memory in MiB, what it printed."""

    wall_s: float
    cpu_s: float
    peak_MiB: float
    said: str


class PeakMemory:
    """Reads the largest resident memory that a process has had, every few milliseconds until `stop`.

    What wait4 reports would include the process from which it was forked.
    """

    def __init__(self, pid: int):
        self._status = Path(f"/proc/{pid}/status")
        self._peak_kB = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_S):
            with contextlib.suppress(OSError):
                rows = [line for line in self._status.read_text().splitlines() if line.startswith("VmHWM:")]
                self._peak_kB = max([self._peak_kB, *(int(line.split()[1]) for line in rows)])

    def stop(self) -> float:
        """Ends the watch; MiB."""
        self._ended.set()
        self._thread.join()
        return self._peak_kB / _KB_PER_MB


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command in a new empty folder, which goes when it ends. Raises InputError when it fails."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as messages,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=messages,
        )
        watcher = PeakMemory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        peak_MiB = watcher.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        said, complaint = _text(output), _text(messages).strip().splitlines()[-1:]
    if process.returncode != 0:
        name = Path(command[0]).name
        raise InputError(f"benchmark: {name} ended with {process.returncode}: {' '.join(complaint)}")
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, peak_MiB, said)


def _text(stream) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
