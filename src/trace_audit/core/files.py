"""Files that are complete or absent, and their hashes."""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from nanobrag_torch.io import strict_yaml
from nanobrag_torch.io.reading import ReaderError, open_plain
from trace_audit.core.errors import InputError
from trace_audit.core.folders import below

ASIDE = ".aside"
MAX_JSON_DEPTH = 100
_TOO_DEEP = f"nested deeper than {MAX_JSON_DEPTH}"


def sha256_of_bytes(data: bytes) -> str:
    """SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """SHA-256 of the bytes of a file, read in blocks."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write `data` to a temporary file in the same folder, flush it to disk and rename it to `path`.

    A reader sees the old file or the new one, never a part. The temporary file is locked as long as its writer lives.
    """
    content = data.encode() if isinstance(data, str) else data
    _replace(path, lambda stream: stream.write(content))


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write the pieces one after the other to `path`, as `write_atomic` does."""
    _replace(path, lambda stream: stream.writelines(pieces))


def copy_atomic(source: Path, path: Path) -> None:
    """Copy a file of any size to `path`, as `write_atomic` does."""

    def copy(stream: BinaryIO) -> None:
        with source.open("rb") as content:
            shutil.copyfileobj(content, stream)

    _replace(path, copy)


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it to `path`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.", suffix=ASIDE)
    try:
        with os.fdopen(handle, "wb") as stream:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(stream, fcntl.LOCK_EX)
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), 0o644)
            Path(aside).replace(path)
        flush_folder(path.parent)
    except BaseException as error:
        Path(aside).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, aside):
            error.filename = str(path)  # the error of a full disk names no file
        raise


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove temporary files of killed writers below `folder`; a file whose writer still lives stays."""
    removed = []
    found, _ = below(folder)
    for name, status in found.items():
        path = folder / name
        if not (path.name.startswith(".") and path.name.endswith(ASIDE) and stat.S_ISREG(status.st_mode)):
            continue
        with path.open("rb") as stream, contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def fresh_file(path: Path) -> BinaryIO:
    """A new file for writing; an older file or link of that name is unlinked and keeps its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path.open("xb")


def append_to(path: Path) -> BinaryIO:
    """A file to write at its end; a link is not followed."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o644), "ab")


def open_lock(path: Path) -> BinaryIO:
    """A file to lock, created if missing; its content stays. Raises InputError if it is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise InputError(f"lock {path}: is a link, folder or device, expected a plain file; remove it") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"lock {path}: is a pipe or device, expected a plain file; remove it")
    return os.fdopen(descriptor, "rb+")


def read_plain(path: Path, most_bytes: int) -> bytes | None:
    """Bytes of a plain file that is no link; None if it is missing, no such file, or longer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        whole = stat.S_ISREG(status.st_mode) and status.st_size <= most_bytes
        return stream.read(most_bytes) if whole else None


def plain_file_below(root: Path, name: str) -> Path | None:
    """The plain file `name` below `root`, reached without a link that leaves `root`; None if there is none."""
    try:
        path = root / name
        inside = path.resolve().is_relative_to(root.resolve())
        return path if inside and stat.S_ISREG(os.lstat(path).st_mode) else None
    except (OSError, ValueError, RuntimeError):  # a name too long or not UTF-8, links in a circle
        return None


def copy_checked(source: Path, sha256: str, target: Path, mode: int = 0o444) -> None:
    """Copy a file under a new name if it has this hash; otherwise raise InputError and leave no file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        opened = open_plain(source, max_bytes=math.inf)
    except ReaderError as error:
        raise InputError(str(error)) from error
    with opened as stream, target.open("xb") as copy:
        while block := stream.read(1 << 20):
            digest.update(block)
            copy.write(block)
    if digest.hexdigest() != sha256:
        target.unlink()
        raise InputError(f"{source}: its SHA-256 is {digest.hexdigest()}, expected {sha256}; it changed just now")
    target.chmod(mode)


def flush_folder(folder: Path) -> None:
    """Flush a folder, so that new names survive a power cut, where the file system supports it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def printable(text: str) -> str:
    """`text` with every character escaped that could break a line, move a cursor or fail to encode."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def canonical_json(value: Any) -> str:
    """JSON in one line with sorted keys and no blanks: one value has one text. Ends with a newline."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"


def readable_json(value: Any) -> str:
    """JSON for people, keys in the order given. Ends with a newline."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_text(path: Path, what: str) -> str:
    """Text of a plain UTF-8 file. Raises InputError, which calls the file `what`."""
    try:
        with open_plain(path) as stream:
            text = stream.read().decode()
    except ReaderError as error:
        raise InputError(f"{what} {path}: {error.problem}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path}: byte {error.start} is not UTF-8 text") from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_yaml(path: Path, what: str) -> Any:
    """The values in a YAML file. Raises InputError, which calls the file `what`."""
    try:
        return strict_yaml.load(read_text(path, what))
    except strict_yaml.YamlError as error:
        raise InputError(f"{what} {path}: {error}") from error


def yaml_value(text: str, what: str) -> Any:
    """The value of a YAML text. Raises InputError, which calls its origin `what`."""
    try:
        return strict_yaml.load(text)
    except strict_yaml.YamlError as error:
        raise InputError(f"{what}: {error}") from error


def read_json(path: Path, what: str) -> Any:
    """Parsed JSON of a file. Raises InputError naming `what` it should have been."""
    text = read_text(path, what)
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{what} {path}: line {error.lineno} is not JSON ({error.msg})") from error
    except ValueError as error:
        raise InputError(f"{what} {path}: is not JSON as expected ({error})") from error


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text, which can be written again. Raises ValueError for what is none.

    Refused are NaN and what is infinite, halves of surrogate pairs, and what is nested deeper than MAX_JSON_DEPTH.
    """
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level, depth = [value], 0
    while level := [part for whole in level for part in _parts(whole) if isinstance(part, dict | list)]:
        depth += 1
        if depth >= MAX_JSON_DEPTH:
            raise ValueError(_TOO_DEEP)
    if (b"\\ud" in text.lower()) if isinstance(text, bytes) else ("\\ud" in text.lower()):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _parts(whole: Any) -> Iterable[Any]:
    return whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ()


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is beyond 1.8e308")
    return value
