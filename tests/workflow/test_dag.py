"""The order of the phases, read from the graph that snakemake itself prints."""

import os
import re
import subprocess
import sys

import pytest

from tests.workflow.conftest import REPOSITORY, Project


def edges(project: Project, **environment: str) -> set[tuple[str, str]]:
    """Pairs (rule, rule that needs it) of the rule graph."""
    done = project.snakemake("--rulegraph", "dot", **environment)
    assert done.returncode == 0, done.stderr
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', done.stdout))
    return {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", done.stdout)}


def comes_before(first: str, last: str, graph: set[tuple[str, str]]) -> bool:
    reached = {first}
    while more := {b for a, b in graph if a in reached} - reached:
        reached |= more
    return last in reached


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> set[tuple[str, str]]:
    from tests.workflow.conftest import make_project

    return edges(make_project(tmp_path_factory.mktemp("graph")))


ORDER = ["build_reference", "regression_test", "torch_trace", "compare", "ledger", "gate", "seal", "all"]


@pytest.mark.parametrize(("first", "last"), list(zip(ORDER, ORDER[1:], strict=False)))
def test_phases_follow_each_other(first, last, graph):
    assert comes_before(first, last, graph)
    assert not comes_before(last, first, graph)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("build_reference", "c_trace"),
        ("protect_assets", "c_trace"),
        ("protect_assets", "torch_trace"),
        ("c_trace", "torch_trace"),
        ("c_trace", "compare"),
        ("regression_test", "torch_trace"),
        ("torch_trace", "compare"),
        ("compare", "ledger"),
        ("compare", "summary"),
        ("ledger", "gate"),
        ("summary", "gate"),
    ],
)
def test_order_is_carried_by_files(first, last, graph):
    assert (first, last) in graph


def test_external_binary_is_not_built(project: Project):
    graph = edges(project, NB_C_BIN="/bin/true")
    assert ("record_reference", "c_trace") in graph
    assert not any("build_reference" in edge for edge in graph)


def test_lint_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], cwd=REPOSITORY, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_log_and_a_contract():
    for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk")):
        text = path.read_text()
        assert re.match(r'"""\n.+\n\nINPUTS\n(.|\n)+\nOUTPUTS\n(.|\n)+\nSTEPS\n', text), path.name
        for name, body in re.findall(r"^ *rule (\w+):\n((?:.|\n)*?)(?=^ *rule |\Z)", text, re.MULTILINE):
            assert ("log:" in body) == ("shell:" in body or "script:" in body), name


def mermaid_edges(text: str) -> set[tuple[str, str]]:
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", text))
    return {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", text)}


def test_picture_in_the_documents_is_the_graph():
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js"]
    environment = {name: value for name, value in os.environ.items() if name != "NB_C_BIN"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, text=True, capture_output=True, check=True)
    document = (REPOSITORY / "docs/architecture.md").read_text()
    assert len(mermaid_edges(done.stdout)) > 10
    assert mermaid_edges(document) == mermaid_edges(done.stdout)
