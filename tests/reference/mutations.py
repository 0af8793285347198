"""Damaged copies of a file: bytes changed, cut out, repeated, or replaced by awkward words."""

from collections.abc import Iterator

import numpy as np

AWKWARD = [b"nan", b"inf", b"1e999", b"-", b"+", b"1e", b"0x1", b"99999999999999999999", b"-1", b"0", b"1e300"]
AWKWARD += [b"1e-320", b"\0", b"\xff\xfe", b"#", b";", b"=", b"\n", b"{", b"}", b"%s%n", b" " * 300, b"7" * 300]


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(content) + 1))
    length = int(rng.integers(1, 20))
    word = AWKWARD[rng.integers(len(AWKWARD))]
    choices = [
        content[:place] + content[place + length :],
        content[:place] + word + content[place:],
        content[:place] + word + content[place + length :],
        content[:place] + bytes([int(rng.integers(256))]) + content[place + 1 :],
        content[:place] + content[max(0, place - length) :],
        content[:place],
    ]
    return choices[rng.integers(len(choices))]


def damaged(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """`count` damaged copies, the same for the same seed; each has one to three faults."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        copy = content
        for _ in range(int(rng.integers(1, 4))):
            copy = damage(copy, rng)
        yield copy
