"""C compilers: whether there is one for compiled torch code, and the C program built for the tests that run it."""

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = REPOSITORY / "src" / "nanobragg_c"
HAS_COMPILER = any(map(shutil.which, ("cc", "gcc", "clang")))
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler on this machine")


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


def quick_compiler(folder: Path) -> str:
    """A gcc in this folder that follows all options except optimization, which takes most of the time."""
    script = folder / "quick-gcc"
    script.write_text('#!/bin/sh\nexec gcc "$@" -O0\n')
    script.chmod(0o755)
    return str(script)
