"""The drawings of docs/physics.md are those that their script makes."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from nanobragg_tables.__main__ import REPOSITORY

FOLDER = REPOSITORY / "docs" / "drawings"
PINNED = next(
    line.split("==")[1].split()[0]
    for line in (REPOSITORY / "envs/requirements.txt").read_text().splitlines()
    if line.startswith("matplotlib==")
)


@pytest.mark.skipif(version("matplotlib") != PINNED, reason=f"drawings have the bytes of matplotlib {PINNED}")
def test_script_makes_the_drawings(tmp_path):
    subprocess.run([sys.executable, FOLDER / "frames.py", tmp_path], check=True, cwd=tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in FOLDER.glob("*.svg")}
    assert len(made) == 7
    assert sorted(made) == sorted(kept)
    assert [name for name in made if made[name] != kept[name]] == [], "run python docs/drawings/frames.py"
