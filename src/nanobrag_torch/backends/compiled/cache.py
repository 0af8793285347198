"""Compiled programs on disk: identified by everything they depend on, checked before use, written completely.

`ownership.py` decides which folders and files are safe to load code from.
"""

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
from typing import Any, BinaryIO

import torch

from nanobrag_torch.backends.compiled.compiler import Build, build
from nanobrag_torch.backends.compiled.ownership import (
    WRITABLE_BY_OTHERS,
    Unsafe,
    check_folder,
    open_own,
    private_folder,
)
from nanobrag_torch.backends.compiled.programs import Program
from nanobrag_torch.backends.compiled.recording import Watched
from nanobrag_torch.model import Model

DIRECTORY_VARIABLE = "NANOBRAG_TORCH_CACHE"
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("hooks.py", "kernel.py", "model.py", "integrate.py", "physics/*.py", "backends/**/*.py")
_KEY_LENGTH = 24


class BrokenPackage(Exception):
    """A compiled program on disk differs from what was written."""


def directory() -> Path | None:
    """The folder of compiled programs; None without a home directory.

    It is NANOBRAG_TORCH_CACHE, else the user's cache folder; if somebody else may write to it, a private folder.
    """
    try:
        folder = _named(*map(os.environ.get, (DIRECTORY_VARIABLE, "XDG_CACHE_HOME", "HOME")))
    except RuntimeError:
        return None
    try:
        check_folder(folder)
    except Unsafe as error:
        return private_folder(str(error))
    return folder


@lru_cache(maxsize=16)
def _named(named: str | None, base: str | None, home: str | None) -> Path:
    """The folder that these variables of the environment name. Raises RuntimeError if there is no home directory."""
    return Path(named) if named else (Path(base) if base else Path.home() / ".cache") / "nanobrag_torch"


def folder() -> Path:
    """As `directory`. Raises OSError if there is none."""
    folder = directory()
    if folder is None:
        raise FileNotFoundError(f"no folder holds compiled code, see {DIRECTORY_VARIABLE}")
    return folder


def key_of(program: Program, model: Model) -> dict[str, object]:
    """Everything that a compiled program depends on."""
    device = model.real_m.device
    return {
        "program": program.name,
        "variant": [list(pair) for pair in program.variant(model)],
        "kernel_sha256": kernel_sha256(),
        "torch": torch.__version__,
        "torch_git": torch.version.git_version,
        "device": device.type,
        "processor": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
    }


@cache
def kernel_sha256() -> str:
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(PACKAGE_ROOT.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def processor() -> str:
    """Model and instruction sets: code compiled for one machine may not run on another of the same name."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        lines = [re.search(rf"^{name}\s*:\s*(.*)$", text, re.M) for name in ("model name", "(?:flags|Features)")]
        return " | ".join(line.group(1) for line in lines if line)
    return f"{platform.processor()} {torch.backends.cpu.get_cpu_capability()}"


def package_path(folder: Path, key: dict[str, object]) -> Path:
    """The file for a key."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder / f"{key['program']}-{digest[:_KEY_LENGTH]}{'.so' if key['device'] == 'cpu' else '.cu'}"


def find(program: Program, model: Model, folder: Path) -> Path | None:
    """The package of a program for this model, kernel, torch and machine; None if there is none.

    Raises BrokenPackage if it is not the one that was written.
    """
    known = folder, program.name, program.variant(model), model.real_m.device
    package = _PATHS.get(known)
    if package is not None and _FOUND.get(package) == _states(package):
        return package
    key = key_of(program, model)
    package = package_path(folder, key)
    if not _record_path(package).is_file():
        return None
    state = _states(package)
    record = _record(package)
    if record.get("key") != key or not isinstance(record.get("sha256"), str):
        raise BrokenPackage(f"{package.name} was made for something else")
    opened(package).close()
    _PATHS[known], _FOUND[package] = package, state
    return package


# What packages and records were like when they were read and hashed. The time of the last change of any kind is part of
# it, which only the system sets: as long as all is as it was, they are what they were, and so are owners and rights.
_FOUND: dict[Path, object] = {}
_PATHS: dict[tuple[object, ...], Path] = {}  # of programs that were found, by all that their keys are made of
_ABOUT: dict[Path, tuple[object, Build]] = {}


def _states(package: Path) -> object:
    return _state(package), _state(_record_path(package)), os.geteuid()


def _state(path: Path) -> tuple[int, ...]:
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mode,
        status.st_uid,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def opened(package: Path) -> BinaryIO:
    """The file of a program, open and safe to load from; the caller loads this open file, not its name again.

    It is checked against its record, if there is one (a program with hooks has none). Raises BrokenPackage.
    """
    try:
        file = open_own(package)
    except (OSError, Unsafe) as error:
        raise BrokenPackage(f"{package.name} cannot be used ({_reason(error)})") from error
    with contextlib.ExitStack() as unless_all_is_well:
        unless_all_is_well.callback(file.close)
        recorded = _record(package).get("sha256") if _record_path(package).exists() else None
        if recorded is not None and hashlib.sha256(file.read()).hexdigest() != recorded:
            raise BrokenPackage(f"{package.name} has changed since it was made")
        unless_all_is_well.pop_all()
    file.seek(0)
    return file


def _record(package: Path) -> dict[str, Any]:
    """The record that was written when the program was built. Raises BrokenPackage."""
    try:
        with open_own(_record_path(package)) as file:
            record = json.loads(file.read())
    except (OSError, ValueError, RecursionError, Unsafe) as error:
        raise BrokenPackage(f"{_record_path(package).name} cannot be read ({_reason(error)})") from error
    if not isinstance(record, dict):
        raise BrokenPackage(f"{_record_path(package).name} is no record of a program")
    return record


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def keep(program: Program, model: Model, folder: Path) -> Path:
    """Build a program into the folder and return its file. If another process builds the same program, wait for it.

    Raises OSError if the folder cannot be written, Unsafe if others can write it, and the errors of the compiler.
    """
    key = key_of(program, model)
    package = package_path(folder, key)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_folder(folder)
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
            for source in Path(aside).glob("*.c"):  # for readers of the source
                source.replace(package.with_suffix(".c"))
            for source, target in ((built, package), (record_file, _record_path(package))):
                source.chmod(source.stat().st_mode & ~WRITABLE_BY_OTHERS)  # whatever the umask is
                _to_disk(source)
                source.replace(target)
    return package


def about(package: Path) -> Build:
    """The record that was written when the program was built. Raises BrokenPackage if it cannot be read."""
    state = _state(_record_path(package))
    known, build = _ABOUT.get(package, (None, None))
    if build is not None and known == state:
        return build
    try:
        record = _record(package)
        watched = [Watched(name, tuple(shape), *rest) for name, shape, *rest in record["watched"]]
        build = Build(record["source_sha256"], record["compiler"], watched)
    except (KeyError, TypeError) as error:
        raise BrokenPackage(f"{package.name} has no record of how it was built") from error
    _ABOUT[package] = state, build
    return build


@lru_cache(maxsize=1024)
def _record_path(package: Path) -> Path:
    return package.with_suffix(".json")


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
