"""Test results for a CI that shows JUnit XML files."""

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from trace_audit.core.files import printable


@dataclass(frozen=True)
class Case:
    """One test. `failure`: why it failed, in one line; None if it passed. `detail`: the numbers of a failure."""

    group: str
    name: str
    failure: str | None = None
    detail: str = ""


def junit(suite: str, cases: Iterable[Case], why_not: str | None = None) -> str:
    """The XML text of one suite.

    `why_not`: why the audit did not pass, None if it did. A suite without a failed test then gets one, so that no CI
    shows a pass for exit status 1.
    """
    rows = list(cases)
    if why_not is not None and not any(case.failure is not None for case in rows):
        rows.append(Case("audit", "verdict", why_not))
    failures = sum(case.failure is not None for case in rows)
    root = ElementTree.Element("testsuite", name=printable(suite), tests=str(len(rows)), failures=str(failures))
    for case in rows:
        element = ElementTree.SubElement(root, "testcase", classname=printable(case.group), name=printable(case.name))
        if case.failure is not None:
            failure = ElementTree.SubElement(element, "failure", message=printable(case.failure))
            failure.text = printable(case.detail)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
