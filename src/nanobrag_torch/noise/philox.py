"""Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror & Shaw (2011), on torch's 64-bit integers.

A block of four 32-bit words is a function of four words of counter and two of key: there is no state between draws.

(N1)  one round: (hi0, lo0) = 0xD2511F53 c0,  (hi1, lo1) = 0xCD9E8D57 c2,
        c <- (hi1 ^ c1 ^ k0, lo1, hi0 ^ c3 ^ k1, lo0); the key grows by (0x9E3779B9, 0xBB67AE85) between rounds, of
        which there are ten
(N2)  u = (2^20 w0 + floor(w1 / 2^12) + 1/2) / 2^52, which is never 0 nor 1
"""

from __future__ import annotations

import torch

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_32_BITS = 0xFFFFFFFF

Words = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """The block of a counter (N1): words are int64 tensors that broadcast, each in 0 .. 2^32 - 1."""
    c0, c1, c2, c3 = counter
    for number in range(_ROUNDS):
        k0, k1 = ((word + number * step) & _32_BITS for word, step in zip(key, _WEYL, strict=True))
        (high0, low0), (high1, low1) = _product(c0, _MULTIPLIERS[0]), _product(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
    return c0, c1, c2, c3


def _product(word: torch.Tensor, multiplier: int) -> tuple[torch.Tensor, torch.Tensor]:
    """High and low word of the 64-bit product; by halves of the multiplier, so that no sum leaves 63 bits."""
    upper, lower = word * (multiplier >> 16), word * (multiplier & 0xFFFF)
    middle = upper + (lower >> 16)
    return middle >> 16, ((middle & 0xFFFF) << 16) | (lower & 0xFFFF)


def uniform(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """A deviate of two words, float64, strictly between 0 and 1 (N2)."""
    return (((first << 20) | (second >> 12)).double() + 0.5) * 2.0**-52
