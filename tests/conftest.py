"""What several folders of tests share: the C program, built once a session, and files outside the repository."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests themselves are spread over the cores
os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")  # before torch is imported: two OpenMP runtimes may meet

from pathlib import Path

import hypothesis
import pytest

from tests.c_program import REPOSITORY, build

# the same examples in every run, and nothing kept between runs
hypothesis.settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("fixed")

SHARED_GOLDEN = REPOSITORY.parent / "shared" / "golden"


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory) -> Path:
    """Folder with the C program of this repository."""
    return build("all", tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="session")
def c_binary(request) -> Path:
    """The program that torch is compared with: NB_C_BIN if it is set, otherwise our own."""
    named = os.environ.get("NB_C_BIN")
    if not named:
        return request.getfixturevalue("build_folder") / "nanobragg"
    binary = Path(named).resolve()
    assert os.access(binary, os.X_OK) and binary.is_file(), f"NB_C_BIN: {named!r} is no executable file"
    return binary


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    if not SHARED_GOLDEN.is_dir():
        pytest.skip("the shared golden files are not on this machine")
    return SHARED_GOLDEN
