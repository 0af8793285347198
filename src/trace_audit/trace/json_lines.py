"""Keys and values of a printed line that is JSON."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator

_DEEPEST_LIST = 8


def json_pairs(line: str, known: Container[str]) -> Iterator[tuple[str, str]]:
    """Names and values, as text, of an object {"key": name, "value": value}, or of {name: value} with known names."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    pairs = {document["key"]: document["value"]} if {"key", "value"} <= document.keys() else document
    for name, value in pairs.items():
        if isinstance(name, str) and (name in known or "key" in document):
            yield name, _flat(value)


def _flat(value: object, depth: int = 0) -> str:
    """The numbers of a nested list in order, as text."""
    if isinstance(value, list):
        return "..." if depth >= _DEEPEST_LIST else " ".join(_flat(item, depth + 1) for item in value[:64])
    return "{...}" if isinstance(value, dict) else str(value)
