"""The number of digits that a program prints, from its printed numbers."""

import re
from collections.abc import Mapping, Sequence


def digits(text: str) -> int:
    """Significant digits of a printed number."""
    return len(re.sub(r"[eE].*", "", text).replace(".", "").lstrip("+-0"))


def printing_error(numbers: Mapping[str, Sequence[str]]) -> float:
    """The largest relative error from printing; numbers with nine digits or more count as exact.

    The largest number of digits shows the format; a short number among long ones, such as 5 or 0.25, is exact.
    """
    counts = [digits(text) for row in numbers.values() for text in row if is_number(text)]
    most = max(counts, default=0)
    return 0.5 * 10.0 ** (1 - most) if 3 <= most < 9 else 0.0


def is_number(text: str) -> bool:
    """Whether a word can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
