"""Damaged copies of a file: bytes changed, cut out, repeated, or replaced by awkward words."""

from collections.abc import Iterator

import numpy as np

AWKWARD = [b"nan", b"inf", b"1e999", b"-", b"+", b"1e", b"0x1", b"99999999999999999999", b"-1", b"0", b"1e300"]
AWKWARD += [b"1e-320", b"\0", b"\xff\xfe", b"#", b";", b"=", b"\n", b"{", b"}", b"%s%n", b" " * 300, b"7" * 300]


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    position = int(rng.integers(0, len(content) + 1))
    length = int(rng.integers(1, 20))
    token = AWKWARD[rng.integers(len(AWKWARD))]
    choices = [
        content[:position] + content[position + length :],
        content[:position] + token + content[position:],
        content[:position] + token + content[position + length :],
        content[:position] + bytes([int(rng.integers(256))]) + content[position + 1 :],
        content[:position] + content[max(0, position - length) :],
        content[:position],
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
