"""Binary dump of a box of structure factors.

ASCII `hmin hmax kmin kmax lmin lmax`, newline, form feed, then doubles in native order, l fastest; each direction
has one more plane than indices, filled with zeros.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from nanobrag_torch.io.hkl import MAX_BOX_CELLS, Box
from nanobrag_torch.io.reading import ReaderError, read_bytes
from nanobrag_torch.io.writing import write_whole

_HEADER = re.compile(rb" ".join([rb"([+-]?[0-9]{1,19})"] * 6) + rb"\n\f")
_LARGEST_INDEX = 2**31 - 1


def write_fdump(path: str | Path, box: Box) -> None:
    """Write the dump of a box; raises WriterError."""
    shape = box.F_electrons.shape
    limits = [(low, low + extent - 1) for low, extent in zip(box[1:], shape, strict=True)]
    header = " ".join(f"{low} {high}" for low, high in limits).encode() + b"\n\f"
    padded = np.zeros([extent + 1 for extent in shape], dtype=np.float64)
    padded[:-1, :-1, :-1] = box.F_electrons
    write_whole(path, [header, padded.tobytes()])


def read_fdump(path: str | Path) -> Box:
    """Read the dump of a box. Raises ReaderError for a bad header, a wrong size and numbers that are not finite."""
    data = read_bytes(path)
    header = _HEADER.match(data)
    if header is None:
        raise ReaderError(path, "does not begin with six index limits, newline and form feed, expected an F dump")
    limits = [int(text) for text in header.groups()]
    extents = [high - low + 1 for low, high in zip(limits[::2], limits[1::2], strict=True)]
    far = max(map(abs, limits)) > _LARGEST_INDEX
    if far or min(extents) < 1 or extents[0] * extents[1] * extents[2] > MAX_BOX_CELLS:
        raise ReaderError(path, f"has the index limits {' '.join(map(str, limits))}, expected min and max of h, k, l")
    padded = [extent + 1 for extent in extents]
    expected = 8 * padded[0] * padded[1] * padded[2]
    body = data[header.end() :]
    if len(body) != expected:
        raise ReaderError(path, f"holds {len(body)} bytes after its header, expected {expected}")
    values = np.frombuffer(body, dtype=np.float64).reshape(padded)[:-1, :-1, :-1].copy()
    if not np.isfinite(values).all():
        raise ReaderError(path, "holds amplitudes that are not finite")
    return Box(values, limits[0], limits[2], limits[4])
