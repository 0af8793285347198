"""docs/porting.md: the workflow for a CI does what the page says, and its links and commands exist."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nanobragg_tables.__main__ import REPOSITORY
from trace_audit.core.commands import FOR_PEOPLE, FOR_RULES
from trace_audit.port.__main__ import main as audit_port

TEXT = (REPOSITORY / "docs/porting.md").read_text(encoding="utf-8")
FLAGS = "-cell 70 80 90 85 95 105 -default_F 100 -N 5 -distance 100 -lambda 1 -detpixels 64 -oversample 1 -pixel 0.1"
PORT = """
import subprocess, sys
words = [word for word in sys.argv[1:]]
if {forgets}:
    words[words.index("-lambda") + 1] = "1.001"
raise SystemExit(subprocess.run([{binary!r}, *words, "-nopgm"]).returncode)
"""


def workflow() -> dict:
    blocks = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    [block] = [block for block in blocks if "runs-on" in block]
    return yaml.safe_load(block)


def steps() -> list[dict]:
    [job] = workflow()["jobs"].values()
    return job["steps"]


def test_the_workflow_is_one_that_github_takes():
    jobs = workflow()
    assert set(jobs) == {"name", True, "jobs"}, "`on` is what YAML calls true"
    assert all(("uses" in step) != ("run" in step) for step in steps())
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps() if "uses" in step)
    assert [step for step in steps() if step.get("if") == "always()"][-1]["with"]["path"] == "audit-results"
    own = (REPOSITORY / ".github/workflows/ci.yml").read_text()
    assert all(step["uses"] in own for step in steps() if "uses" in step), "the versions that this project uses itself"


@pytest.fixture
def port(tmp_path, c_binary, monkeypatch):
    """A folder with a port and its experiment, and the texts of the two steps that run commands of this repository."""

    def make(forgets: bool) -> list[str]:
        (tmp_path / "audit").mkdir()
        (tmp_path / "audit/flags.txt").write_text(FLAGS + "\n")
        (tmp_path / "my_port.py").write_text(PORT.format(forgets=forgets, binary=str(c_binary)))
        texts = [step["run"] for step in steps() if "audit-results" in step.get("run", "")]
        mine = f"{sys.executable} {tmp_path / 'my_port.py'}"
        return [text.replace("python -m my_port", mine) for text in texts]

    monkeypatch.chdir(tmp_path)
    return make


def test_the_workflow_turns_red_when_a_key_leaves(port, tmp_path):
    summary = tmp_path / "summary.md"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"GITHUB_STEP_SUMMARY": str(summary), "PATH": path}
    runs = [subprocess.run(["bash", "-e", "-c", text], env=environment, check=False) for text in port(True)]
    assert [done.returncode for done in runs] == [1, 0]
    told = summary.read_text()
    assert told.startswith("# my-port against ") and "FAIL" in told and "lambda" in told
    assert (tmp_path / "audit-results/port_audit.junit.xml").is_file()


def test_the_workflow_stays_green_while_all_keys_agree(port, tmp_path):
    command = port(False)[0].replace("$(cat audit/flags.txt)", FLAGS)
    arguments = shlex.split(command)
    assert arguments[:3] == ["python", "-m", "trace_audit.port"]
    assert audit_port(arguments[3:]) == 0
    assert "**pass**" in (tmp_path / "audit-results/port_audit.md").read_text()


def test_commands_and_links_of_the_page_exist():
    commands = set(re.findall(r"python -m trace_audit[. ]([a-z_]+)", TEXT))
    assert commands <= {*FOR_PEOPLE, *FOR_RULES, "explain", "verify", "rerun"}
    headings = {
        re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= headings
    targets = re.findall(r"^(\w[\w-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`?\bmake ([a-z-]+)`", TEXT)) <= set(targets)
