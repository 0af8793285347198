"""Markdown tables with escaped cells."""

from collections.abc import Iterable, Sequence

from trace_audit.core.files import printable


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; text in cells is escaped."""
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def cell(value: object) -> str:
    """Text for a Markdown table cell: markup, HTML and terminal commands are escaped."""
    text = format(value, ".15g") if isinstance(value, float) else str(value)
    for character in "\\`*<[]|":
        text = text.replace(character, "\\" + character)
    return printable(" ".join(text.split()))
