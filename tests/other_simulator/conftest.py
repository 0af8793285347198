"""The example of a program that is no nanoBragg, built once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.c_program import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "other_simulator"


@pytest.fixture(scope="session")
def sphere(tmp_path_factory) -> Path:
    """The C program of the example."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed, so the example cannot be built")
    program = tmp_path_factory.mktemp("sphere") / "sphere"
    command = ["gcc", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", program, EXAMPLE / "sphere.c", "-lm"]
    subprocess.run(command, check=True)
    return program


@pytest.fixture
def printed(sphere):
    """What either program of the example prints for flags."""

    def run(program: str, *flags: str) -> bytes:
        command = [sphere] if program == "C" else [sys.executable, EXAMPLE / "sphere.py"]
        return subprocess.run([*command, *flags], check=True, capture_output=True).stdout

    return run
