"""Runs the C program in fresh folders."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.c_program import build

from .program import Program


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


@pytest.fixture
def dense_table() -> str:
    """Text of a reflection file that covers -14..14 with a smooth, uneven amplitude."""
    h, k, l = np.meshgrid(*3 * [np.arange(-14, 15)], indexing="ij")
    amplitude = 100 + 40 * np.sin(0.7 * h + 0.2 * k) + 30 * np.cos(0.5 * l - 0.3 * k)
    rows = np.column_stack([h.ravel(), k.ravel(), l.ravel(), amplitude.ravel()])
    return "\n".join(f"{a:.0f} {b:.0f} {c:.0f} {f:.6f}" for a, b, c, f in rows) + "\n"
