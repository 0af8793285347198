"""From a program to a file that can be loaded: its text, compiled by the machine's own compiler.

For a GPU the file is the source itself, which the driver compiles on loading.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from nanobrag_torch.backends.compiled.programs import Program
from nanobrag_torch.backends.compiled.recording import Watched, source_of
from nanobrag_torch.hooks import Hooks
from nanobrag_torch.model import Model

_MODE = 0o755  # of what is built, whatever the umask is: code that others can write is never loaded
_COMPILERS = ("cc", "gcc", "clang")
# These options drop errno, traps, and the rounding between product and sum from the arithmetic's standard.
_OPTIONS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
_FOR_THIS_CPU = {
    "x86_64": (("-march=native", "-mprefer-vector-width=512"), ("-march=native",), ()),
    "aarch64": (("-mcpu=native",), ()),
}


def compiler() -> list[str]:
    """The C compiler: CC, else the first of cc, gcc, clang. Raises OSError where there is none."""
    named = shlex.split(os.environ.get("CC", ""))
    command = next((name for name in (named[:1] or _COMPILERS) if shutil.which(name)), None)
    if command is None:
        raise OSError(f"no C compiler found ({' '.join(named) or ', '.join(_COMPILERS)}); install gcc")
    return [command, *named[1:]]


class Build(NamedTuple):
    """Information about a compiled program."""

    source_sha256: str
    compiler: str  # with its options
    watched: list[Watched]


def build(program: Program, model: Model, file: Path, hooks: Hooks | None = None) -> Build:
    """Write the compiled program. Raises OSError if there is no compiler or it fails, and the errors of `source_of`."""
    device = model.real_m.device.type
    text, watched = source_of(program, model, hooks, device)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if device != "cpu":
        file.write_text(text)
        file.chmod(_MODE)
        return Build(digest, f"NVRTC of CUDA {torch.version.cuda}", watched)
    written = file.with_suffix(".c")
    written.write_text(text)
    complaint = ""
    for for_this_cpu in _FOR_THIS_CPU.get(platform.machine(), ((),)):
        command = [*compiler(), *_OPTIONS, *for_this_cpu]
        done = subprocess.run(
            [*command, str(written), "-o", str(file), "-lm"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            file.chmod(_MODE)
            return Build(digest, f"{_version(command[0])} {' '.join(command[1:])}", watched)
        complaint = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[0]
    raise OSError(f"{command[0]} cannot compile '{program.name}': {complaint}")


@cache
def _version(command: str) -> str:
    """The first line of the compiler's version output."""
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout.strip().splitlines() or [command])[0]
