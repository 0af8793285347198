"""Reads many numbers of a text at once, each with the value that `float` gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# An integer of so many digits is exact in double precision, and so is the power of ten it is divided by; one division
# of exact numbers is rounded once, as `float` rounds.
_MOST_DIGITS = 15
_POWERS_OF_TEN = 10.0 ** np.arange(_MOST_DIGITS + 1)
_BLOCK_WORDS = 1 << 13  # so few that memory for them is at hand and stays in a core's cache
_LINE_END, _PLUS, _MINUS, _POINT, _ZERO = b"\n+-.0"


class Words(NamedTuple):
    """Start and end of each word of a text, and the number of words on each line that is not empty."""

    text: np.ndarray  # (bytes,) uint8
    first: np.ndarray  # (words,) position of the first byte
    length: np.ndarray  # (words,)
    in_line: np.ndarray  # (lines with a word,)


def find_words(text: bytes) -> Words:
    """The words of an ASCII text, separated by blanks and control characters."""
    padded = np.frombuffer(b" " + text + b"\n", dtype=np.uint8)
    blank = padded <= ord(" ")
    edges = np.flatnonzero(blank[1:] != blank[:-1])
    edges += 1
    first, end = edges[::2], edges[1::2]
    line_ends = np.flatnonzero(padded == _LINE_END)
    in_line = np.diff(np.searchsorted(first, line_ends), prepend=0)
    return Words(padded, first, end - first, in_line[in_line > 0])


def numbers(words: Words) -> np.ndarray:
    """The words (n,) as float64. Raises ValueError for a word that `float` does not accept."""
    plain = _plain_decimals(words)
    if plain is not None:
        return plain
    split = words.text.tobytes().split()
    return np.fromiter(map(float, split), dtype=np.float64, count=len(split))


def _plain_decimals(words: Words) -> np.ndarray | None:
    """The words as float64; None if one of them has many digits, an exponent, or is not a number."""
    text, first, length, _ = words
    if not first.size or length.max() > _MOST_DIGITS + 1:  # a point and digits, or a sign and digits
        return None
    values = np.empty(first.size)
    for start in range(0, first.size, _BLOCK_WORDS):
        block = slice(start, start + _BLOCK_WORDS)
        part = _block_of_decimals(text, first[block], length[block])
        if part is None:
            return None
        values[block] = part
    return values


def _block_of_decimals(text: np.ndarray, first: np.ndarray, length: np.ndarray) -> np.ndarray | None:
    """As `_plain_decimals`, for a block of words, all of them short."""
    mantissa = np.zeros(first.size, dtype=np.int64)
    digits, decimals = np.zeros((2, first.size), dtype=np.int8)
    pointed = np.zeros(first.size, dtype=bool)
    for column in range(int(length.max())):
        inside = length > column
        byte = text[np.minimum(first + column, text.size - 1)]
        digit = byte - np.uint8(_ZERO)  # wraps round for what is none
        is_digit, is_point = inside & (digit < 10), inside & (byte == _POINT)
        odd = inside & ~is_digit & ~(is_point & ~pointed)
        if column == 0:
            odd &= (byte != _PLUS) & (byte != _MINUS)
        if odd.any():
            return None
        mantissa = np.where(is_digit, mantissa * 10 + digit, mantissa)
        digits += is_digit
        decimals += is_digit & pointed
        pointed |= is_point
    if digits.min() < 1 or digits.max() > _MOST_DIGITS:
        return None
    values = mantissa / _POWERS_OF_TEN[decimals]
    return np.where(text[first] == _MINUS, -values, values)
