"""`python -m trace_audit.compare`: two trace logs in, a verdict out. Exit status 0 pass, 1 fail, 2 bad input."""

import argparse
import sys
from pathlib import Path
from typing import Any

from trace_audit.compare.blame import blame
from trace_audit.compare.comparison import Comparison, compare
from trace_audit.compare.known_defects import Attribution
from trace_audit.compare.markdown_report import comparison_markdown, summary_markdown
from trace_audit.compare.pictures import write_pictures
from trace_audit.compare.verdict import verdict
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.trace.parse import Trace, read_trace


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.compare", description=__doc__, allow_abbrev=False)
    parser.add_argument("--c-log", type=Path, required=True, metavar="FILE", help="trace log of the C program")
    parser.add_argument("--py-log", type=Path, required=True, metavar="FILE", help="trace log of the torch program")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the verdict, JSON")
    parser.add_argument("--md", type=Path, metavar="FILE", help="table of every factor, Markdown")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="what went wrong and why, Markdown")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="folder of key_graph.svg and differences.svg")
    parser.add_argument("--config", metavar="SCENARIO", help="scenario of the logs: on a fail, causes are looked for")
    parser.add_argument("--pixel", type=int, nargs=2, metavar=("SLOW", "FAST"), help="the traced pixel")
    parser.add_argument("--hkl", type=Path, metavar="FILE", help="prepared structure factors of the scenario")
    parser.add_argument("--scenario-dir", type=Path, metavar="DIR", help="where scenarios are (config/scenarios)")
    parser.add_argument("--device", default="cpu", help="device of the re-traces")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="dtype of the re-traces")
    return parser


def judge(c: Trace, py: Trace, attribution: Attribution | None = None) -> tuple[Comparison, dict[str, Any]]:
    """Compare two parsed logs; the comparison and its JSON-ready verdict."""
    comparison = compare(c, py)
    return comparison, verdict(comparison, blame(comparison), attribution)


def _explain(arguments: argparse.Namespace, comparison: Comparison) -> dict[str, Any] | None:
    """The verdict with known defects tried and the stages proved, if the scenario and the pixel are given."""
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
        note = f"The torch stages refused the values of C: {error}"
    result = verdict(comparison, blame(comparison), retracer.attribution(comparison.c), proofs)
    return result | {"substitution_note": note}


def say(result: dict[str, Any]) -> None:
    """Print the sentence: in colour on a terminal, plainly elsewhere."""
    text = f"{result['status']}: {result['summary']}"
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(text, style="green" if result["status"] == "pass" else "bold red"))


def main(argv: list[str]) -> int:
    """Read both logs, compare, write what was asked for, print the sentence."""
    arguments = _parser().parse_args(argv)
    if (arguments.config is None) != (arguments.pixel is None):
        raise InputError("--config and --pixel go together: give both to have known defects tried, or neither")
    if arguments.config is not None:
        from trace_audit.config.scenario import check_pixel, load_scenario

        check_pixel(load_scenario(arguments.config, arguments.scenario_dir), *arguments.pixel)
    c, py = read_trace(arguments.c_log), read_trace(arguments.py_log)
    comparison, result = judge(c, py)
    if comparison.diverging:
        result = _explain(arguments, comparison) or result
    write_atomic(arguments.out, readable_json(result))
    if arguments.md:
        write_atomic(arguments.md, comparison_markdown(result))
    if arguments.summary:
        write_atomic(arguments.summary, summary_markdown(result))
    if arguments.pictures:
        write_pictures(result, arguments.pictures)
    say(result)
    return 0 if result["status"] == "pass" else 1


if __name__ == "__main__":
    raise SystemExit(run_command(main))
