"""Builds the C program once a session and runs it in fresh folders."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from .program import Program

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "src" / "nanobragg_c"
SHARED_GOLDEN = REPOSITORY.parent / "shared" / "golden"


def build(target: str, folder: Path) -> Path:
    """Run `make target`, return the folder with the program; skip without a compiler."""
    for tool in ("gcc", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, so the C program cannot be built")
    made = subprocess.run(
        ["make", "-C", SOURCES, f"BUILD={folder}", "-j2", target], capture_output=True, text=True, timeout=300
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory) -> Path:
    return build("all", tmp_path_factory.mktemp("build"))


@pytest.fixture
def nanobragg(build_folder, tmp_path) -> Program:
    return Program(build_folder / "nanobragg", tmp_path)


@pytest.fixture(scope="session")
def sanitized_binary(tmp_path_factory) -> Path:
    return build("sanitize", tmp_path_factory.mktemp("sanitize")) / "nanobragg_sanitize"


@pytest.fixture
def sanitized(sanitized_binary, tmp_path) -> Program:
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=1:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1"}
    return Program(sanitized_binary, tmp_path, environment)


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    if not SHARED_GOLDEN.is_dir():
        pytest.skip("the shared golden files are not on this machine")
    return SHARED_GOLDEN


@pytest.fixture
def dense_table() -> str:
    """Text of a reflection file that covers -14..14 with a smooth, uneven amplitude."""
    h, k, l = np.meshgrid(*3 * [np.arange(-14, 15)], indexing="ij")
    amplitude = 100 + 40 * np.sin(0.7 * h + 0.2 * k) + 30 * np.cos(0.5 * l - 0.3 * k)
    rows = np.column_stack([h.ravel(), k.ravel(), l.ravel(), amplitude.ravel()])
    return "\n".join(f"{a:.0f} {b:.0f} {c:.0f} {f:.6f}" for a, b, c, f in rows) + "\n"
