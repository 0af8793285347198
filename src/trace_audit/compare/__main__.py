"""`python -m trace_audit.compare`: two trace logs in, a verdict out. Exit status 0 pass, 1 fail, 2 bad input.

A log is what a program printed: a whole trace of ours, or anything with trace lines in it, of which the keys that both
print are compared. With --registry FILE the logs are those of any simulator, whose keys that file lists.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trace_audit.compare import plain_report
from trace_audit.compare.blame import blame
from trace_audit.compare.cause import names_of
from trace_audit.compare.comparison import NAMES, Comparison, compare
from trace_audit.compare.foreign import compare_foreign, read_whole
from trace_audit.compare.known_defects import Attribution
from trace_audit.compare.markdown_report import comparison_markdown, summary_markdown
from trace_audit.compare.pictures import write_pictures
from trace_audit.compare.plain import PlainComparison, compare_plain
from trace_audit.compare.verdict import verdict
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.core.junit import Case, junit
from trace_audit.trace.parse import Trace
from trace_audit.trace.plain_log import read_plain_log
from trace_audit.trace.simulator import read_simulator


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.compare", description=__doc__, allow_abbrev=False)
    parser.add_argument("--c-log", type=Path, required=True, metavar="FILE", help="trace log of the reference")
    parser.add_argument("--py-log", type=Path, required=True, metavar="FILE", help="trace log of the candidate")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the verdict, JSON")
    parser.add_argument("--md", type=Path, metavar="FILE", help="table of every factor, Markdown")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="differences and their causes, Markdown")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="a test for each key, JUnit XML for a CI")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="folder of key_graph.svg and differences.svg")
    parser.add_argument("--config", metavar="SCENARIO", help="scenario of the logs: after a fail, causes are searched")
    parser.add_argument("--pixel", type=int, nargs=2, metavar=("SLOW", "FAST"), help="the traced pixel")
    parser.add_argument("--hkl", type=Path, metavar="FILE", help="prepared structure factors of the scenario")
    parser.add_argument("--scenario-dir", type=Path, metavar="DIR", help="where scenarios are (config/scenarios)")
    parser.add_argument("--device", default="cpu", help="device of the re-traces")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="dtype of the re-traces")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="candidate: key file, its names of our keys")
    parser.add_argument("--reference-keys", type=Path, metavar="FILE", help="the same of the reference")
    parser.add_argument("--registry", type=Path, metavar="FILE", help="keys of a simulator other than nanoBragg")
    parser.add_argument(
        "--names",
        nargs=2,
        default=("reference", "candidate"),
        metavar=("REFERENCE", "CANDIDATE"),
        help="names of the two sides in reports",
    )
    return parser


def judge(
    c: Trace, py: Trace, attribution: Attribution | None = None, names: tuple[str, str] = NAMES
) -> tuple[Comparison, dict[str, Any]]:
    """Compare two parsed logs; the comparison and its JSON-ready verdict."""
    comparison = compare(c, py, names)
    return comparison, verdict(comparison, blame(comparison), attribution)


def _explain(arguments: argparse.Namespace, comparison: Comparison) -> dict[str, Any] | None:
    """The verdict after trying known defects and proving stages, if the scenario and the pixel are given."""
    if arguments.config is None:
        return None
    from trace_audit.compare.retrace import Retracer

    retracer = Retracer(
        scenario=arguments.config,
        scenario_dir=arguments.scenario_dir,
        pixel=tuple(arguments.pixel),
        hkl=arguments.hkl,
        device=arguments.device,
        dtype=arguments.dtype,
    )
    proofs, note = [], ""
    try:
        proofs = retracer.proofs(comparison)
    except ValueError as error:
        note = f"The stages of {comparison.names[1]} refused the values of {comparison.names[0]}: {error}"
    result = verdict(comparison, blame(comparison), retracer.attribution(comparison.c), proofs)
    return result | {"substitution_note": note}


def say(result: dict[str, Any]) -> None:
    """Print the sentence: in colour on a terminal, otherwise plain."""
    text = f"{result['status']}: {result['summary']}"
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(text, style="green" if result["status"] == "pass" else "bold red"))


def main(argv: list[str]) -> int:
    """Read both logs, compare, write the requested files, print the sentence."""
    arguments = _parser().parse_args(argv)
    if arguments.registry is not None:
        return _compare_plain(arguments)
    if (arguments.config is None) != (arguments.pixel is None):
        raise InputError("--config and --pixel go together: give both to have known defects tried, or neither")
    if arguments.config is not None:
        from trace_audit.config.scenario import check_pixel, load_scenario

        check_pixel(load_scenario(arguments.config, arguments.scenario_dir), *arguments.pixel)
    named = arguments.keys is not None or arguments.reference_keys is not None
    c, py = (None, None) if named else (read_whole(arguments.c_log), read_whole(arguments.py_log))
    if c is None or py is None:
        return _compare_foreign(arguments)
    comparison, result = judge(c, py, names=(arguments.names[0], arguments.names[1]))
    if comparison.diverging:
        result = _explain(arguments, comparison) or result
    write_atomic(arguments.out, readable_json(result))
    if arguments.md:
        write_atomic(arguments.md, comparison_markdown(result))
    if arguments.summary:
        write_atomic(arguments.summary, summary_markdown(result))
    if arguments.junit:
        suite, why = f"{arguments.names[1]} against {arguments.names[0]}", result["summary"]
        write_atomic(arguments.junit, junit(suite, _cases(result), None if result["status"] == "pass" else why))
    if arguments.pictures:
        write_pictures(result, arguments.pictures)
    say(result)
    return 0 if result["status"] == "pass" else 1


def _cases(result: dict[str, Any]) -> Iterator[Case]:
    """A test for each key, and for each reason not to trust a log."""
    rows: dict[str, list[dict[str, Any]]] = {}
    names = names_of(result)
    for row in result["factors"]:
        rows.setdefault(row["key"], []).append(row)
    for key, positions in rows.items():
        failed = [row for row in positions if row["verdict"] == "fail"]
        if not failed:
            yield Case("trace", key)
            continue
        worst = max(failed, key=lambda row: row["relative_difference"])
        cause = "root cause, " if key in result["root_causes"] else ""
        told = (
            f"{cause}relative difference {worst['relative_difference']:.3g} in {len(failed)} of {len(positions)} places"
        )
        yield Case("trace", key, told, f"{names['c']} {worst['c']}, {names['py']} {worst['py']}")
    for number, problem in enumerate(result["problems"], 1):
        yield Case("log", f"problem {number}", problem["message"] if isinstance(problem, dict) else str(problem))


def _compare_foreign(arguments: argparse.Namespace) -> int:
    """The same for logs of which one is no whole trace in a form of ours."""
    if arguments.config is not None:
        raise InputError(
            "--config: causes are searched for whole traces of our two programs; for any other log: python -m "
            f"trace_audit.port --config {arguments.config} --log {arguments.py_log} --out FOLDER"
        )
    if arguments.pictures is not None:
        raise InputError("--pictures: drawn of whole traces alone, and a log lacks keys; leave it out")
    logs, key_files = (arguments.c_log, arguments.py_log), (arguments.reference_keys, arguments.keys)
    return _finish(compare_foreign(logs, key_files, (arguments.names[0], arguments.names[1])), arguments)


def _compare_plain(arguments: argparse.Namespace) -> int:
    """The same for logs of a simulator other than nanoBragg."""
    about = ("config", "pixel", "hkl", "pictures", "keys", "reference_keys")
    refused = [name.replace("_", "-") for name in about if getattr(arguments, name) is not None]
    if refused:
        raise InputError(f"--{refused[0]} is about a nanoBragg; leave it out with --registry")
    simulator = read_simulator(arguments.registry)
    logs = read_plain_log(arguments.c_log, simulator), read_plain_log(arguments.py_log, simulator)
    return _finish(compare_plain(simulator, *logs, (arguments.names[0], arguments.names[1])), arguments)


def _finish(comparison: PlainComparison, arguments: argparse.Namespace) -> int:
    """Write a comparison of the keys that both print, and say it."""
    result = plain_report.as_json(comparison)
    write_atomic(arguments.out, readable_json(result))
    for path in (arguments.md, arguments.summary):
        if path:
            write_atomic(path, plain_report.as_markdown(comparison))
    if arguments.junit:
        suite = junit(comparison.simulator.program, plain_report.cases(comparison))
        write_atomic(arguments.junit, suite)
    say(result)
    return 0 if comparison.passed else 1


if __name__ == "__main__":
    raise SystemExit(run_command(main))
