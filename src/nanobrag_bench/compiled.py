"""The compiled package of the torch program: how it is built ahead, and where it is looked for."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

VARIABLE = "NANOBRAG_TORCH_CACHE"
_INDUCTOR_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_MODULE = "nanobrag_torch.compiled"
BUILD_COMMAND = [sys.executable, "-m", _MODULE, "build", "--dtype", "float32", "float64"]


def environment(cache: Path) -> dict[str, str]:
    """Variables under which the program keeps compiled code in `cache` and nowhere else."""
    return {VARIABLE: str(cache.resolve()), _INDUCTOR_VARIABLE: str(cache.resolve() / "inductor")}


def build(cache: Path) -> dict[str, Any]:
    """Build the package into `cache`; what it took, or why there is none. Raises CalledProcessError."""
    cache.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec(_MODULE) is None:
        return {"built": False, "reason": f"there is no {_MODULE}: every image is worked out operation by operation"}
    import os

    started = time.perf_counter()
    subprocess.run(BUILD_COMMAND, env={**os.environ, **environment(cache)}, check=True, stdout=sys.stderr)
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    return {
        "built": True,
        "wall_s": time.perf_counter() - started,
        "bytes": sum(path.stat().st_size for path in files),
        "command": ["python", *BUILD_COMMAND[1:]],
    }
