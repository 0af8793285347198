"""Compiled programs on disk: found by what they depend on, checked before use, written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import torch

from nanobrag_torch.backends.compiled.compiler import Build, Watched, build
from nanobrag_torch.backends.compiled.programs import Program
from nanobrag_torch.model import Model

DIRECTORY_VARIABLE = "NANOBRAG_TORCH_CACHE"
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("hooks.py", "kernel.py", "model.py", "integrate.py", "physics/*.py", "backends/**/*.py")
_KEY_LENGTH = 24


class BrokenPackage(Exception):
    """A compiled program on disk is not what was written there."""


def directory() -> Path | None:
    """Where programs are kept: NANOBRAG_TORCH_CACHE, else the user's cache folder; None where there is no home."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "nanobrag_torch"
    except RuntimeError:
        return None


def folder() -> Path:
    """As `directory`. Raises OSError if there is none."""
    found = directory()
    if found is None:
        raise FileNotFoundError(f"no folder holds compiled code, see {DIRECTORY_VARIABLE}")
    return found


def key_of(program: Program, model: Model) -> dict[str, object]:
    """All that a compiled program depends on."""
    device = model.real_m.device
    return {
        "program": program.name,
        "variant": [list(pair) for pair in program.variant(model)],
        "kernel_sha256": kernel_sha256(),
        "torch": torch.__version__,
        "torch_git": torch.version.git_version,
        "device": device.type,
        "processor": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu(),
    }


@cache
def kernel_sha256() -> str:
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(PACKAGE_ROOT.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _cpu() -> str:
    """Model and instruction sets: code compiled for one machine may not run on another of the same name."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        lines = [re.search(rf"^{name}\s*:\s*(.*)$", text, re.M) for name in ("model name", "(?:flags|Features)")]
        return " | ".join(line.group(1) for line in lines if line)
    return f"{platform.processor()} {torch.backends.cpu.get_cpu_capability()}"


def package_path(folder: Path, key: dict[str, object]) -> Path:
    """The file that a key names."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder / f"{key['program']}-{digest[:_KEY_LENGTH]}{'.so' if key['device'] == 'cpu' else '.cu'}"


def find(program: Program, model: Model, folder: Path) -> Path | None:
    """The package of a program for this model, kernel, torch and machine; None where none was ever kept.

    Raises BrokenPackage when it is not the one that was kept.
    """
    key = key_of(program, model)
    package = package_path(folder, key)
    if not _record_path(package).is_file():
        return None
    try:
        record = json.loads(_record_path(package).read_text())
        written = package.stat()
        content_sha256 = _sha256(package, written.st_mtime_ns, written.st_size)
    except (OSError, ValueError) as error:
        raise BrokenPackage(f"{package.name} cannot be read") from error
    if not isinstance(record, dict) or record.get("key") != key:
        raise BrokenPackage(f"{package.name} was made for something else")
    if record.get("sha256") != content_sha256:
        raise BrokenPackage(f"{package.name} has changed since it was made")
    return package


@lru_cache(maxsize=64)
def _sha256(package: Path, written_ns: int, size: int) -> str:
    return hashlib.sha256(package.read_bytes()).hexdigest()


def keep(program: Program, model: Model, folder: Path) -> Path:
    """Build a program into the folder and return its file. Another process that builds the same is waited for.

    Raises OSError where the folder cannot be written, and whatever the compiler raises.
    """
    key = key_of(program, model)
    package = package_path(folder, key)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(package.with_suffix(".lock")):
        with contextlib.suppress(BrokenPackage):
            found = find(program, model, folder)
            if found is not None:
                return found
        with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as aside:
            built = Path(aside) / package.name
            made = build(program, model, built)
            record = {"key": key, "sha256": hashlib.sha256(built.read_bytes()).hexdigest(), **made._asdict()}
            record_file = Path(aside) / "record.json"
            record_file.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
            for source in Path(aside).glob("*.c"):  # for whoever wants to read what was compiled
                source.replace(package.with_suffix(".c"))
            for source, target in ((built, package), (record_file, _record_path(package))):
                _to_disk(source)
                source.replace(target)
    return package


def about(package: Path) -> Build:
    """What was noted when a program was built. Raises BrokenPackage where that cannot be read."""
    try:
        record = json.loads(_record_path(package).read_text())
        watched = [Watched(name, tuple(shape), *rest) for name, shape, *rest in record["watched"]]
        return Build(record["source_sha256"], record["compiler"], watched)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenPackage(f"{package.name} has no record of how it was built") from error


def _record_path(package: Path) -> Path:
    return package.with_suffix(".json")


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
