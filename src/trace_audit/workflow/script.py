"""`python -m trace_audit.workflow.script SCRIPT JOB LOG`: a script of the workflow, with its job as JSON.

JOB holds the groups input, output, wildcards and params, each from names to values. The script finds it under the name
`snakemake`, as it would in a rule's `script:`, but nothing of Snakemake is imported for it.
"""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from trace_audit.core.commands import command_parser
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


def main(argv: list[str]) -> int:
    """Run a script with its job."""
    parser = command_parser("python -m trace_audit.workflow.script", __doc__)
    parser.add_argument("script", help="file of workflow/scripts")
    parser.add_argument("job", help="what the script finds under the name snakemake, as JSON")
    parser.add_argument("log", help="file for the script's messages")
    options = parser.parse_args(argv)
    groups = {name: SimpleNamespace(**values) for name, values in json.loads(options.job).items()}
    runpy.run_path(options.script, init_globals={"snakemake": SimpleNamespace(**groups, log=[options.log])})
    return 0


def _done(main: Callable[[Any], None], snakemake: Any) -> int:
    main(snakemake)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
