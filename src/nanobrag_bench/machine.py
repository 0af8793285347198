"""The machine behind the figures: processor, cores, memory, versions."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

_KB_PER_GIB = 1024**2


def machine() -> dict[str, Any]:
    """The machine and the versions of what runs on it."""
    import numpy
    import torch

    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "vector_units": _vector_units(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        "memory_GiB": round(int((_first("/proc/meminfo", "MemTotal") or "0").split()[0]) / _KB_PER_GIB, 1),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def in_words(about: dict[str, Any]) -> str:
    """The machine in one line."""
    return (
        f"{about['cpu']} ({about['vector_units']}), {about['cores']} cores, {about['memory_GiB']:g} GiB, "
        f"GPU: {about['gpu']}; python {about['python']}, torch {about['torch']}; "
        f"load before {about['load_before'][0]:g}"
    )


def _first(path: str, key: str) -> str | None:
    """The value of the first line `key : value` of a file under /proc."""
    file = Path(path)
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), None)


def _vector_units() -> str:
    flags = (_first("/proc/cpuinfo", "flags") or "").split()
    return next((name for name in ("avx512f", "avx2", "avx", "sse2") if name in flags), "no known vector units")
