"""Shared by all readers: their error, the bytes and text of a file, numbers with checks."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from nanobrag_torch.errors import ExperimentError

MAX_TEXT_BYTES = 2_000_000_000
# Numbers other than 0 lie between these, so that no change of unit makes them 0 or infinite.
SMALLEST_NUMBER, LARGEST_NUMBER = 1e-280, 1e280
LONGEST_NUMBER = 127  # characters
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# str.split treats these bytes as blanks; they become a control character that it does not
_NO_BLANKS = bytes.maketrans(b"\x1c\x1d\x1e\x1f", b"\x1a" * 4)
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


class ReaderError(ExperimentError):
    """A file that cannot be used. `str()` is one line: the file, the place, what was found, what was expected."""

    def __init__(self, path: str | Path, problem: str):
        shown = "".join(char if char.isprintable() else "?" for char in str(path))
        clean = "".join(char if char.isprintable() else "?" for char in problem)
        super().__init__(f"{shown}: {clean}")
        self.path = path
        self.problem = clean


def read_bytes(path: str | Path) -> bytes:
    """All bytes of a plain file. Raises ReaderError when it is none, cannot be read or is absurdly large."""
    try:
        with open_plain(path) as stream:
            return stream.read(os.fstat(stream.fileno()).st_size)
    except OSError as error:
        raise ReaderError(path, f"cannot be read ({error.strerror or error}), expected a readable file") from None


def open_plain(path: str | Path, max_bytes: float = MAX_TEXT_BYTES) -> BinaryIO:
    """A plain file, open for reading. Raises ReaderError for anything else, such as a pipe or a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReaderError(path, f"cannot be read ({reason}), expected a readable file") from None
    status = os.fstat(descriptor)
    problem = None
    if stat.S_ISDIR(status.st_mode):
        problem = "is a folder, expected a file"
    elif not stat.S_ISREG(status.st_mode):
        problem = "is a pipe, socket or device, expected a plain file"
    elif status.st_size > max_bytes:
        problem = f"is larger than {max_bytes:g} bytes"
    if problem is not None:
        os.close(descriptor)
        raise ReaderError(path, problem)
    return os.fdopen(descriptor, "rb")


def read_text(path: str | Path) -> str:
    """The text of a file. Raises ReaderError if it holds zero bytes."""
    data = read_bytes(path)
    if b"\0" in data:
        raise ReaderError(path, "is not text (it holds zero bytes)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_ascii(path: str | Path) -> str:
    """The text of a file of numbers. Only ASCII blanks separate words; bytes outside ASCII do not.

    Raises ReaderError when the file holds zero bytes.
    """
    return decode_ascii(path, read_bytes(path))


def decode_ascii(path: str | Path, data: bytes) -> str:
    """As `read_ascii`, of bytes already read; `path` is for messages."""
    if b"\0" in data:
        raise ReaderError(path, "is not text (it holds zero bytes)")
    return data.removeprefix(_BYTE_ORDER_MARK).translate(_NO_BLANKS).decode("ascii", "replace")


def is_ordinary(value: float) -> bool:
    return value == 0 or SMALLEST_NUMBER <= abs(value) <= LARGEST_NUMBER


def shorten(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def number(path: str | Path, text: str, name: str) -> float:
    """A decimal number between the limits above. Raises ReaderError that names the place in the file."""
    if len(text) > LONGEST_NUMBER or not NUMBER.fullmatch(text):
        raise ReaderError(path, f"{name} is '{shorten(text)}', expected a number")
    value = float(text)
    if not is_ordinary(value):
        raise ReaderError(path, f"{name} is {shorten(text)}, expected a number of ordinary size")
    return value
