"""The compiled package of the torch program: how it is built ahead, and where it is looked for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from nanobrag_bench.programs import DTYPES
from trace_audit.errors import InputError

VARIABLE = "NANOBRAG_TORCH_CACHE"
_INDUCTOR_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_MODE_VARIABLE = "NANOBRAG_TORCH_COMPILE"
_MODULE = "nanobrag_torch.compiled"


def environment(cache: Path) -> dict[str, str]:
    """Variables under which the program keeps compiled code in `cache` and nowhere else."""
    return {VARIABLE: str(cache.resolve()), _INDUCTOR_VARIABLE: str(cache.resolve() / "inductor")}


def build(cache: Path, words: list[str]) -> dict[str, Any]:
    """Build what a command line uses into `cache`; what it took, or why nothing is built.

    Raises InputError where it cannot be built.
    """
    cache.mkdir(parents=True, exist_ok=True)
    if os.environ.get(_MODE_VARIABLE) == "never":
        return {"built": False, "reason": f"{_MODE_VARIABLE}=never: all images are worked out operation by operation"}
    command = [sys.executable, "-m", _MODULE, "build", "--dtype", *DTYPES, "--", *words]
    started = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **environment(cache)}, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise InputError(f"benchmark: {_MODULE} build ended with {done.returncode}; its message is in the log")
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    return {
        "built": True,
        "wall_s": time.perf_counter() - started,
        "bytes": sum(path.stat().st_size for path in files),
        "command": ["python", *command[1 : -len(words)], "the flags of the scenario"],
    }
