"""Splits a command line into flags with checked values. Reads no files and does not need torch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.io.reading import LONGEST_NUMBER, is_ordinary
from nanobragg_tables import Arg, Flag, flags

PROGRAM = "torch"
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT_LIMIT = 2**31 - 1

Value = float | int | str

# flags of other editions of nanoBragg, and of its prose, with what does the same here
_ELSEWHERE = {
    "-precision": "-dtype float32 (single) or -dtype float64 (double)",
    "-thick": "-detector_thick, in um",
    "-hdiv": "-hdivrange, in mrad",
    "-vdiv": "-vdivrange, in mrad",
    "-dispstep": "-dispsteps, a number of wavelengths",
    "-source_distance": "a line of -sourcefile",
    "-source_dist": "a line of -sourcefile",
    "-random_xtal": "-misset random",
    "-gpu": "-device cuda",
}


class UsageError(ExperimentError):
    """The command line, or a file that it names, cannot be used. The message is one line for the user."""


@dataclass(frozen=True)
class Occurrence:
    """A flag of the command line: its row in the table, the spelling used, its values."""

    flag: Flag
    spelling: str
    values: tuple[Value, ...]

    @property
    def name(self) -> str:
        return self.flag.name


@cache
def spellings() -> dict[str, Flag]:
    """Every flag of this program under each of its spellings."""
    return {word: flag for flag in flags() if PROGRAM in flag.programs for word in flag.spellings}


def one_line(text: str, limit: int = 200) -> str:
    """The text as one printable line, cut to `limit` characters, for messages."""
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def is_number(word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None


def split(argv: list[str]) -> list[Occurrence]:
    """The flags of a command line in order, values converted to the types of the table and checked against its ranges.

    Raises UsageError for an unknown flag, an argument without a flag, and a value that is missing, malformed or out of
    range.
    """
    occurrences: list[Occurrence] = []
    position = 0
    while position < len(argv):
        spelling = argv[position]
        flag = spellings().get(spelling)
        if flag is None:
            raise UsageError(_unknown(spelling, occurrences))
        own_values = _values_of(flag, spelling, argv[position + 1 :])
        values = tuple(_convert(spelling, flag, arg, word) for arg, word in zip(flag.args, own_values, strict=False))
        occurrences.append(Occurrence(flag, spelling, values))
        position += 1 + len(own_values)
    return occurrences


def _unknown(word: str, before: list[Occurrence]) -> str:
    shown = one_line(word)
    if not word.startswith("-") or is_number(word):
        where = f" after {before[-1].spelling} and its values" if before else ""
        return f"unexpected word '{shown}'{where}: expected a flag; --help lists them"
    for flag in flags():
        if word in flag.spellings:
            return f"{shown}: a flag of the C program only; leave it out"
    if word in _ELSEWHERE:
        return f"unknown flag {shown}: here it is {_ELSEWHERE[word]}; --help lists all flags"
    from difflib import get_close_matches

    known = {name.lower(): name for name in spellings()}
    close = get_close_matches(word.lower()[:40], known, n=1, cutoff=0.7)
    hint = f"did you mean {known[close[0]]}? " if close else ""
    return f"unknown flag {shown}: {hint}--help lists all flags"


def _values_of(flag: Flag, spelling: str, rest: list[str]) -> list[str]:
    """The tokens after a flag that are its values."""
    if flag.args and flag.args[0].word and rest and _is_stand_in(flag.args[0], rest[0]):
        return rest[:1]
    needed = flag.max_args if flag.args and flag.args[0].word else flag.min_args
    values: list[str] = []
    for arg in flag.args:
        word = rest[len(values)] if len(values) < len(rest) else None
        if len(values) >= needed and (word is None or not is_number(word)):
            break
        if word is None or not _can_be_value(arg, word):
            raise UsageError(_missing(flag, spelling, needed, len(values), word))
        values.append(word)
    return values


def _is_stand_in(arg: Arg, word: str) -> bool:
    """`-misset random`; as in the historic program, any word that contains `rand` is accepted."""
    return arg.word is not None and not word.startswith("-") and arg.word[:4] in word.lower()


def _can_be_value(arg: Arg, word: str) -> bool:
    if arg.type in ("float", "int"):
        return word not in spellings() and (is_number(word) or not word.startswith("-") or word.lower() == "-inf")
    return not word.startswith("-")


def _missing(flag: Flag, spelling: str, needed: int, present: int, word: str | None) -> str:
    names = " ".join(arg.name for arg in flag.args[:needed])
    unit = f" in {flag.unit}" if flag.unit else ""
    after = "at the end of the line" if word is None else f"before '{one_line(word)}'"
    count = "a value" if needed == 1 else f"{needed} values"
    had = f", {present} given" if present else ""
    hint = ""
    if word is not None and flag.args[present].type == "file" and word not in spellings():
        hint = f"; a file of that name is written ./{one_line(word)}"
    return f"{spelling}: expected {count} ({names}{unit}){had} {after}{hint}"


def _convert(spelling: str, flag: Flag, arg: Arg, word: str) -> Value:
    if arg.type == "file":
        if not word or "\0" in word:
            raise UsageError(f"{spelling}: expected the name of a file, got '{one_line(word)}'")
        return word
    if arg.type == "word":
        return _choice(spelling, arg, word)
    if _is_stand_in(arg, word):
        return arg.word or ""
    value = _number(spelling, flag, arg, word)
    if arg.range is not None and not arg.range.contains(value):
        raise UsageError(f"{_value_name(spelling, flag, arg)} is {word}, expected {_expected(flag, arg)}")
    return value


def _number(spelling: str, flag: Flag, arg: Arg, word: str) -> float | int:
    if arg.type == "int":
        if not _WHOLE_NUMBER.fullmatch(word):
            raise UsageError(f"{_value_name(spelling, flag, arg)} is '{one_line(word)}', expected a whole number")
        if len(word) > 20 or abs(int(word)) > _INT_LIMIT:
            raise UsageError(
                f"{_value_name(spelling, flag, arg)} is {one_line(word)}, expected {_INT_LIMIT} at most in size"
            )
        return int(word)
    if arg.range is not None and arg.range.infinite and word in ("inf", "+inf", "infinity"):
        return math.inf
    if len(word) > LONGEST_NUMBER or not is_number(word):
        raise UsageError(f"{_value_name(spelling, flag, arg)} is '{one_line(word)}', expected a number{_in_unit(flag)}")
    value = float(word)
    if not is_ordinary(value):
        expected = f"expected a number of ordinary size{_in_unit(flag)}"
        raise UsageError(f"{_value_name(spelling, flag, arg)} is {one_line(word)}, {expected}")
    return value


def _choice(spelling: str, arg: Arg, word: str) -> str:
    if not arg.choices:
        return word
    for choice in arg.choices:
        if choice in word.lower():
            return choice
    raise UsageError(f"{spelling} is '{one_line(word)}', expected {' or '.join(arg.choices)}")


def _in_unit(flag: Flag) -> str:
    return f" ({flag.unit})" if flag.unit else ""


def _value_name(spelling: str, flag: Flag, arg: Arg) -> str:
    return spelling if flag.max_args == 1 else f"{spelling}: {arg.name}"


def _expected(flag: Flag, arg: Arg) -> str:
    return f"{arg.range.describe() if arg.range else 'a number'}{_in_unit(flag)}"
