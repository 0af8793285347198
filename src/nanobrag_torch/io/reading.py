"""What all readers share: one kind of error, bytes and text of a file, strict numbers."""

from __future__ import annotations

import re
from pathlib import Path

from nanobrag_torch.errors import ExperimentError

MAX_TEXT_BYTES = 2_000_000_000
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
    """All bytes of a regular file. Raises ReaderError when it cannot be read or is absurdly large."""
    path = Path(path)
    try:
        if path.is_dir():
            raise ReaderError(path, "is a folder, expected a file")
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise ReaderError(path, f"is larger than {MAX_TEXT_BYTES} bytes")
        return path.read_bytes()
    except ReaderError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReaderError(path, f"cannot be read ({reason}), expected a readable file") from None


def read_text(path: str | Path) -> str:
    """The text of a file. Raises ReaderError when it holds bytes that no text has."""
    data = read_bytes(path)
    if b"\0" in data:
        raise ReaderError(path, "is not text (it holds zero bytes)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def shorten(word: str, limit: int = 40) -> str:
    return word if len(word) <= limit else word[: limit - 3] + "..."


def number(path: str | Path, word: str, place: str) -> float:
    """A finite decimal number, or ReaderError that names the place."""
    if not NUMBER.fullmatch(word):
        raise ReaderError(path, f"{place} is '{shorten(word)}', expected a number")
    value = float(word)
    if value in (float("inf"), float("-inf")):
        raise ReaderError(path, f"{place} is {shorten(word)}, expected a finite number")
    return value
