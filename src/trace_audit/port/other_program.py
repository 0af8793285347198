"""The audit of two other simulators: run, or read from recorded output, and compared by their registry."""

import argparse
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanobrag_torch.io.reading import open_plain
from trace_audit.compare import plain_report
from trace_audit.compare.plain import PlainComparison, compare_plain
from trace_audit.config.side import Candidate, Reference, Side, labels
from trace_audit.core.errors import InputError
from trace_audit.core.escapes import escaped_pieces
from trace_audit.core.files import printable, readable_json, write_atomic, write_pieces
from trace_audit.core.junit import Case, junit
from trace_audit.port.document import DOCUMENT
from trace_audit.port.side import SideRun, obtain
from trace_audit.trace.plain_log import PlainLog, read_plain_log
from trace_audit.trace.simulator import Simulator, read_simulator

FORMS = ("command", "log")


def main(options: argparse.Namespace, candidate: Candidate, reference: Reference | None) -> int:
    """Audit one candidate; exit status 0 pass, 1 fail. Raises InputError."""
    simulator = read_simulator(options.registry)
    refused = [name for name in ("config", "hkl", "scenario_dir", "image") if getattr(options, name) is not None]
    if refused:
        raise InputError(f"--{refused[0].replace('_', '-')} is about a nanoBragg; leave it out with --registry")
    if reference is None:
        raise InputError(
            f"--reference: none given; with --registry our program is no reference for {simulator.program}"
        )
    arguments = shlex.split(options.flags or "")
    pixel = (options.pixel[0], options.pixel[1]) if options.pixel else (0, 0)
    return audit(simulator, {"reference": reference, "candidate": candidate}, arguments, pixel, options.out)


def audit(
    simulator: Simulator, sides: dict[str, Side], arguments: Sequence[str], pixel: tuple[int, int], folder: Path
) -> int:
    """Run both sides, compare, write port_audit.{json,md,junit.xml} and what was printed into `folder`."""
    reference, candidate = sides["reference"], sides["candidate"]
    names = labels(reference, candidate)
    folder.mkdir(parents=True, exist_ok=True)
    logs: list[PlainLog] = []
    with tempfile.TemporaryDirectory(prefix="port-") as away:
        for (role, side), name in zip(sides.items(), names, strict=True):
            run = _run(role, side, name, arguments, pixel, Path(away) / role)
            with open_plain(run.stdout, float("inf")) as printed:
                write_pieces(folder / f"{role}_stdout.txt", escaped_pieces(printed))
            if run.failure:
                return _failed(names, f"{name} {run.failure}", folder)
            logs.append(read_plain_log(run.stdout, simulator))
    return _finish(compare_plain(simulator, logs[0], logs[1], names), folder)


def _run(role: str, side: Side, name: str, arguments: Sequence[str], pixel: tuple[int, int], folder: Path) -> SideRun:
    if side.form not in FORMS:
        raise InputError(f"{role}: {side.form or 'nothing'} is given; another simulator is a `command`, or a `log`")
    return obtain(side, name, arguments, pixel, folder, None, image=False)


def _finish(comparison: PlainComparison, folder: Path) -> int:
    result = plain_report.as_json(comparison)
    suite = junit(comparison.simulator.program, plain_report.cases(comparison))
    _write(result, plain_report.as_markdown(comparison), suite, folder)
    print(printable(f"{result['status']}: {result['summary']}"))
    print((folder / DOCUMENT).with_suffix(".md"))
    return 0 if comparison.passed else 1


def _failed(names: tuple[str, str], why: str, folder: Path) -> int:
    """The verdict where a side gave nothing."""
    sides = {"reference": names[0], "candidate": names[1]}
    result = {
        "status": "fail",
        "summary": f"{printable(why)}.",
        "sides": sides,
        "root_causes": [],
        "causes": [],
        "factors": [],
    }
    text = f"# {names[1]} against {names[0]}\n\n**FAIL**: {printable(why)}.\n"
    _write(result, text, junit(names[1], [Case("run", "run", why)]), folder)
    print(printable(f"fail: {why}"))
    return 1


def _write(result: dict[str, Any], text: str, suite: str, folder: Path) -> None:
    write_atomic(folder / DOCUMENT, readable_json(result))
    write_atomic(folder / "port_audit.md", text)
    write_atomic(folder / "port_audit.junit.xml", suite)
