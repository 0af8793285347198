"""The fuzz targets, built once a session where clang has libFuzzer."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.c_program import build

PROBE = "int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return data == 0 && size > 0; }"


@pytest.fixture(scope="session")
def targets(tmp_path_factory) -> Path:
    """Folder with the programs fuzz_PARSER."""
    folder = tmp_path_factory.mktemp("fuzz")
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed, so the C parsers cannot be fuzzed")
    probe = ["clang", "-x", "c", "-fsanitize=fuzzer,address,undefined", "-", "-o", folder / "probe"]
    if subprocess.run(probe, input=PROBE, capture_output=True, text=True).returncode != 0:
        pytest.skip("clang has no libFuzzer with sanitizers here (Debian: libclang-rt-14-dev)")
    return build("fuzz_targets", folder)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The current folder of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
