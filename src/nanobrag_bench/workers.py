"""The other end of `nanobrag_bench.worker`: start it, ask it, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from nanobrag_bench.measure import PeakMemory
from trace_audit.errors import InputError


class Worker:
    """A running worker; a context manager. `peak_MiB` is known once it has ended."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str] | None = None, gradient: Sequence[str] = ()
    ):
        by = ["--gradient", *gradient] if gradient else []
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nanobrag_bench.worker", *by, "--", *words],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
        )
        self._memory = PeakMemory(self._process.pid)
        self.peak_MiB = 0.0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_) -> None:
        with self._messages:
            self._process.communicate()
            self.peak_MiB = self._memory.stop()

    def ask(self, what: str) -> dict[str, float]:
        """What one line of work took. Raises InputError when the worker has died."""
        try:
            self._process.stdin.write(f"{what}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._messages.seek(0)
            complaint = self._messages.read().decode(errors="replace").strip().splitlines()[-1:]
            raise InputError(
                f"benchmark: the torch worker ended with {self._process.returncode}: {' '.join(complaint)}"
            )
        return json.loads(answer)
