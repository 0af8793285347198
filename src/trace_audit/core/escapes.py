r"""What a program printed, kept so that no terminal that shows the file obeys it.

Tabs and ends of lines stay. Any other byte that is no printable text is written `\xNN`, and so is a backslash that
begins such a word, so that the bytes that were printed can be had back. Ordinary text stays as it is, byte for byte.
"""

import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from nanobrag_torch.io.reading import open_plain

_PIECE_BYTES = 1 << 20
_NOT_PLAIN = re.compile(rb"[^\t\n -~]|\\x[0-9a-f]{2}")
_TO_SAY = re.compile(r"[^\t\n -~]")
_TO_WRITE = re.compile(r"[^\t\n -~]|\\(?=x[0-9a-f]{2})")
_WRITTEN = re.compile(rb"\\x([0-9a-f]{2})")


def escaped(printed: bytes) -> bytes:
    """The bytes with nothing in them that a terminal obeys."""
    if not _NOT_PLAIN.search(printed):
        return printed
    text = printed.decode("utf-8", "surrogateescape")
    return _TO_WRITE.sub(_shown, text).encode()


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    if char != "\\" and char.isprintable():
        return char
    byte_of_no_text = "\udc80" <= char <= "\udcff"
    return "".join(
        f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape" if byte_of_no_text else "surrogatepass")
    )


class Plain:
    r"""A text stream that writes `\xNN` for what a terminal would obey; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text; returns its length, as a stream does."""
        self._stream.write(_TO_SAY.sub(_shown, text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each text."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def output_plain() -> Iterator[None]:
    """What this process says into files and pipes, such as the log of its job, has nothing that a terminal obeys.

    On a terminal a progress bar moves the cursor; there each message is made plain by itself.
    """
    before = sys.stdout, sys.stderr
    if sys.stdout is sys.__stdout__ and sys.stdout is not None and not sys.stdout.isatty():
        sys.stdout = Plain(sys.stdout)
    if sys.stderr is sys.__stderr__ and sys.stderr is not None and not sys.stderr.isatty():
        sys.stderr = Plain(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def escaped_pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The same of a file of any size."""
    while piece := stream.readline(_PIECE_BYTES):
        while b"\\" in piece[-3:] and (more := stream.read(4)):  # a word must not be cut in two
            piece += more
        yield escaped(piece)


def as_printed(kept: bytes) -> bytes:
    """The bytes that a program printed, from those that `escaped` made of them."""
    return _WRITTEN.sub(lambda match: bytes([int(match[1], 16)]), kept)


@contextmanager
def file_as_printed(kept: Path) -> Iterator[Path]:
    """A file with what a program printed; the kept one where that is the same."""
    with open_plain(kept, math.inf) as stream:
        data = stream.read()
    if not _WRITTEN.search(data):
        yield kept
        return
    import tempfile  # slow to import

    with tempfile.TemporaryDirectory(prefix="printed-") as folder:
        path = Path(folder) / kept.name
        path.write_bytes(as_printed(data))
        yield path
