"""Licence, citation, templates and hooks agree with the rest of the repository."""

import re
import tomllib

import pytest
import yaml

import nanobrag_torch
from nanobragg_tables.__main__ import REPOSITORY

PINNED = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (REPOSITORY / "envs/requirements.txt").read_text(), re.MULTILINE))


def loaded(name: str):
    return yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


def test_citation_has_the_keys_of_its_format_and_our_version_and_licence():
    citation = loaded("CITATION.cff")
    assert {"authors", "cff-version", "message", "title"} <= set(citation)
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert citation["version"] == nanobrag_torch.__version__
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert citation["license"] == project["license"] == "MIT"
    assert citation["authors"] == project["authors"]


def test_changes_name_the_version():
    assert f"\n## {nanobrag_torch.__version__}\n" in (REPOSITORY / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (REPOSITORY / name).read_text())
    assert [link for link in links if "://" not in link and not (REPOSITORY / link).exists()] == []


def test_hooks_have_the_pinned_versions():
    hooks = [hook for repository in loaded(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    assert {hook["entry"].split()[0] for hook in hooks} == {"ruff", "snakefmt"}
    for hook in hooks:
        (dependency,) = hook["additional_dependencies"]
        name, version = dependency.split("==")
        assert version == PINNED[name]


def test_the_checks_run_what_a_developer_runs():
    steps = loaded(".github/workflows/ci.yml")["jobs"]["run"]["steps"]
    assert ".ci/run" in [step.get("run") for step in steps]


@pytest.mark.parametrize("name", ["difference.yml", "fault.yml"])
def test_templates_ask_for_what_is_needed(name):
    template = loaded(f".github/ISSUE_TEMPLATE/{name}")
    assert {"name", "description", "body"} <= set(template)
    assert all(part["type"] in ("textarea", "input", "markdown") for part in template["body"])
    if name == "difference.yml":
        text = str(template)
        assert "diff_summary.md" in text
        assert "trace_py_env.json" in text
