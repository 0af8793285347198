"""A refinement with a known answer: simulate noisy images from hidden values, and judge the recovered values.

python -m trace_audit.derivatives.refinement simulate --binary NANOBRAGG --config config/refinements/demo.yaml --out
FOLDER

python -m nanobrag_torch.refine FOLDER/refinement.yaml --out RESULT

python -m trace_audit.derivatives.refinement judge --result RESULT --truth FOLDER/truth.json

python -m trace_audit.derivatives.refinement check RESULT/verdict.json
"""

import argparse
import math
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trace_audit.config.scenario import ScenarioFiles, arguments, load_scenario, scenario_path
from trace_audit.core.commands import command_parser
from trace_audit.core.documents import read_document
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import printable, read_yaml, readable_json, write_atomic
from trace_audit.core.result_documents import RefinementResult, RefinementVerdict, Truth
from trace_audit.inputs.prepare import prepare_inputs

_FILES_OF_A_RUN = ("-nopgm", "-noprogress", "-intfile", "counts.img", "-floatfile", "photons.bin", "-adc", "0")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Exposure(_Section):
    """One image: its own flags, and the seed of its noise."""

    flags: str
    seed: Annotated[int, Field(ge=1)]


class Limits(_Section):
    """How far off a parameter may be, in its own uncertainty, and how long it may take."""

    sigmas: Annotated[float, Field(gt=0)]
    seconds: Annotated[float, Field(gt=0)]


class Demonstration(_Section):
    """A scenario to start from, the hidden values, the images, and the refinement's configuration."""

    scenario: str
    hidden: Annotated[dict[str, float], Field(min_length=1)]
    images: Annotated[list[Exposure], Field(min_length=1)]
    refinement: dict[str, Any]
    limits: Limits


def load_demonstration(path: Path) -> Demonstration:
    """Read and check a file. Raises InputError naming file, key and expectation."""
    try:
        return Demonstration.model_validate(read_yaml(path, "demonstration"))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"demonstration {path}: {key}: {first['msg']}") from error


def simulate(stated: Demonstration, binary: Path, scenario_dir: Path | None, out: Path) -> None:
    """Write the noisy images, refinement.yaml (which holds only the start values) and truth.json into `out`."""
    scenario = load_scenario(stated.scenario, scenario_dir)
    scenario_folder = scenario_path(stated.scenario, scenario_dir).parent
    out.mkdir(parents=True, exist_ok=True)
    files = prepare_inputs(scenario, out, hkl=None, scenario_folder=scenario_folder)
    names = []
    for number, exposure in enumerate(stated.images, start=1):
        start = [*arguments(scenario, files), *shlex.split(exposure.flags)]
        names.append(f"image_{number}.img")
        write_atomic(out / names[-1], _noisy_image(binary, _hidden_words(stated, start), exposure.seed))
    named = ScenarioFiles(*(Path(path.name) if path else None for path in (files.matrix, files.hkl)))
    config = {
        "flags": shlex.join(arguments(scenario, named)),
        "images": [
            {"file": name, "flags": exposure.flags, "offset_counts": 0}
            for name, exposure in zip(names, stated.images, strict=True)
        ],
        **stated.refinement,
    }
    write_atomic(out / "refinement.yaml", yaml.safe_dump(config, sort_keys=False, width=110))
    truth = {"values": {**stated.hidden, "scale": 1.0}, "limits": stated.limits.model_dump()}
    write_atomic(out / "truth.json", readable_json(truth))


def _hidden_words(stated: Demonstration, start: list[str]) -> list[str]:
    """The command line with the hidden values instead of the start values."""
    from nanobrag_torch.cli import parse
    from nanobrag_torch.errors import ExperimentError
    from nanobrag_torch.gradients import parameter
    from trace_audit.derivatives.gradient_case import same_pivot

    try:
        experiment = parse(start).experiment
        hidden = [parameter(name) for name in stated.hidden]
    except (ExperimentError, KeyError) as error:
        raise InputError(f"demonstration: {error.args[0]}") from error
    for row in hidden:
        experiment = row.put(experiment, stated.hidden[row.name])
    arguments = list(start)
    with tempfile.TemporaryDirectory(prefix="inputs-") as folder:
        for row in hidden:
            if row.flags is None or row.is_tensor:
                raise InputError(f"demonstration: hidden: {row.name} has no flag of the C program")
            arguments += row.flags(experiment, Path(folder))
    return [*arguments, *same_pivot(experiment)]


def _noisy_image(binary: Path, arguments: list[str], seed: int) -> bytes:
    from trace_audit.derivatives.gradient_case import CProgram

    with tempfile.TemporaryDirectory(prefix="nanobragg-") as folder:
        noisy = [argument for argument in arguments if argument != "-nonoise"]
        CProgram(binary.resolve()).run(
            [*noisy, *_FILES_OF_A_RUN, "-seed", str(seed), "-noisefile", "noise.img"], Path(folder)
        )
        return (Path(folder) / "noise.img").read_bytes()


def judge(result: Path, truth_file: Path) -> dict[str, Any]:
    """The verdict on a refinement: every parameter within the limit of its uncertainty, converged, in time."""
    fitted, truth = _compared(result, truth_file)
    limits = truth["limits"]
    rows, reasons = [], []
    for row in fitted["parameters"]:
        true, sigma = truth["values"][row["name"]], row["sigma"]
        off = None if not sigma else (row["value"] - true) / sigma
        rows.append({"name": row["name"], "true": true, "off_sigma": off, "start_off": row["start"] - true})
        if off is None or abs(off) > limits["sigmas"]:
            how = "is not determined" if off is None else f"is {off:+.2f} sigma off"
            reasons.append(f"{row['name']} {how}, expected at most {limits['sigmas']:g}")
    if not fitted["converged"]:
        reasons.append("the refinement did not converge")
    if fitted["seconds"] > limits["seconds"]:
        reasons.append(f"it took {fitted['seconds']:.0f} s, expected at most {limits['seconds']:.0f}")
    return {
        "status": "fail" if reasons else "pass",
        "reasons": reasons,
        "seconds": fitted["seconds"],
        "chi_square": _chi_square(fitted, truth["values"]),
        "degrees_of_freedom": len(rows),
        "parameters": rows,
    }


def _compared(result: Path, truth_file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was found, and the truth about the same parameters. Raises InputError."""
    fitted = read_document(result / "refinement.json", "refinement", RefinementResult)
    truth = read_document(truth_file, "truth", Truth)
    lacking = [row["name"] for row in fitted["parameters"] if row["name"] not in truth["values"]]
    if lacking:
        raise InputError(f"truth {truth_file}: has no value of {printable(lacking[0])}, which {result} refined")
    return fitted, truth


def _chi_square(fitted: dict[str, Any], truth: dict[str, float]) -> float | None:
    """Squared distance of the values from the truth in the metric of their covariance; None where it is singular."""
    import numpy as np

    off = np.array([row["value"] - truth[row["name"]] for row in fitted["parameters"]])
    matrix = np.array(fitted["covariance"], dtype=float)
    if not np.isfinite(matrix).all() or not (matrix.diagonal() > 0).all():
        return None
    scale = np.sqrt(matrix.diagonal())
    try:
        value = float((off / scale) @ np.linalg.solve(matrix / np.outer(scale, scale), off / scale))
    except np.linalg.LinAlgError:
        return None
    return value if math.isfinite(value) else None


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m trace_audit.derivatives.refinement", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("simulate", help="images from hidden values", allow_abbrev=False)
    make.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the C program")
    make.add_argument("--config", type=Path, required=True, metavar="FILE", help="config/refinements/demo.yaml")
    make.add_argument("--scenario-dir", type=Path, metavar="DIR", help="where scenarios are (config/scenarios)")
    make.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    verdict = commands.add_parser("judge", help="verdict.json, and the true values in report.md", allow_abbrev=False)
    verdict.add_argument("--result", type=Path, required=True, metavar="FOLDER", help="what the refinement wrote")
    verdict.add_argument("--truth", type=Path, required=True, metavar="FILE")
    verdict.add_argument("--page", type=Path, required=True, metavar="FILE", help="the report with the true values")
    verdict.add_argument("--out", type=Path, required=True, metavar="FILE", help="verdict.json")
    check = commands.add_parser("check", help="exit status 1 where a verdict is fail", allow_abbrev=False)
    check.add_argument("verdicts", type=Path, nargs="+", metavar="FILE")
    return parser


def main(argv: list[str]) -> int:
    """Simulate, judge (exit status 0 whatever the verdict) or check (1 for a verdict of fail)."""
    options = _parser().parse_args(argv)
    if options.command == "simulate":
        simulate(load_demonstration(options.config), options.binary, options.scenario_dir, options.out)
        return 0
    if options.command == "judge":
        return _judge(options)
    verdicts = {path: read_document(path, "verdict", RefinementVerdict) for path in options.verdicts}
    wrong = [(path, verdict) for path, verdict in verdicts.items() if verdict["status"] != "pass"]
    for path, verdict in wrong:
        print(f"{path}: {printable('; '.join(verdict['reasons']))}", file=sys.stderr)
    return int(bool(wrong))


def _judge(options: argparse.Namespace) -> int:
    from nanobrag_torch.refine.summary import page

    verdict = judge(options.result, options.truth)
    fitted, truth = _compared(options.result, options.truth)
    text = page(fitted, truth["values"])
    write_atomic(options.out, readable_json(verdict))
    write_atomic(options.page, text)
    print(f"{verdict['status']}: {'; '.join(verdict['reasons']) or 'every parameter recovered'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
