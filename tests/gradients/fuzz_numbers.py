"""`python -m tests.gradients.fuzz_numbers FILE`: how far each check of the random experiments was off, as a table.

FILE is what pytest writes with --junit-xml for tests/gradients/test_random_experiments.py (`make gradients-fuzz`).
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as xml
from collections import defaultdict
from pathlib import Path
from statistics import median

from trace_audit.core.markdown import table


def numbers(report: Path) -> dict[str, list[tuple[float, str]]]:
    """For each check: its deviation as a share of its scale, and the name of the test."""
    differences: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for case in xml.parse(report).getroot().iter("testcase"):
        rows = {row.get("name", ""): row.get("value", "") for row in case.iter("property")}
        where = " ".join(filter(None, (case.get("name"), rows.pop("parameter", None))))
        for quantity, value in rows.items():
            differences[quantity].append((float(value), where))
    return dict(differences)


def page(report: Path) -> str:
    """The table, and how many tests there were, how many failed and how long they took together."""
    rows = [
        (quantity, str(len(values)), f"{median(off for off, _ in values):.1e}", f"{max(values)[0]:.1e}", max(values)[1])
        for quantity, values in numbers(report).items()
    ]
    (suite,) = xml.parse(report).getroot().iter("testsuite")
    bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    seconds = float(suite.get("time", 0))
    counts = f"{suite.get('tests')} tests, {bad} failed, {suite.get('skipped')} skipped, {seconds:.0f} s"
    return table(("check", "experiments", "median", "worst", "where"), rows) + "\n" + counts


if __name__ == "__main__":
    print(page(Path(sys.argv[1])))
