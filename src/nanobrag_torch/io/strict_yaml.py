"""YAML of the core schema, with bounds: no tags, no dates, no cycles, nothing that grows when it is read.

Keys are text. Plain scalars are null, true, false, decimal integers and floats, or text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

MAX_CHARACTERS = 4_000_000
MAX_VALUES = 1_000_000  # an alias counts as many values as it refers to
MAX_DEPTH = 40
MAX_ALIASES = 1000
MAX_DIGITS = 18  # of an integer; a longer one is a float
_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_OTHER_BASE = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}", re.ASCII)
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
_NAMED = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    spelling: value for value in (True, False) for spelling in (str(value), str(value).lower(), str(value).upper())
}
_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


class YamlError(ValueError):
    """What is wrong, in one line, with the number of the line where that is known."""

    def __init__(self, problem: str, line: int | None = None):
        shown = "".join(char if char.isprintable() else "?" for char in " ".join(problem.split()))
        super().__init__(f"line {line} is not YAML as expected: {shown}" if line else shown)
        self.line = line


def load(text: str, numbers: bool = True) -> Any:
    """The one document in `text`. Without `numbers` numbers stay text. Raises YamlError."""
    import yaml

    if len(text) > MAX_CHARACTERS:
        raise YamlError(f"holds {len(text):,} characters, expected at most {MAX_CHARACTERS:,}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C where PyYAML has it, ten times quicker
    try:
        return _Reader(yaml.parse(text, loader), numbers).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(str(error.problem), mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(str(error)) from None


class _Reader:
    """Values from the parser's events; stops at the first value beyond a limit."""

    def __init__(self, events: Iterator[Any], numbers: bool):
        self._events, self._numbers = events, numbers
        self._anchors: dict[str, tuple[Any, int]] = {}  # value and how many values it is
        self._open: set[str] = set()
        self._values = self._aliases = 0

    def document(self) -> Any:
        value, documents = None, 0
        for event in self._events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    _fail("a second document begins, expected one", event)
                value = self._value(next(self._events), 1)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind, anchor, before = type(event).__name__, event.anchor, self._values
        self._count(1, event)
        if kind == "AliasEvent":
            return self._alias(anchor, event)
        if event.tag is not None or (kind == "ScalarEvent" and event.implicit == (False, False)):
            _fail(f"the tag {(event.tag or '!')[:40]} is not read; write plain values", event)
        if depth > MAX_DEPTH:
            _fail(f"values lie deeper than {MAX_DEPTH} levels", event)
        if kind == "ScalarEvent":
            value = self._scalar(event)
        else:
            if anchor is not None:
                self._open.add(anchor)
            value = self._mapping(depth) if kind == "MappingStartEvent" else self._sequence(depth)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = value, self._values - before
        return value

    def _count(self, values: int, event: Any) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            _fail(f"there are more than {MAX_VALUES:,} values, aliases included", event)

    def _alias(self, name: str, event: Any) -> Any:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            _fail(f"there are more than {MAX_ALIASES:,} aliases", event)
        if name in self._open:
            _fail(f"*{name[:40]} stands in what it names", event)
        if name not in self._anchors:
            _fail(f"*{name[:40]} names nothing before it", event)
        value, values = self._anchors[name]
        self._count(values, event)
        return value

    def _sequence(self, depth: int) -> list[Any]:
        values = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            values.append(self._value(event, depth + 1))
        return values

    def _mapping(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            if type(event).__name__ != "ScalarEvent" or event.tag is not None:
                _fail("a key is no plain word", event)
            key = _text(event)
            if key in values:
                _fail(f"{key[:80]!r} is given twice", event)
            values[key] = self._value(next(self._events), depth + 1)
        return values

    def _scalar(self, event: Any) -> Any:
        text = _text(event)
        if not event.implicit[0]:  # in quotes, or a block
            return text
        if text in _NAMED:
            return _NAMED[text]
        return self._number(text, event) if self._numbers else text

    def _number(self, text: str, event: Any) -> Any:
        if _INTEGER.fullmatch(text) and len(text.lstrip("+-")) <= MAX_DIGITS:
            return int(text)
        if _OTHER_BASE.fullmatch(text):
            return int(text, 0)
        if _SPECIAL.fullmatch(text):
            return float(text.replace(".", ""))
        if _FLOAT.fullmatch(text):
            value = float(text)
            if math.isinf(value):
                _fail(f"the number {text[:20]}... is too large", event)
            return value
        return text


def _text(event: Any) -> str:
    text: str = event.value
    if odd := _UNUSABLE.search(text):
        _fail(f"the text holds the character U+{ord(odd.group()):04X}, which none may", event)
    return text


def _fail(problem: str, event: Any) -> NoReturn:
    raise YamlError(problem, event.start_mark.line + 1)
