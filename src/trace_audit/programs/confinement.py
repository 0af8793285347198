"""Run any program in a folder, within limits of time, memory and output, and confined where that is possible.

Confined means: no network, only the folder is writable, and no process outlives the run. Linux namespaces provide that,
or bubblewrap if the system allows only that; elsewhere only the limits hold, and the record says so.
"""

import contextlib
import functools
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trace_audit.core.files import printable
from trace_audit.programs import launcher

NAMESPACES = "namespaces: no network, only its folder writable, nothing outlives it"
BUBBLEWRAP = "bubblewrap: no network, only its folder writable, nothing outlives it"
LIMITS_ONLY = "limits only"
_PROBE_LIMIT_S = 20


@dataclass(frozen=True)
class Limits:
    """Limits of a run; 0: no limit."""

    time_s: float
    memory_bytes: int = 0  # address space
    printed_bytes: int = 256_000_000
    file_bytes: int = 4_000_000_000  # of each file that it writes


@dataclass(frozen=True)
class Ending:
    """How a run ended. `exit_code` None: it was stopped at a limit; negative: killed by that signal."""

    exit_code: int | None
    excess: str | None  # the limit that was exceeded
    confined: str  # one of the confinements above


def run_confined(
    argv: Sequence[str],
    writable: Path,
    folder: Path,
    environment: Mapping[str, str],
    limits: Limits,
    outputs: tuple[IO[bytes], IO[bytes]],
    *,
    name: str | None = None,
    confine: bool = True,
) -> Ending:
    """Run `words` in `folder`, below `writable`, without a shell; standard output and error go to two files.

    `name`: its argv[0], if not its own path. Raises OSError if the program does not start.
    """
    how = way() if confine else f"{LIMITS_ONLY}: the config asks for no more"
    started = time.monotonic()
    told, tell = os.pipe()
    with os.fdopen(told, "rb") as report:
        try:
            process = subprocess.Popen(
                _command([argv[0], name or argv[0], *argv[1:]], writable.resolve(), limits, how, tell),
                pass_fds=[tell] if how == BUBBLEWRAP else [],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=outputs[0],
                stderr=outputs[1],
                start_new_session=True,
            )
        finally:
            os.close(tell)
        try:
            exit_code, excess = _watch(process, outputs, limits, started + limits.time_s)
        finally:
            _end(process)
        return Ending(_as_it_ended(exit_code, report), excess, how)


def _as_it_ended(exit_code: int | None, report: IO[bytes]) -> int | None:
    """The exit code; under bubblewrap, which makes one of a signal, the one that the launcher told."""
    status = b"" if exit_code is None else report.read(4)
    return os.waitstatus_to_exitcode(struct.unpack("i", status)[0]) if len(status) == 4 else exit_code


def _command(argv: Sequence[str], folder: Path, limits: Limits, how: str, tell: int | None = None) -> list[str]:
    inner = [str(folder), str(limits.memory_bytes), str(limits.file_bytes)]
    start = [sys.executable, "-I", "-S", launcher.__file__, *inner]
    if how == NAMESPACES:
        return [*start, "namespaces", *argv]
    if how == BUBBLEWRAP:
        return [*_bubblewrap(folder), *start, "limits" if tell is None else f"tell:{tell}", *argv]
    return [*start, "limits", *argv]


def _bubblewrap(folder: Path) -> list[str]:
    mounts = ["--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--bind", str(folder), str(folder)]
    return ["bwrap", *mounts, "--unshare-net", "--unshare-ipc", "--unshare-pid", "--die-with-parent", "--"]


@functools.cache
def way() -> str:
    """The strongest confinement that works on this machine."""
    if sys.platform != "linux":
        return f"{LIMITS_ONLY}: this system has no namespaces"
    problems = ""
    for how in (NAMESPACES, *([BUBBLEWRAP] if shutil.which("bwrap") else [])):
        problem = _problem(how)
        if not problem:
            return how
        problems = problems or problem
    return f"{LIMITS_ONLY}: {problems}"


def _problem(how: str) -> str:
    """Why a confinement does not work here; empty if it works."""
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        command = _command(
            [sys.executable, sys.executable, "-I", "-S", "-c", ""], Path(folder).resolve(), Limits(_PROBE_LIMIT_S), how
        )
        try:
            done = subprocess.run(command, capture_output=True, cwd=folder, timeout=_PROBE_LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return printable(str(error))[:200]
    messages = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
    return "" if done.returncode == 0 else printable(messages[-1].removeprefix("launcher: "))[:200]


def _watch(
    process: subprocess.Popen[bytes], outputs: Sequence[IO[bytes]], limits: Limits, ends: float
) -> tuple[int | None, str | None]:
    """Wait until the program ends or exceeds a limit."""
    exit_code, pause_s = None, 0.002
    while exit_code is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            exit_code = process.wait(timeout=max(0.0, min(pause_s, ends - time.monotonic())))
        pause_s = min(0.1, pause_s * 1.5)
        if sum(os.fstat(output.fileno()).st_size for output in outputs) > limits.printed_bytes:
            return exit_code, f"printed more than {limits.printed_bytes / 1e6:g} MB"
        if exit_code is None and time.monotonic() >= ends:
            return None, None
    return exit_code, None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and its group; its namespaces and all processes in them end with it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def not_started(ending: Ending, stderr: bytes) -> str | None:
    """Why the program did not start, None if it did."""
    messages = stderr.decode(errors="replace").strip().splitlines()
    if ending.exit_code in (126, launcher.NOT_STARTED) and messages and messages[-1].startswith("launcher: "):
        return printable(messages[-1].removeprefix("launcher: "))
    return None
