"""Both programs refuse the same input: changed command lines, kept inputs, damaged files."""

import os
import subprocess
import unicodedata
from pathlib import Path

import pytest

from nanobrag_torch.cli import parse
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.simulator import Simulation
from tests.fuzz.command_lines import QUICK, command_lines, write_inputs
from tests.fuzz.run_targets import CORPUS
from tests.reference.mutations import damaged

# many more where there is time
MANY = os.environ.get("NB_RUN_PARALLEL") == "1"
LINES = 800 if MANY else 60
DAMAGED = 60 if MANY else 4
ONE_PIXEL = ["-oversample", "1", "-nopgm", "-nonoise", "-noprogress", "-roi", "0", "0", "0", "0"]
NOT_FOR_TERMINALS = {"Cc", "Cs", "Co", "Zl", "Zp"}
LINE_OF = {
    "hkl": ["-cell", "50", "-detpixels", "2", "-hkl"],
    "matrix": ["-default_F", "1", "-detpixels", "2", "-mat"],
    "sourcefile": ["-cell", "50", "-default_F", "1", "-detpixels", "2", "-defects", "none", "-sourcefile"],
    "stol": ["-cell", "50", "-default_F", "1", "-detpixels", "2", "-stol"],
    "mask": ["-cell", "50", "-default_F", "1", "-mask"],
    "img": ["-cell", "50", "-default_F", "1", "-img"],
    "fdump": ["-cell", "50", "-detpixels", "2", "-dumpfile"],
}


def verdict_of_torch(arguments: list[str]) -> str:
    try:
        Simulation(parse(arguments).experiment)
    except ExperimentError as error:
        return str(error)
    return "accepted"


def verdict_of_c(binary: Path, arguments: list[str], folder: Path) -> str:
    done = subprocess.run([binary, *arguments], cwd=folder, capture_output=True, timeout=60)
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode in (0, 2), said
    if done.returncode == 0:
        return "accepted"
    errors = [line for line in said.splitlines() if line.startswith("nanobragg: error: ")]
    assert len(errors) == 1 and said.endswith("\n"), said
    assert not {unicodedata.category(character) for character in errors[0]} & NOT_FOR_TERMINALS, errors
    return errors[0]


def check_alike(binary: Path, arguments: list[str], folder: Path) -> bool:
    """Whether the line was accepted. The outputs of the C program are removed."""
    before = set(folder.iterdir())
    by_torch = verdict_of_torch(arguments)
    by_c = verdict_of_c(binary, arguments, folder)
    assert (by_torch == "accepted") == (by_c == "accepted"), f"{arguments}\ntorch: {by_torch}\nC: {by_c}"
    for made in set(folder.iterdir()) - before:
        made.unlink()
    return by_c == "accepted"


def test_changed_command_lines(build_folder, here):
    accepted = 0
    for arguments in command_lines(LINES, seed=1):
        write_inputs(here)
        accepted += check_alike(build_folder / "nanobragg", arguments, here)
    assert LINES / 10 < accepted < LINES * 9 / 10, "a test of decisions needs both kinds"


@pytest.mark.parametrize("path", sorted((CORPUS / "flags").iterdir()), ids=lambda path: path.name)
def test_kept_command_lines(build_folder, here, path):
    write_inputs(here)
    arguments = [argument for argument in path.read_text().split("\n") if argument]
    check_alike(build_folder / "nanobragg", arguments + QUICK, here)


@pytest.mark.parametrize("parser", LINE_OF)
def test_kept_files(build_folder, here, parser):
    decisions = set()
    for path in sorted((CORPUS / parser).iterdir()):
        decisions.add(check_alike(build_folder / "nanobragg", [*LINE_OF[parser], str(path), *ONE_PIXEL], here))
    assert decisions == {True, False}


@pytest.mark.parametrize("parser", LINE_OF)
def test_damaged_files(build_folder, here, parser):
    for index, path in enumerate(sorted((CORPUS / parser).iterdir())):
        for content in damaged(path.read_bytes(), DAMAGED, seed=index):
            (here / "damaged").write_bytes(content)
            check_alike(build_folder / "nanobragg", [*LINE_OF[parser], "damaged", *ONE_PIXEL], here)
