"""Snakemake imported once and forked for each run: what `python -m snakemake` does, without two seconds of imports.

Nothing of ours is imported before the fork. Tests of signals and of the environment start a python of their own.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

LIMIT_S = 300
PRELOADED = ("pydantic", "pydantic.deprecated.decorator", "filelock", "rich.console", "yaml")  # what our code imports


def run(
    arguments: list[str], folder: Path, environment: dict[str, str], limit_s: float = LIMIT_S
) -> subprocess.CompletedProcess:
    """`snakemake ARGUMENTS` in a folder, to its end. Raises TimeoutError after killing a run that takes too long."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        server = _server()
        asked = {"arguments": arguments, "folder": str(folder), "environment": environment, "limit_s": limit_s}
        streams = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, err)]
        server.stdin.write(json.dumps({**asked, "streams": streams}) + "\n")
        server.stdin.flush()
        status = json.loads(server.stdout.readline())
        if status is None:
            raise TimeoutError(f"snakemake {' '.join(arguments)} took more than {limit_s} s")
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    return subprocess.CompletedProcess(arguments, status, *texts)


@cache
def _server() -> subprocess.Popen:
    command = [sys.executable, str(Path(__file__).resolve())]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)  # its input ends, and so does it
    return server


def _serve() -> None:
    """Answer requests, one a line; the forked run returns from here and does as asked."""
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            for number, path in ((0, os.devnull), *enumerate(asked["streams"], 1)):
                os.dup2(os.open(path, os.O_RDWR | os.O_APPEND if number else os.O_RDONLY), number)
            os.chdir(asked["folder"])
            os.environ.clear()
            os.environ.update(asked["environment"])
            sys.path[0] = asked["folder"]
            sys.argv[1:] = asked["arguments"]
            return
        print(json.dumps(_status(pid, asked["limit_s"])), flush=True)
    sys.exit()


def _status(pid: int, limit_s: float) -> int | None:
    """The exit status of a run, None for one that was killed for its time."""
    import signal

    late = []
    signal.signal(signal.SIGALRM, lambda *_: (late.append(pid), os.kill(pid, signal.SIGKILL)))
    signal.alarm(int(limit_s))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(0)
    return None if late else status


if __name__ == "__main__":
    import importlib

    from snakemake.cli import get_argument_parser, main

    for name in PRELOADED:
        importlib.import_module(name)
    get_argument_parser()  # imports the plugins
    _serve()
    main()
