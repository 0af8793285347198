"""What a run depended on besides its inputs: versions, machine, git state, a few environment variables.

Only the variables listed here are recorded, never the whole environment: it can hold secrets.
"""

import contextlib
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

COMPILE = "NANOBRAG_TORCH_COMPILE"
PACKAGES = ("nanobragg-audit", "torch", "numpy", "gemmi", "pydantic", "PyYAML", "snakemake")
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "KMP_DUPLICATE_LIB_OK",
    "LC_ALL",
    "MKL_NUM_THREADS",
    COMPILE,
    "NB_C_BIN",
    "NB_RUN_PARALLEL",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "SLURMD_NODENAME",
    "SLURM_JOB_GPUS",
    "SLURM_JOB_ID",
    "SLURM_JOB_PARTITION",
    "SLURM_STEP_GPUS",
)


@contextlib.contextmanager
def operation_by_operation() -> Iterator[None]:
    """In this context torch makes images without compiled code, unless NANOBRAG_TORCH_COMPILE is set.

    A repeatable run must not depend on whether a machine has cached compiled code, whose last bits differ.
    """
    before = os.environ.get(COMPILE)
    os.environ.setdefault(COMPILE, "never")
    try:
        yield
    finally:
        if before is None:
            del os.environ[COMPILE]


@contextlib.contextmanager
def code_of(backend: str) -> Iterator[None]:
    """In this context torch traces with eager or with compiled code, whatever NANOBRAG_TORCH_COMPILE says."""
    before = os.environ.get(COMPILE)
    os.environ[COMPILE] = "always" if backend == "compiled" else "never"
    try:
        yield
    finally:
        del os.environ[COMPILE]
        if before is not None:
            os.environ[COMPILE] = before


def _output(command: list[str], folder: Path) -> bytes | None:
    """Standard output of a command; None if it is missing or fails."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _line(command: list[str], folder: Path) -> str | None:
    output = _output(command, folder)
    return output.decode(errors="replace").splitlines()[0] if output else None


def git_status(folder: Path) -> list[str] | None:
    """Lines of `git status -sb`, None outside a repository."""
    output = _output(["git", "status", "-sb"], folder)
    return None if output is None else output.decode(errors="replace").splitlines()


def git_diff(folder: Path) -> bytes:
    """`git diff HEAD` as a patch; empty outside a repository or before its first commit."""
    return _output(["git", "diff", "--binary", "HEAD"], folder) or b""


def git_state(folder: Path) -> dict[str, Any]:
    """Commit, working-tree status and hash of the diff against the commit."""
    commit = _line(["git", "rev-parse", "HEAD"], folder)
    diff = _output(["git", "diff", "--binary", "HEAD"], folder) if commit else None
    return {
        "commit": commit,
        "status": git_status(folder),
        "diff_sha256": None if diff is None else hashlib.sha256(diff).hexdigest(),
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _package_versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _torch_state() -> dict[str, Any]:
    import torch

    available = torch.cuda.is_available()
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if available else []
    driver = _line(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], Path.cwd()) if gpus else None
    return {
        "version": torch.__version__,
        "build": [line.strip() for line in torch.__config__.show().splitlines()],
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "cuda_available": available,
        "cuda_version": torch.version.cuda,
        "gpus": gpus,
        "gpu_driver": driver,
    }


def capture(folder: Path, action: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """Run `action` and describe its environment, with git's status before and after."""
    before = git_state(folder)
    result = action()
    after = git_state(folder)
    return result, {
        "python": sys.version,
        "packages": _package_versions(),
        "torch": _torch_state(),
        "git": {"before": before, "after": after},
        "platform": platform.platform(),
        "cpu_model": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "compiler": _line(["gcc", "--version"], folder),
        "variables": {name: os.environ.get(name) for name in VARIABLES},
    }


def deviations(environment: dict[str, Any], device: str) -> list[str]:
    """Missing parts of the environment, for the notes and the ledger."""
    rows = []
    choice = environment.get("device") or {}
    if choice and choice["used"] is None:
        rows.append(choice["reason"])
    elif choice.get("asked") == "auto":
        rows.append(f"device auto was {choice['used']}: {choice['reason']}")
    elif not environment["torch"]["cuda_available"] and device == "cpu":
        rows.append("no CUDA device on this machine: only the CPU was audited")
    if environment["git"]["before"]["commit"] is None:
        rows.append("not in a git repository with a commit: only hashes identify the sources")
    if environment["git"]["before"] != environment["git"]["after"]:
        rows.append("the git state changed during the run")
    return rows
