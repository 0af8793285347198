"""What several folders of tests share: the C program, built once a session, and files outside the repository."""

import os

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes import the same files: compiled only once
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests themselves are spread over the cores
os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")  # before torch is imported: two OpenMP runtimes may meet

import sys
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from tests.c_program import REPOSITORY, build

sys.dont_write_bytecode = False  # for the test files themselves
os.fsync = lambda handle: None  # no file of a test has to be there after a power cut; programs that tests start do it
# the same examples in every run, and nothing kept between runs
hypothesis.settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("fixed")


def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session; with several workers each has one of its own below a common one, this is common."""
    base = tmp_path_factory.getbasetemp()
    common = base.parent / "of all workers" if "PYTEST_XDIST_WORKER" in os.environ else base
    common.mkdir(exist_ok=True, mode=0o700)
    return common


SHARED_GOLDEN = REPOSITORY.parent / "shared" / "golden"


# Files of a minute or more, longest first: workers take files in this order, so that none begins one at the end.
LONG = (
    *("workflow/test_chaos.py", "workflow/test_run.py", "gradients/test_random_experiments.py"),
    *("audit/test_key_graph.py", "parity/test_parity_workflow.py", "campaign/test_workflow.py"),
    *("parity/test_trace_is_image.py", "gradients/test_ways.py", "gradients/test_compiled_derivatives.py"),
    *("audit/test_compare.py", "workflow/test_job_code.py", "workflow/test_hostile.py", "workflow/test_candidate.py"),
    *("audit/test_selftest.py", "port/test_recorded_port.py", "gradients/test_against_c.py"),
    *("workflow/test_elsewhere.py", "bench/test_workflow.py", "workflow/test_rerun.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {REPOSITORY / "tests" / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory) -> Path:
    """Folder with the C program of this repository, built by the first worker that asks for it."""
    folder = of_all_workers(tmp_path_factory) / "build"
    with FileLock(f"{folder}.lock"):
        return build("all", folder)


@pytest.fixture(scope="session")
def compiled_code(tmp_path_factory) -> Path:
    """Folder of compiled torch programs for every test that is not about keeping them: each is built once a session.

    All workers share it; which of them builds a program is settled by the product's own lock.
    """
    folder = of_all_workers(tmp_path_factory) / "compiled code"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


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
