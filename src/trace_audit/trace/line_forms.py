"""Which lines of a program's output are trace lines, and the names and values on them.

A line counts if it begins with `TRACE_C`, `TRACE_PY` or a prefix of the key file and continues as `key value ...`,
`key=value ...` or `key: value ...`, or if it is a JSON object with `key` and `value`, or with names of keys. A logger's
time and level may stand before the prefix of a key that is known. Terminal colours are removed.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from trace_audit.trace.json_lines import json_pairs
from trace_audit.trace.key_names import KeyNames

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]")
_OWN = re.compile(r"TRACE_(?:C|PY)(_PHI)?\s*(?::|\s)\s*(.*)", re.DOTALL | re.ASCII)
_ANY = re.compile(  # other prefixes, and any after what a logger puts before it
    r"(?:^|(?<=[\s\]:>|)]))\W{0,2}TRACE(?:_[A-Za-z0-9]+)*\W{0,2}\s*:?\s+(.*)", re.DOTALL | re.ASCII
)
_NAME = re.compile(r"([A-Za-z_][\w.]*)\s*(?:[:=]\s*|\s+|$)(.*)", re.DOTALL | re.ASCII)
_BEFORE_A_PREFIX = tuple(" \t]:>|)")


def plain_text(raw: bytes) -> str:
    """A printed line as text, without terminal colours and surrounding blanks."""
    return _ANSI.sub("", raw.decode("utf-8", errors="replace")).strip("\ufeff \t\r\n\f\v\x00")


@dataclass(frozen=True)
class LineForms:
    """The forms of a program's lines. `is_known`: whether a name is one of `keys`, or the key file says that it is."""

    names: KeyNames
    keys: Collection[str]
    is_known: Callable[[str], bool]

    @cached_property
    def _in_json(self) -> frozenset[str]:
        """Names that count in a JSON object without `key`."""
        return frozenset((*self.keys, *self.names.names, *self.names.own))

    def pairs_of(self, line: str) -> Iterator[tuple[str, str]]:
        """(name, value text) of every key on a line; empty for any other line."""
        if line.startswith("{"):
            yield from json_pairs(line, self._in_json)
            return
        own = _OWN.match(line)
        if own is not None:
            if own[1]:
                yield "TRACE_PHI", own[2]
                return
            body: str | None = own[2]
        else:
            body = next((line[len(p) :].lstrip(" :") for p in self.names.prefixes if line.startswith(p)), None)
            body = self._of_another_prefix(line) if body is None else body
            body = self._after_a_logger(line) if body is None else body
        match = None if body is None else _NAME.match(body.strip())
        if match is not None:
            yield match[1], match[2].strip()

    def _of_another_prefix(self, line: str) -> str | None:
        """The text after `TRACE_JAX:`, `[TRACE]` and similar prefixes, if it begins with the name of a key."""
        prefixed = _ANY.search(line)
        return prefixed[1] if prefixed and self._is_named(prefixed[1]) else None

    def _after_a_logger(self, line: str) -> str | None:
        """The text after a prefix of the key file within the line, if it begins with the name of a key."""
        for prefix in filter(None, self.names.prefixes):
            before, found, after = line.partition(prefix)
            if found and before[-1:] in _BEFORE_A_PREFIX and self._is_named(after.lstrip(" :")):
                return after.lstrip(" :")
        return None

    def _is_named(self, body: str) -> bool:
        """Whether a text begins with the name of a key that is known."""
        match = _NAME.match(body.strip())
        return match is not None and (self.is_known(match[1]) or match[1] in self.names.own)
