"""`python -m trace_audit.selftest`: audit the audit. Exit status 1 if an error is not found, or blamed elsewhere.

An error is put into each stage of torch, one after the other, at its border (`selftest`) and inside compiled code
(`selftest_compiled`).
"""

import argparse
from pathlib import Path

from trace_audit.compare.selftest import CASES, Case, Injection, plan, report, report_markdown
from trace_audit.compare.selftest_compiled import compiled_injections
from trace_audit.core.errors import InputError
from trace_audit.core.files import readable_json, write_atomic


def _of_compiled_code(case: Case) -> list[Injection]:
    """The same for the stages of compiled code; none, and that is said, where there is no compiler."""
    try:
        return list(compiled_injections(case))
    except OSError as error:
        print(f"compiled code was not tried: {' '.join(str(error).split())[:200]}")
        return []


def main(argv: list[str]) -> int:
    """Try every number of every key and write the table."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.selftest", description=__doc__, allow_abbrev=False)
    parser.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the reference program")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of selftest.json and .md")
    options = parser.parse_args(argv)
    if not options.binary.is_file():
        raise InputError(f"reference binary {options.binary}: no such file; build it with make -C src/nanobragg_c")
    cases = [Case(name, options.binary) for name in CASES]
    injections = [case.inject(key, component) for case, key, component in plan(cases)]
    injections += _of_compiled_code(cases[0])
    result = report(injections)
    write_atomic(options.out / "selftest.json", readable_json(result))
    write_atomic(options.out / "selftest.md", report_markdown(result))
    good = result["as_expected"] == result["numbers"] and not result["untested"]
    for injection in injections:
        if not injection.as_expected:
            print(f"{injection.key} {injection.component}: {injection.status}, roots {', '.join(injection.roots)}")
    print(f"{result['as_expected']} of {result['numbers']} numbers in {result['keys']} keys as expected")
    return 0 if good else 1
