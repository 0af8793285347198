"""Pages of reference that are made from code, or list what code has."""

import re

import yaml

import nanobrag_torch
from nanobragg_tables.__main__ import REPOSITORY
from trace_audit.config.settings_document import settings_document, undescribed


def test_page_of_the_config_is_fresh():
    assert (REPOSITORY / "docs/config.md").read_text() == settings_document(), "run python -m trace_audit schema"


def test_every_key_of_the_config_has_a_meaning():
    assert undescribed() == []


def test_page_of_the_interface_has_every_public_name():
    text = (REPOSITORY / "docs/api.md").read_text()
    listed = re.findall(r"^::: nanobrag_torch\.(\w+)$", text, re.MULTILINE)
    assert sorted([*listed, "__version__"]) == sorted(nanobrag_torch.__all__)
    assert "nanobrag_torch.__version__" in text


def test_page_of_commands_has_every_target_of_make():
    text = (REPOSITORY / "docs/commands.md").read_text()
    phony = re.search(r"^\.PHONY: (.*)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert [target for target in phony if target not in ("help", "compiler") and f"`make {target}" not in text] == []


def test_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) < 150


def test_every_page_is_in_the_navigation():
    text = re.sub(r"!!python/name:\S+", "''", (REPOSITORY / "mkdocs.yml").read_text())
    listed = re.findall(r"'([\w/]+\.(?:md|py))'", repr(yaml.safe_load(text)["nav"]))
    pages = [*(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "docs/notebooks").glob("*.py")]
    assert sorted(listed) == sorted(path.relative_to(REPOSITORY / "docs").as_posix() for path in pages)


def test_pictures_are_small_and_made_by_a_rule():
    rules = (REPOSITORY / "workflow/rules/pictures.smk").read_text()
    pictures = [path for path in (REPOSITORY / "docs/pictures").iterdir() if path.suffix in (".png", ".svg", ".webp")]
    assert len(pictures) >= 3
    for path in pictures:
        assert path.stat().st_size < 150_000
        assert f'"docs/pictures/{path.name}"' in rules
