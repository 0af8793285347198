"""Orientations as missetting angles: seeded and uniform over all rotations, or from a file."""

from pathlib import Path

import numpy as np

from trace_audit.core.errors import InputError

ANGLE_DECIMALS = 9  # degrees: 2e-11 rad, so that the last bits of a machine's sine do not reach the plan
_BITS = 2.0**-53


def uniform_deviates(seed: int, first: int, count: int) -> np.ndarray:
    """Four numbers in [0, 1) for each of the items first .. first + count - 1, shape (count, 4).

    Item i has block i of the counter-based generator Philox with the key `seed`: it depends on nothing else.
    """
    generator = np.random.Philox(key=seed, counter=[first, 0, 0, 0])
    return (generator.random_raw(4 * count).reshape(count, 4) >> np.uint64(11)) * _BITS


def random_misset_deg(seed: int, first: int, count: int) -> np.ndarray:
    """Missetting angles (count, 3) in degrees of rotations that are uniform over SO(3).

    A uniform unit quaternion from three deviates (Shoemake, Graphics Gems III, 1992), as angles about lab x, then y,
    then z.
    """
    u = uniform_deviates(seed, first, count)
    a, b = 2 * np.pi * u[:, 1], 2 * np.pi * u[:, 2]
    near, far = np.sqrt(1 - u[:, 0]), np.sqrt(u[:, 0])
    x, y, z, w = near * np.sin(a), near * np.cos(a), far * np.sin(b), far * np.cos(b)
    r20, r21, r22 = 2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)
    r10, r00 = 2 * (x * y + z * w), 1 - 2 * (y * y + z * z)
    angles = np.stack([np.arctan2(r21, r22), np.arctan2(-r20, np.hypot(r21, r22)), np.arctan2(r10, r00)], axis=1)
    rounded: np.ndarray = np.round(np.degrees(angles), ANGLE_DECIMALS) + 0.0
    return rounded


def misset_from_file(path: Path) -> np.ndarray:
    """Missetting angles (n, 3) in degrees: a text file of three columns (# begins a comment), or an array NAME.npy.

    Raises InputError naming the line that is not three finite numbers.
    """
    if Path(path).suffix == ".npy":
        return _from_array(Path(path))
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"orientations.file {path}: {getattr(error, 'strerror', error)}; give a text file") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        texts = line.partition("#")[0].split()
        if not texts:
            continue
        try:
            row = [float(text) for text in texts]
        except ValueError:
            row = []
        if len(row) != 3 or not all(abs(angle) <= 3600 for angle in row):
            raise InputError(
                f"orientations.file {path}: line {number} is {line.strip()[:80]!r}, expected three angles in degrees, "
                "about x, y and z"
            )
        rows.append(row)
    if not rows:
        raise InputError(f"orientations.file {path}: no line with three angles; give at least one")
    return np.array(rows)


def _from_array(path: Path) -> np.ndarray:
    """The array in a .npy file, mapped and not read. Raises InputError if it is none of three columns."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"orientations.file {path}: {' '.join(str(error).split())[:200]}; give a .npy file") from None
    if array.ndim != 2 or array.shape[1] != 3 or not len(array) or array.dtype.kind != "f":
        raise InputError(
            f"orientations.file {path}: an array of {array.dtype} {array.shape}, expected floats (n, 3): degrees"
        )
    return array


def rotation_matrices(misset_deg: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) about lab x, then y, then z by angles (n, 3) in degrees, for column vectors."""
    c, s = np.cos(np.radians(misset_deg)).T, np.sin(np.radians(misset_deg)).T
    rows = [
        [c[2] * c[1], c[2] * s[1] * s[0] - s[2] * c[0], c[2] * s[1] * c[0] + s[2] * s[0]],
        [s[2] * c[1], s[2] * s[1] * s[0] + c[2] * c[0], s[2] * s[1] * c[0] - c[2] * s[0]],
        [-s[1], c[1] * s[0], c[1] * c[0]],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
