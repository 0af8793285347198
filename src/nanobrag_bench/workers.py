"""The other end of `nanobrag_bench.worker`: start it, ask it, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from nanobrag_bench.compiled import check_used
from nanobrag_bench.measure import peak_MiB
from trace_audit.core.errors import InputError


class Worker:
    """A running worker; a context manager. `peak_MiB` is known once it has ended.

    Raises InputError at the end if `environment` demands compiled code and it used none.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str] | None = None, gradient: Sequence[str] = ()):
        by = ["--gradient", *gradient] if gradient else []
        self._environment = environment or {}
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nanobrag_bench.worker", *by, "--", *argv],
            env={**os.environ, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
        )
        self.peak_MiB = 0.0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        with self._messages:
            self.peak_MiB = peak_MiB(self._process.pid)  # while it waits for more work
            self._process.communicate()
            if failure is None:
                check_used(self._said_so_far(), self._environment)

    def ask(self, request: str) -> dict[str, float]:
        """The answer to one request. Raises InputError if the worker has died."""
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None and answers is not None  # both are pipes
        try:
            questions.write(f"{request}\n")
            questions.flush()
            answer = answers.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            complaint = self._said_so_far().strip().splitlines()[-1:]
            raise InputError(
                f"benchmark: the torch worker ended with {self._process.returncode}: {' '.join(complaint)}"
            )
        figures: dict[str, float] = json.loads(answer)
        return figures

    def _said_so_far(self) -> str:
        self._messages.seek(0)
        return self._messages.read().decode(errors="replace")
