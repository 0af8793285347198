"""Files are written completely or not at all."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from nanobrag_torch.errors import ExperimentError

Chunk = bytes | memoryview
_asking = threading.Lock()


class WriterError(ExperimentError):
    """A file cannot be written; the message is one line."""


def check_target(path: str | Path) -> None:
    """Raise WriterError if `path` cannot be written; to be called before a long computation."""
    path = Path(path)
    try:
        if "\0" in str(path):
            raise WriterError("the name of a file to write holds a zero byte, expected a plain name")
        if path.is_dir():
            raise WriterError(f"{path}: is a folder, expected the name of a file to write")
        if not path.parent.is_dir():
            raise WriterError(f"{path}: the folder {path.parent} does not exist; make it first")
        replaceable = path.is_file() or not path.exists()
        if not os.access(path.parent if replaceable else path, os.W_OK):
            raise WriterError(f"{path}: no permission to write there")
    except WriterError:
        raise
    except OSError as error:
        raise WriterError(f"{path}: cannot be written ({error})") from None


def left_by_a_kill(path: str | Path) -> list[Path]:
    """What a run that was killed amid giving its files their names, in C or here, has left beside `path`."""
    target = Path(os.path.realpath(path))
    former = re.compile(rf"\.{re.escape(target.name)}\.[^.~]{{8}}\.part~|{re.escape(target.name)}\.[^.~]{{6}}~")
    with suppress(OSError):
        return sorted(other for other in target.parent.iterdir() if former.fullmatch(other.name))
    return []


class _Set:
    """Files that are being written, each under a temporary name beside its final path."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: list[tuple[Path, Path]] = []
        self._former: list[tuple[Path, Path]] = []  # another name of what a path was, and the path
        self._new: list[Path] = []  # paths that were free

    def add(self, temporary: Path, path: Path) -> None:
        with self._lock:
            self._ready.append((temporary, path))

    def commit(self) -> None:
        """Give every file its final name. Where one cannot have it all are as they were before. Raises OSError."""
        with self._lock:
            try:
                for temporary, path in self._ready if len(self._ready) > 1 else ():
                    self._keep_former(path, temporary.with_name(f"{temporary.name}~"))
                while self._ready:
                    temporary, path = self._ready[0]
                    temporary.replace(path)
                    del self._ready[0]
            except BaseException:
                self._take_back()
                raise
            for former, _ in self._former:
                former.unlink(missing_ok=True)

    def _keep_former(self, path: Path, former: Path) -> None:
        """Let what is at the path have another name too, until the whole set has its paths."""
        if not os.path.lexists(path):
            self._new.append(path)
            return
        try:
            os.link(path, former, follow_symlinks=False)
        except OSError:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
            path.rename(former)  # a file system without hard links has it under the other name alone for a moment
        self._former.append((former, path))

    def _take_back(self) -> None:
        waiting = {path for _, path in self._ready}
        for former, path in self._former:
            with suppress(OSError):  # what cannot go back keeps its other name
                former.replace(path)
                former.unlink(missing_ok=True)  # two names of one file stay both
        for path in self._new:
            if path not in waiting:
                path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the files that have no final name yet."""
        with self._lock:
            for temporary, _ in self._ready:
                temporary.unlink(missing_ok=True)
            self._ready.clear()


_together: ContextVar[_Set | None] = ContextVar("together", default=None)


@contextmanager
def together() -> Iterator[None]:
    """Files written in this context get their names only at its end: all of them, or none if anything failed.

    This holds for threads that run in a copy of this context. An interrupt at the end does not leave only some of the
    files.
    """
    files = _Set()
    token = _together.set(files)
    try:
        yield
        renames = ThreadPoolExecutor(1)
        try:
            renames.submit(files.commit).result()
        finally:
            renames.shutdown()
    except OSError as error:
        raise WriterError(f"{error.filename2 or error.filename}: cannot be written ({error.strerror})") from None
    finally:
        files.discard()
        _together.reset(token)


def write_whole(path: str | Path, chunks: Iterable[Chunk], *, follow: bool = True) -> None:
    """Write `chunks` to a file beside `path`, flush it to the disk, and rename it to `path`.

    A path that exists and is not a regular file (a pipe, a device) is written directly. Without `follow` a link or a
    pipe at the path is replaced. Raises WriterError.
    """
    path = Path(path)
    try:
        if follow and path.exists() and not path.is_file():
            with path.open("wb") as stream:
                stream.writelines(chunks)
            return
        replace_with(path, lambda temporary: _write(temporary, chunks), follow=follow)
    except OSError as error:
        raise WriterError(f"{path}: cannot be written ({error.strerror or error})") from None


def in_chunks(rows: Iterable[np.ndarray], dtype: type[np.generic]) -> Iterator[memoryview]:
    """The bytes of an image as numbers of `dtype`, part by part."""
    for part in rows:
        yield np.ascontiguousarray(part, dtype=dtype).data.cast("B")


def _write(path: Path, chunks: Iterable[Chunk]) -> None:
    with path.open("wb") as stream:
        stream.writelines(chunks)


def replace_with(path: Path, write: Callable[[Path], None], *, follow: bool = True) -> None:
    """Let `write(temporary)` fill a file beside `path`, then flush and rename it; a failure leaves no file.

    The file behind a link is replaced, or, without `follow`, the link.
    """
    import tempfile  # slow to import

    path = path.resolve() if follow and path.is_symlink() else path
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        files = _together.get()
        if files is None:
            temporary.replace(path)
        else:
            files.add(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    with _asking:  # it can only be read by setting it
        mask = os.umask(0)
        os.umask(mask)
        return mask
