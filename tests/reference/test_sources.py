"""The C sources: functions are short, includes name their room, and the room `base` uses no other."""

import re

import pytest

from tests.c_program import SOURCES

FILES = sorted(path for path in SOURCES.rglob("*.[ch]"))
ROOMS = {"base", "cli", "io", "physics", "trace"}
MOST_LINES = 45


def functions(text: str) -> list[tuple[str, int]]:
    """First line and number of lines of each function."""
    functions, start, lines = [], None, text.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"^[a-z_].*\) \{$", line):
            start = number
        elif line == "}" and start is not None:
            functions.append((lines[start], number - start + 1))
            start = None
    return functions


def test_functions_are_short():
    lengths = {(path.name, name): length for path in FILES for name, length in functions(path.read_text())}
    assert len(lengths) > 150
    assert {function: length for function, length in lengths.items() if length > MOST_LINES} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_includes_name_an_existing_room(path):
    included = re.findall(r'^#include "(.*)"$', path.read_text(), re.MULTILINE)
    assert path.parent.name in ROOMS
    assert [name for name in included if not (SOURCES / name).is_file()] == []
    if path.parent.name == "base":
        assert {name.split("/")[0] for name in included} <= {"base"}


def test_file_names_are_unique():
    names = [path.name for path in FILES]
    assert len(names) == len(set(names))
