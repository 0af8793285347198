"""Every file, folder and link in the documents exists, and the map of the architecture has every room."""

import re
from pathlib import Path

import pytest

from nanobragg_tables.__main__ import REPOSITORY
from tests.docs.code_blocks import documents

FOLDERS = ("src", "tests", "workflow", "config", "docs", "envs", "examples", "profiles")
ARCHITECTURE = REPOSITORY / "docs/architecture.md"
EVERY_DOCUMENT = pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(REPOSITORY).as_posix())


def paths_in(document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"`((?:{'|'.join(FOLDERS)})(?:/[\w./-]+)?)`", text)


@EVERY_DOCUMENT
def test_paths_exist(path):
    assert [name for name in paths_in(path) if not (REPOSITORY / name).exists()] == []


@EVERY_DOCUMENT
def test_links_exist(path):
    """`make docs` checks links to headings. Pages of docs link only to pages of docs, because the site has nothing
    else.
    """
    links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []
    docs = REPOSITORY / "docs"
    if path.is_relative_to(docs):
        assert [link for link in links if not (path.parent / link).resolve().is_relative_to(docs)] == []


def test_every_room_is_on_the_map():
    paths = set(paths_in(ARCHITECTURE))
    assert len(paths) > 100
    for package in ("nanobragg_c", "nanobrag_torch", "trace_audit"):
        folders = [path for path in sorted((REPOSITORY / "src" / package).iterdir()) if path.is_dir()]
        rooms = {folder.name for folder in folders if any(folder.glob("*.[cp]*")) and folder.name != "__pycache__"}
        assert {room for room in rooms if f"src/{package}/{room}" not in paths} == set()
    rules = {path.name for path in (REPOSITORY / "workflow/rules").glob("*.smk")}
    assert {name for name in rules if f"workflow/rules/{name}" not in paths} == set()


def test_glossary_is_sorted():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    terms = re.findall(r"^\| ([^|]+?) \|", text[text.index("## Glossary") :], re.MULTILINE)[2:]
    assert len(terms) > 30
    assert terms == sorted(terms, key=str.lower)
