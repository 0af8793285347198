"""Compiled code of the torch program: how it is built beforehand, its folder, and when it must be used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanobrag_bench.programs import DTYPES
from trace_audit.core.errors import InputError

VARIABLE = "NANOBRAG_TORCH_CACHE"
MODE_VARIABLE = "NANOBRAG_TORCH_COMPILE"
_MODULE = "nanobrag_torch.cli.compile_ahead"
_NOT_USED = "compiled code is not used"  # the program's words where it goes without


def environment(cache: Path) -> dict[str, str]:
    """Variables that make the program keep compiled code in `cache`, and use it where that pays."""
    return {VARIABLE: str(cache.resolve())}


def one_code(cache: Path) -> dict[str, str]:
    """As `environment`, with compiled code for small images too, so that the same code computes all sizes.

    If compiled code is switched off for the benchmark, eager code is compared with eager code.
    """
    mode = "never" if switched_off() else "always"
    return environment(cache) | {MODE_VARIABLE: mode}


def switched_off() -> bool:
    """Whether the environment of the benchmark forbids compiled code."""
    return os.environ.get(MODE_VARIABLE) == "never"


def check_used(messages: str, variables: Mapping[str, str]) -> None:
    """Raises InputError if a program that had to use compiled code reports that it did not."""
    if variables.get(MODE_VARIABLE) != "always":
        return
    for line in messages.splitlines():
        if _NOT_USED in line:
            raise InputError(f"benchmark: {line.strip()}")


def build(cache: Path, named_words: Mapping[str, list[str]]) -> dict[str, Any]:
    """Build the compiled code of command lines in `cache`; returns the times, or why nothing is built.

    Raises InputError if it cannot be built.
    """
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    if switched_off():
        return {"built": False, "reason": f"{MODE_VARIABLE}=never: all images are worked out operation by operation"}
    command = [sys.executable, "-m", _MODULE, "build", "--dtype", *DTYPES, "--"]
    wall_s = {name: _wall_s([*command, *argv], cache) for name, argv in named_words.items()}
    programs = sorted(cache.glob("*.so"))
    return {
        "built": True,
        "wall_s": wall_s,
        "programs": [path.name for path in programs],
        "bytes": sum(path.stat().st_size for path in programs),
        "command": ["python", *command[1:], "the flags of the image"],
    }


def _wall_s(command: list[str], cache: Path) -> float:
    """Seconds of a whole process that builds."""
    started = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **environment(cache)}, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise InputError(f"benchmark: {_MODULE} build ended with {done.returncode}; its message is in the log")
    return time.perf_counter() - started
