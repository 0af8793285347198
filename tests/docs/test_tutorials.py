"""The tutorials as a reader types them, page after page, in a folder that looks like the checkout.

Commands of make run in the checkout itself, whose set-up they need. A `text` block right behind a command is what that
command prints; its numbers are compared to two digits.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from nanobragg_tables.__main__ import REPOSITORY
from tests.docs.code_blocks import Block, blocks_of

pytestmark = pytest.mark.skipif(not os.environ.get("NB_DOCS_CHECK"), reason="some minutes: make docs-check")
PAGES = ("first_audit", "read_a_failure", "audit_your_port", "fit_a_cell_edge", "campaign")
PYTHON_ALONE = {"simulate"}  # run by test_code_blocks
PRELUDE = f"""set -euo pipefail
make() {{ command make -C '{REPOSITORY}' "$@"; }}
set +u; source .venv/bin/activate; set -u
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("tutorials")
    for path in REPOSITORY.iterdir():
        if path.name not in ("mine", ".git"):
            (made / path.name).symlink_to(path)
    return made


def plain(text: str) -> str:
    """The text in one line, its numbers to two digits."""
    rounded = re.sub(r"\d+\.\d+(?:e[-+]\d+)?", lambda match: f"{float(match[0]):.1e}", text)
    return " ".join(rounded.split())


def type_in(folder: Path, block: Block) -> None:
    own = str(folder / "mine")
    if block.title:
        path = folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text.replace("/path/to/mine", own))
    elif block.language in ("sh", "python"):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "NB_"))}
        command = (
            ["bash", "-c", PRELUDE + block.text] if block.language == "sh" else ["bash", "-c", PRELUDE + "python -"]
        )
        stdin = None if block.language == "sh" else block.text
        done = subprocess.run(
            command, cwd=folder, env=environment, input=stdin, text=True, capture_output=True, check=False
        )
        assert done.returncode == block.exit_code, f"{block}\n{done.stdout}{done.stderr}"
        assert plain(block.output) in plain(done.stdout), f"{block}\n{done.stdout}"


@pytest.mark.parametrize("name", PAGES)
def test_tutorial(folder, name):
    blocks = blocks_of(REPOSITORY / f"docs/tutorial/{name}.md")
    assert len(blocks) > 2
    for block in blocks:
        type_in(folder, block)


def test_every_tutorial_is_tried():
    assert {path.stem for path in (REPOSITORY / "docs/tutorial").glob("*.md")} == {*PAGES, *PYTHON_ALONE}


def test_frames_are_read_as_the_page_on_campaigns_says(folder):
    (block,) = [block for block in blocks_of(REPOSITORY / "docs/scaling.md") if block.language == "python"]
    text = block.text.replace("results/campaign/demo", "mine/frames/results/campaign/few").replace("617", "7")
    command = ["bash", "-c", PRELUDE + "python -"]
    done = subprocess.run(command, cwd=folder, input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
