"""Both programs show every edge of the graph of keys, and no other edge."""

import shutil
import subprocess

import pytest

from tests.c_program import SOURCES
from trace_audit.trace.keys import children, registry

from .key_graph import CASES, SECOND_NAMES, CProgram, Measured, TorchProgram, write_inputs

DECLARED = {(parent, key.name) for key in registry().values() for parent in key.parents}
FOLLOWS = {  # through the second name of the number that was moved
    (first, child) for first, names in SECOND_NAMES.items() for second in names for child in children()[second]
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def seam_binary(tmp_path_factory):
    """The test build of the C program."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed, so the C program cannot be built")
    binary = tmp_path_factory.mktemp("seam") / "nanobragg_seam"
    sources = sorted(SOURCES.glob("*/*.c"))
    functions = SOURCES.parents[1] / "tests" / "reference" / "seam.c"
    flags = ["-std=c11", "-O1", "-ffp-contract=off", "-fopenmp", "-Wall", "-Wextra", "-Werror", "-DNANOBRAGG_SEAM"]
    command = ["gcc", *flags, f"-I{SOURCES}", *sources, functions, "-lm", "-o", binary]
    subprocess.run(command, check=True, timeout=300)
    return binary


@pytest.fixture(params=["c", "torch"])
def program(request, inputs):
    """case -> the program, with a visitor at every stage."""
    if request.param == "torch":
        return lambda case: TorchProgram(inputs, case)
    binary = request.getfixturevalue("seam_binary")
    return lambda case: CProgram(binary, inputs, case)


def test_each_declared_parent_moves_its_child_and_no_other_key_does(program):
    edges: set[tuple[str, str]] = set()
    visited: set[str] = set()
    for case in CASES:
        experiment = Measured(program(case))
        assert experiment.moved_when_held() == set(), case
        edges |= {(key, child) for key in experiment.keys for child in experiment.children(key)}
        visited |= experiment.keys
    names = {key.name for key in registry().values() if key.kind == "word"}
    assert set(registry()) - visited <= names | {"beam_center_m"}, "a key has no place where it is computed"
    assert sorted(DECLARED - edges) == [], "declared, but the child does not move"
    assert sorted(edges - DECLARED - FOLLOWS) == [], "the child moves, but is not declared"


def test_context_keys_are_those_from_which_no_pixel_is_computed():
    reached = {"I_pixel_final", "floatimage_accumulated"}
    for key in reversed(list(registry())):
        if reached.intersection(children()[key]):
            reached.add(key)
    before: set[str] = set()
    while reached != before:
        before = set(reached)
        reached |= {key for key in registry() if reached.intersection(children()[key])}
    assert {key.name for key in registry().values() if key.context} == set(registry()) - reached
