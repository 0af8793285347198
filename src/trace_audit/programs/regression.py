"""Run the regression test that guards the torch trace, and write its result to a file that the trace depends on."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from trace_audit.core.errors import InputError
from trace_audit.core.files import readable_json, sha256_of_file, write_atomic


def run_regression_test(node: str, root: Path, result: Path) -> dict[str, Any]:
    """Run one pytest node from `root`; write its result as JSON if it passed.

    The result names the test, the hash of its file, each case that passed and each that was skipped, with the reason.
    It holds no time. Raises InputError if a case fails or none ran; pytest's output goes to stderr.
    """
    file, _, selected = node.partition("::")
    if not (root / file).is_file():
        raise InputError(
            f"gate.regression_test: no such test file {file!r}; give FILE::CLASS::TEST below the repository"
        )
    with tempfile.TemporaryDirectory(prefix="regression-test-") as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(root)]
        command += ["-c", str(root / "pyproject.toml"), f"--junitxml={report}", node]
        environment = {**os.environ, "KMP_DUPLICATE_LIB_OK": "TRUE"}
        done = subprocess.run(command, cwd=root, env=environment, text=True, capture_output=True, check=False)
        print(done.stdout + done.stderr, file=sys.stderr)
        cases = _cases(report) if report.is_file() else []
    outcome: dict[str, Any] = {
        "test": node,
        "test_file_sha256": sha256_of_file(root / file),
        "passed": sorted(name for name, status, _ in cases if status == "passed"),
        "skipped": {name: why for name, status, why in sorted(cases) if status == "skipped"},
    }
    failed = sorted(name for name, status, _ in cases if status == "failed")
    if done.returncode != 0 or failed or not outcome["passed"]:
        reason = f"failed: {', '.join(failed)}" if failed else f"passed nothing (pytest exit code {done.returncode})"
        raise InputError(f"the regression test {selected or file} {reason}; torch is not traced until it passes")
    outcome["status"] = "pass"
    write_atomic(result, readable_json(outcome))
    return outcome


def _cases(report: Path) -> list[tuple[str, str, str]]:
    """Name, status and reason of every case in a JUnit report."""
    cases = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        children = {child.tag: child for child in case}
        if "failure" in children or "error" in children:
            cases.append((case.get("name", ""), "failed", ""))
        elif "skipped" in children:
            cases.append((case.get("name", ""), "skipped", children["skipped"].get("message", "")))
        else:
            cases.append((case.get("name", ""), "passed", ""))
    return cases
