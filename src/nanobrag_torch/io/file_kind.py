"""The kind of a file of structure factors, from its content: compressed or not, whatever suffix its name has."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

from nanobrag_torch.io.reading import MAX_TEXT_BYTES, ReaderError, read_bytes

Kind = Literal["text", "mtz", "cif", "pdb"]
_BEGINNING = 65536
_PDB_RECORD = re.compile(rb"^(HEADER|CRYST1|TITLE |REMARK|MODEL |ATOM  |HETATM|COMPND|EXPDTA|HET   )", re.MULTILINE)
_CIF_START = re.compile(rb"\A(\xef\xbb\xbf)?(\s|#[^\n]*\n)*data_", re.IGNORECASE)
_SUFFIXES: dict[str, Kind] = {".mtz": "mtz", ".pdb": "pdb", ".cif": "cif", ".mmcif": "cif"}
# formats that cannot be read here, by their first bytes: what each is, and how to convert it
_OTHERS = {
    b"!FORMAT=XDS_ASCII": "is a file of XDS (XDS_ASCII), expected merged data: convert it with XDSCONV or AIMLESS",
    b"\x89HDF": "is an HDF5 file, expected structure factors as text, MTZ, mmCIF or PDB",
    b"PK\x03\x04": "is a ZIP archive, expected the file that is in it",
    b"BZh": "is compressed with bzip2, expected it as it was or compressed with gzip",
    b"\xfd7zXZ": "is compressed with xz, expected it as it was or compressed with gzip",
}


class Content(NamedTuple):
    """The bytes of a file, decompressed, and what they are."""

    path: str | Path
    data: bytes
    kind: Kind

    def text(self) -> str:
        """Raises ReaderError when the file holds bytes that no text has."""
        if b"\0" in self.data:
            raise ReaderError(self.path, "is not text (it holds zero bytes)")
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return self.data.decode("latin-1")


def load(path: str | Path) -> Content:
    """Read and, where it is compressed with gzip, decompress a file. Raises ReaderError."""
    data = read_bytes(path)
    if data.startswith(b"\x1f\x8b"):
        data = _decompressed(path, data)
    for start, problem in _OTHERS.items():
        if data.startswith(start):
            raise ReaderError(path, problem)
    return Content(path, data, _kind(path, data))


def _decompressed(path: str | Path, data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(MAX_TEXT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ReaderError(path, f"cannot be decompressed ({error}), expected a whole gzip file") from None
    if len(plain) > MAX_TEXT_BYTES:
        raise ReaderError(path, f"is larger than {MAX_TEXT_BYTES} bytes when decompressed")
    return plain


def _kind(path: str | Path, data: bytes) -> Kind:
    start = data[:_BEGINNING]
    if start.startswith(b"MTZ "):
        return "mtz"
    if _CIF_START.match(start):
        return "cif"
    if _PDB_RECORD.search(start) and b"\0" not in start:
        return "pdb"
    name = Path(path).name.lower().removesuffix(".gz")
    return _SUFFIXES.get(Path(name).suffix, "text")
