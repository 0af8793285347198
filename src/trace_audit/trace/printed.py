"""What a program's printed numbers show: how many digits it prints, and the type that it computes in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trace_audit.trace.keys import registry

EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-8, "float16": 2.0**-10}
FEWEST = 4
_SHARE_OF_SINGLES = 0.9


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


@dataclass(frozen=True)
class Precision:
    """What the printed numbers show: the type that they are in, and how many digits they were printed with."""

    name: str
    numbers: int  # how many of them could tell
    shortest_digits: int
    singles: int = 0  # how many of those that could tell are float32 numbers

    @property
    def in_words(self) -> str:
        """The types of the numbers, as a report says it."""
        return "float64 and float32" if self.name == "float64" and self.singles >= FEWEST else self.name

    @property
    def eps(self) -> float:
        """One unit in the last place, relative."""
        return EPS[self.name]


def detect(numbers: Mapping[str, Sequence[str]]) -> Precision:
    """The precision of a log from the texts of its numbers: float32 if nearly all of them are float32 numbers.

    Too few numbers show nothing; the program then counts as one that computes in float64.
    """
    texts = [t for name, row in numbers.items() if tells(name) for t in row]
    telling = [text for text in texts if digits(text) >= 9]
    singles = sum(is_single(text) for text in telling)
    nearly_all = len(telling) >= FEWEST and singles >= _SHARE_OF_SINGLES * len(telling)
    name = "float32" if nearly_all else "float64"
    return Precision(name, len(telling), min(map(digits, telling), default=0), singles)


def tells(name: str) -> bool:
    """Whether the numbers of a key are in the type that the program computes in; an image is float32 always."""
    return registry()[name].kind not in ("word", "integer") and name != "floatimage_accumulated"


def is_single(text: str) -> bool:
    """Whether a printed number is a float32 number, to the digits that are printed."""
    value = float(text)
    with np.errstate(over="ignore"):
        nearest = float(np.float32(value))
    return bool(nearest == value or abs(nearest - value) <= 0.5 * 10.0 ** (1 - digits(text)) * abs(value) * 1.001)
