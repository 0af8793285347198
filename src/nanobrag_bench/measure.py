"""Measures a process from outside: wall time, CPU time, largest resident memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from trace_audit.core.errors import InputError

_KB_PER_MB = 1024
_POLL_S = 0.005
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


class Measured(NamedTuple):
    """A process that succeeded: seconds of wall and CPU time, largest resident memory in MiB, its output."""

    wall_s: float
    cpu_s: float
    peak_MiB: float
    said: str
    messages: str  # on standard error


def peak_MiB(pid: int) -> float:
    """The largest resident memory of a process so far; 0 if it has ended.

    The figure of wait4 would include the process from which it was forked.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / _KB_PER_MB
    return 0.0


class PeakMemory:
    """Reads the `peak_MiB` of a process every few milliseconds until `stop`, since its end is not known in advance."""

    def __init__(self, pid: int):
        self._pid, self._peak_MiB = pid, 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            self._peak_MiB = max(self._peak_MiB, peak_MiB(self._pid))
            if self._ended.wait(_POLL_S):
                return

    def stop(self) -> float:
        """End the watch; returns MiB."""
        self._ended.set()
        self._thread.join()
        return self._peak_MiB


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command in a new empty folder, which is removed at its end. Raises InputError when it fails."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as messages,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**os.environ, _NO_BYTECODE: "", **(environment or {})},  # an installed program has its bytecode
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=messages,
        )
        watcher = PeakMemory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        largest_MiB = watcher.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        printed, warned = _text(output), _text(messages)
    if process.returncode != 0:
        name, complaint = Path(command[0]).name, warned.strip().splitlines()[-1:]
        raise InputError(f"benchmark: {name} ended with {process.returncode}: {' '.join(complaint)}")
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, largest_MiB, printed, warned)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
