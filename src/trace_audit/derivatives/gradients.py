"""`python -m trace_audit.derivatives.gradients`: torch gradients against finite differences of the C program's images.

For each parameter: a sweep of steps, and the derivative of every traced key of one pixel. Written to the output folder:
PARAMETER.json and PARAMETER.png each, and gradients.json with all verdicts. `check` reads that file and judges.

    python -m trace_audit.derivatives.gradients run --binary NANOBRAGG --config SCENARIO --out FOLDER
        [--parameter NAME ...] [--backend compiled] [--device cuda]
    python -m trace_audit.derivatives.gradients check FOLDER/gradients.json ...
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trace_audit.config.scenario import add_scenario_options, arguments, load_scenario
from trace_audit.core.commands import command_parser
from trace_audit.core.documents import read_document
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import printable, readable_json, sha256_of_file, write_atomic
from trace_audit.core.result_documents import GradientSummary
from trace_audit.inputs.prepare import prepared_files
from trace_audit.programs.environment import code_of, operation_by_operation

SUMMARY = "gradients.json"


def audited_parameters(names: Sequence[str]) -> list[str]:
    """The parameters called `names`; without names, all with a flag in the C program. Raises InputError."""
    from nanobrag_torch.gradients import parameter, parameters

    try:
        return [parameter(name).name for name in names] or [p.name for p in parameters().values() if p.flags]
    except KeyError as error:
        raise InputError(f"--parameter: {error.args[0]}") from error


def audit(
    name: str, arguments: Sequence[str], binary: Path, folder: Path, hooks: Any = None, device: str = "cpu"
) -> tuple[dict[str, Any], bytes]:
    """The record of one parameter on the experiment of a command line, and its plot as PNG.

    `folder` takes input files; `hooks` are those of the torch program. Raises InputError where the parameter cannot be
    audited there.
    """
    from nanobrag_torch.gradients import parameter
    from trace_audit.derivatives.gradient_blame import blame
    from trace_audit.derivatives.gradient_case import CProgram, prepare
    from trace_audit.derivatives.gradient_plot import error_plot
    from trace_audit.derivatives.gradient_sweep import BLAME_STEP, TOLERANCE, sweep

    audited = parameter(name)
    case = prepare(audited, arguments, CProgram(binary.resolve()), folder, hooks, device)
    swept = sweep(case)
    failure, pixel = swept.failure, swept.worst_pixel
    image = None if failure is None else (float(swept.torch_gradient[pixel]), swept.path)
    stages = blame(case, pixel, swept.points[BLAME_STEP].step, image)
    if failure is None and stages.root_keys:
        failure = f"the derivative of traced key {stages.root_keys[0]} differs from the C program's"
    record = {
        "parameter": name,
        "status": "pass" if failure is None else "fail",
        "reason": failure,
        "field": audited.field,
        "element": list(case.index),
        "unit": audited.unit.name,
        "value": case.start,
        "tolerance_of_peak": TOLERANCE,
        **swept.record(),
        "blame": stages.record(),
    }
    return record, error_plot(record)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m trace_audit.derivatives.gradients", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="audit parameters of a scenario", allow_abbrev=False)
    run.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the C program")
    add_scenario_options(run)
    run.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    run.add_argument("--parameter", nargs="+", default=[], metavar="NAME", help="these only (all that have a flag)")
    run.add_argument("--backend", choices=("eager", "compiled"), help="what makes torch's image and gradient (eager)")
    run.add_argument("--device", default="cpu", help="where torch's image and gradient are made (cpu)")
    check = commands.add_parser("check", help="exit status 1 where a parameter failed", allow_abbrev=False)
    check.add_argument("summaries", type=Path, nargs="+", metavar="FILE")
    return parser


def main(argv: list[str]) -> int:
    """Audit gradients (exit status 0, even if one is wrong), or judge the results (1 if one is wrong)."""
    options = _parser().parse_args(argv)
    if options.command == "check":
        return _check(options.summaries)
    with code_of(options.backend) if options.backend else operation_by_operation():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    names = audited_parameters(options.parameter)
    scenario = load_scenario(options.config, options.scenario_dir)
    if not options.binary.is_file():
        raise InputError(f"reference binary {options.binary}: no such file; build it with make -C src/nanobragg_c")
    rows = []
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        files = prepared_files(options, scenario, Path(inputs))
        flags = arguments(scenario, files)
        for name in names:
            record, plot = audit(name, flags, options.binary, Path(inputs), device=options.device)
            write_atomic(options.out / f"{name}.json", readable_json({"scenario": scenario.name, **record}))
            write_atomic(options.out / f"{name}.png", plot)
            rows.append(_row(record))
            print(_sentence(rows[-1]), file=sys.stderr)
    summary = {
        "scenario": scenario.name,
        "status": "pass" if all(row["status"] == "pass" for row in rows) else "fail",
        "binary_sha256": sha256_of_file(options.binary),
        "input_sha256": files.hashes() if scenario.structure_factors.file else {},
        "parameters": rows,
    }
    write_atomic(options.out / SUMMARY, readable_json(summary))
    return 0


def _row(record: dict[str, Any]) -> dict[str, Any]:
    best = record["best_agreement"]
    return {
        "parameter": record["parameter"],
        "status": record["status"],
        "best_agreement_of_peak": None if best is None else best["error_of_peak"],
        "fitted_slope": record["fitted_slope"],
        "stages_to_blame": record["blame"]["stages_to_blame"],
        "reason": record["reason"],
    }


def _sentence(row: dict[str, Any]) -> str:
    best, slope = row["best_agreement_of_peak"], row["fitted_slope"]
    agrees = "no step usable" if best is None else f"agrees to {best:.1e} of the peak"
    falls = "linear or quadratic" if slope is None else f"error falls as step^{slope:.2f}"
    stages = f"; stage to blame: {', '.join(row['stages_to_blame'])}" if row["stages_to_blame"] else ""
    reason = f"; {row['reason']}" if row["reason"] else ""
    return f"{row['status']} {row['parameter']}: {agrees}, {falls}{reason}{stages}"


def _check(summaries: list[Path]) -> int:
    failed = False
    for path in summaries:
        summary = read_document(path, "summary of gradients", GradientSummary)
        rows = summary["parameters"]
        wrong = [row for row in rows if row["status"] != "pass"]
        verdict = f"{summary['scenario']}: {len(rows) - len(wrong)} of {len(rows)} gradients pass"
        print("\n".join(printable(line) for line in (verdict, *map(_sentence, wrong))), file=sys.stderr)
        failed = failed or bool(wrong) or not rows
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(run_command(main))
