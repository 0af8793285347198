"""Run the `main(snakemake)` of a workflow script with its messages going to the rule's log."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trace_audit.core.errors import run_command
from trace_audit.core.escapes import Plain
from trace_audit.core.files import fresh_file


def run_job(main: Callable[[Any], None], snakemake: Any) -> None:
    """Call `main(snakemake)`; stdout and stderr go to `snakemake.log[0]`.

    An InputError becomes one line and exit code 2; any other exception one line too, with its traceback in a file
    beside the logs, exit code 3.
    """
    path = Path(snakemake.log[0])
    log = io.TextIOWrapper(fresh_file(path), encoding="utf-8", errors="backslashreplace")
    plain: Any = Plain(log)
    with log, contextlib.redirect_stdout(plain), contextlib.redirect_stderr(plain):
        status = run_command(lambda _: _done(main, snakemake), [])
    if status:
        sys.exit(status)


def _done(main: Callable[[Any], None], snakemake: Any) -> int:
    main(snakemake)
    return 0
