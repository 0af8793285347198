"""Checks which folders and files are safe to load code from: only their user and root may be able to write them."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import BinaryIO

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Unsafe(Exception):
    """A folder or file through which somebody else could run code."""


def check_folder(folder: Path) -> None:
    """Raise Unsafe unless the folder belongs to the user or root and only its owner can write it, or is missing."""
    try:
        status = folder.stat()
    except OSError:
        return
    _check(status, f"the folder {folder}")


def open_own(path: Path) -> BinaryIO:
    """A plain file, open for reading, that belongs to the user or root and that only its owner can write.

    The open file is checked, so a later change of its name has no effect. Raises OSError, Unsafe.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unsafe("it is no plain file")
        _check(status, "it")
    except Unsafe:
        file.close()
        raise
    return file


def _check(status: os.stat_result, what: str) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise Unsafe(f"{what} belongs to somebody else (user {status.st_uid})")
    if status.st_mode & WRITABLE_BY_OTHERS:
        raise Unsafe(f"{what} can be written by others (mode {stat.S_IMODE(status.st_mode):o}; chmod go-w)")


@cache
def private_folder(why: str) -> Path:
    """A folder of this process, removed when it ends; one line on standard error says why."""
    folder = _of_this_process()
    print(f"nanobrag_torch: compiled code is kept in {folder.name} until this run ends: {why}", file=sys.stderr)
    return Path(folder.name)


@cache
def _of_this_process() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="nanobrag_torch-", ignore_cleanup_errors=True)
