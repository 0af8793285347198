"""`python -m trace_audit.workflow.slurm.array_task`: one task of a Slurm job array runs its own command.

Version 2.8.0 of Snakemake's Slurm plugin gives all tasks of an array the command of the first, with the commands of the
others packed into an option. A task runs its own one inside that of the first, which deletes the first task's output
before it starts and fails when that output is not there at its end. The slurm profile therefore puts this before every
job (`precommand`); with `--has-none` it says by its exit status that there is no command to run instead:

    if python -m trace_audit.workflow.slurm.array_task --has-none; then :; else
      python -m trace_audit.workflow.slurm.array_task; exit; fi

A fault of the first call is one of the second too, and ends the job. The plugin hands the line to a shell in double
quotes when it submits the job, so it must do without `$`, backquotes, backslashes and double quotes.
"""

import base64
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

from trace_audit.core.errors import InputError, run_command

_OPTION = re.compile(r"--slurm-jobstep-array-execs[=\s]+'?([A-Za-z0-9+/=]+)'?")
_UNPACKED = "TRACE_AUDIT_ARRAY_TASK"  # set for the unpacked command, which starts with the same precommand


def own_command(script: str, task: str) -> str | None:
    """The shell command of an array's task in its batch script; None if the script itself is that command.

    If the packed commands are long, the option is on a line of its own, which the shell would run as a program; then
    the first task's command is the line before.
    """
    option = _OPTION.search(script)
    if option is None:
        return None
    try:
        packed = json.loads(base64.b64decode(option[1])).get(task)
        if packed is not None:
            return zlib.decompress(bytes.fromhex(packed)).decode()
    except (ValueError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise InputError(
            f"the batch script's {option[0][:60]}... holds no packed commands ({type(error).__name__}); "
            "start the run again"
        ) from error
    before = script[: option.start()].splitlines()
    return before[-1] if script[: option.start()].endswith("\n") else None


def _own() -> str | None:
    """The command of the task that this process is in; None outside an array."""
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    if task is None or _UNPACKED in os.environ:
        return None
    shell = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
    script = Path(os.fsdecode(shell[1])) if len(shell) > 1 else None
    return own_command(script.read_text(), task) if script is not None and script.is_file() else None


def main(argv: list[str]) -> int:
    """With --has-none: 0 if there is no command to run, 1 if there is. Without: run it, and its exit status."""
    command = _own()
    if argv == ["--has-none"]:
        return 0 if command is None else 1
    if command is None or argv:
        print("error: array_task: this is no task of a Slurm job array; it is for the slurm profile", file=sys.stderr)
        return 2
    return subprocess.run(["/bin/sh", "-c", command], env=os.environ | {_UNPACKED: "1"}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(run_command(main))
