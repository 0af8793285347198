"""Input files of random command lines, as bytes: made from formulas, so that no file has to be kept."""

import math
from functools import cache
from random import Random

import numpy as np

MATRIX = ((0.0193, -0.0041, 0.0052), (0.0037, 0.0166, -0.0029), (-0.0048, 0.0025, 0.0139))  # 1/A times 1 A


def matrix() -> bytes:
    return "\n".join(" ".join(map(repr, row)) for row in MATRIX).encode() + b"\n"


def _amplitude(h: int, k: int, l: int) -> float:
    return 50.0 + 30.0 * math.sin(1.3 * h + 2.1 * k + 0.7 * l)


@cache
def dense_reflections() -> bytes:
    """Every reflection of a box, after a comment."""
    box = range(-12, 13)
    return (
        b"# h k l F\n"
        + "".join(f"{h} {k} {l} {_amplitude(h, k, l):.3f}\n" for h in box for k in box for l in box).encode()
    )


@cache
def sparse_reflections() -> bytes:
    """One in three of a larger box, in no order, some of them listed twice."""
    random = Random(5)
    box = range(-20, 21)
    rows = [(h, k, l) for h in box for k in box for l in box if random.random() < 0.33]
    rows += random.sample(rows, 50)
    random.shuffle(rows)
    return "".join(f"{h} {k} {l} {abs(_amplitude(h, k, l)) * random.uniform(0, 2):.4f}\n" for h, k, l in rows).encode()


@cache
def dump() -> bytes:
    """A binary dump of amplitudes for -6..6 cubed, with the plane of zeros at the end of each index."""
    values = np.zeros((14, 14, 14))
    for h, k, l in np.ndindex(13, 13, 13):
        values[h, k, l] = _amplitude(h - 6, k - 6, l - 6)
    return b"-6 6 -6 6 -6 6\n\x0c" + values.tobytes()


def sources(random: Random, beam: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> bytes:
    """Sources near -10 `beam`, with two to five columns and all kinds of separators."""
    lines = []
    for _ in range(random.randrange(1, 5)):
        position = [-10.0 * b + random.uniform(-0.05, 0.05) for b in beam]
        row = [*(f"{x:.5f}" for x in position), f"{random.uniform(0.2, 3):.2f}", f"{random.uniform(0.8, 1.3):.4f}e-10"]
        lines.append(random.choice([" ", "\t", ", ", "; ", ":", " ! "]).join(row[: random.randrange(3, 6)]))
    return ("\n\n".join(lines) + "\n").encode()


def scattering_table() -> bytes:
    return b"0 2.57\n0.1 2.4\n0.25 1.1\n"


def smv(pixels: np.ndarray, keys: dict[str, float]) -> bytes:
    """An SMV image of `pixels` (slow, fast), 16 bit, with further header keys."""
    n_slow, n_fast = pixels.shape
    header = f"{{\nHEADER_BYTES=1024;\nDIM=2;\nBYTE_ORDER=little_endian;\nSIZE1={n_fast};\nSIZE2={n_slow};\n"
    header += "".join(f"{key}={value:.6g};\n" for key, value in keys.items())
    return (header + "}\f").encode().ljust(1024) + pixels.astype("<u2").tobytes()


def header_keys(random: Random, pixel_mm: float, n_fast: int) -> dict[str, float]:
    """Some of the keys that a header can set."""
    size_mm = pixel_mm * n_fast
    every = {
        "PIXEL_SIZE": pixel_mm,
        "DISTANCE": random.uniform(40, 150),
        "CLOSE_DISTANCE": random.uniform(40, 150),
        "WAVELENGTH": random.uniform(0.7, 1.5),
        "BEAM_CENTER_X": random.uniform(0, size_mm),
        "BEAM_CENTER_Y": random.uniform(0, size_mm),
        "XDS_ORGX": random.uniform(0, n_fast),
        "XDS_ORGY": random.uniform(0, n_fast),
        "PHI": random.uniform(-3, 3),
        "OSC_RANGE": random.uniform(0, 2),
        "TWOTHETA": 30.0,
    }
    return {key: value for key, value in every.items() if random.random() < 0.4}


def mask(random: Random, n_fast: int, n_slow: int) -> np.ndarray:
    """0 for one pixel in five, otherwise 1 or more."""
    numbers = np.random.default_rng(random.randrange(1 << 30))
    return numbers.choice([0, 1, 1, 1, 700], size=(n_slow, n_fast))
