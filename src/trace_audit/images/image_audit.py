"""`python -m trace_audit.images.image_audit`: two images of a scenario in, a verdict out.

Exit status 0 pass, 1 fail, 2 bad input.

The five worst pixels and those that the scenario names are traced in both programs and compared factor by factor, so
that a failing image comes with the factor at fault. Evidence for a failing pixel goes to `pixels/` beside the verdict,
and the experiment to `config_snapshot.json`.
"""

import os

os.environ["KMP_DUPLICATE_LIB_OK"] = "TRUE"  # before torch is imported: two OpenMP runtimes may meet in one process

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trace_audit.compare.cause import names_of
from trace_audit.compare.comparison import NAMES, SIDES, Side
from trace_audit.compare.skipped import skipped_verdict, why_skipped
from trace_audit.config.device import choose_device
from trace_audit.config.scenario import ScenarioFiles, add_scenario_options, arguments, load_scenario
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, sha256_of_file, write_atomic
from trace_audit.core.markdown import cell, table
from trace_audit.images.image_comparison import (
    ImageComparison,
    allowed_of_peak,
    bars,
    bars_sha256,
    compare_images,
    read_image,
)
from trace_audit.images.image_pixels import Tracer, trace_pixels
from trace_audit.inputs.prepare import prepared_files
from trace_audit.programs.reference import DEFAULT_TIME_LIMIT_S, named_words


def document(
    scenario: Scenario,
    device: str,
    dtype: str,
    comparison: ImageComparison,
    rows: list[dict[str, Any]],
    names: tuple[str, str] = NAMES,
) -> dict[str, Any]:
    """The verdict as JSON-ready data. It has the keys of a trace comparison that the gate and the ledger read."""
    allowed = allowed_of_peak(dtype)
    agrees = comparison.agrees(dtype)
    failed = [row for row in rows if row["status"] == "fail"]
    root_causes = list(dict.fromkeys(key for row in failed for key in row["root_causes"]))
    of_peak = [("image", comparison.of_peak, "pass" if agrees else "fail")]
    of_keys = [(key, relative, "fail") for row in failed for key, relative in row["failed_keys"].items()]
    return {
        "status": "pass" if agrees and not failed else "fail",
        "summary": _sentence(comparison, dtype, failed, names),
        "sides": {"reference": names[0], "candidate": names[1]},
        "scenario": scenario.name,
        "device": device,
        "dtype": dtype,
        "root_causes": root_causes,
        "attribution": [],
        "worst": {"key": "image", "relative_difference": comparison.of_peak},
        "tolerance_relative": allowed,
        "tolerances_sha256": bars_sha256(),
        "shape_slow_fast": [scenario.detector.pixels_slow, scenario.detector.pixels_fast],
        **_measured(comparison),
        "counts": _counts(scenario, comparison, rows),
        "traces": rows,
        "factors": [
            {"key": key, "relative_difference": relative, "verdict": outcome}
            for key, relative, outcome in [*of_peak, *of_keys]
        ],
        "problems": [problem for row in failed for problem in row["problems"]],
        "multiply_back": {"c": [], "py": []},
    }


def _measured(comparison: ImageComparison) -> dict[str, Any]:
    """What was measured between the two images."""
    return {
        "peak": comparison.peak,
        "worst_difference_of_peak": comparison.of_peak,
        "worst_relative_difference": comparison.relative,
        "worst_relative_pixel_slow_fast": comparison.relative_pixel,
        "relative_differences_above_of_peak": bars()["faint_of_peak"],
        "correlation": comparison.correlation,
        "worst_pixels": [asdict(pixel) for pixel in comparison.worst],
        "remarks": list(comparison.remarks),
    }


def _counts(scenario: Scenario, comparison: ImageComparison, rows: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "pixels": scenario.detector.pixels_slow * scenario.detector.pixels_fast,
        "pixels_above_faint": comparison.judged_relative,
        "traced": len(rows),
        "traced_failed": sum(row["status"] == "fail" for row in rows),
        "factors_compared": sum(row["factors_compared"] for row in rows),
    }


def _sentence(comparison: ImageComparison, dtype: str, failed: list[dict[str, Any]], names: tuple[str, str]) -> str:
    """The result in one sentence."""
    allowed = allowed_of_peak(dtype)
    text = f"the images differ by {comparison.of_peak:.1e} of the peak, allowed {allowed:.0e}"
    if comparison.agrees(dtype) and not failed:
        return f"{' and '.join(names)} agree: {text}, and every traced factor agrees."
    first = failed[0] if failed else None
    text = text[:1].upper() + text[1:]
    if first:
        text += f"; pixel ({first['slow']}, {first['fast']}): {first['summary']}"
    elif comparison.remarks:
        text += f"; {comparison.remarks[0]}."
    return text if text.endswith(".") else text + "."


def markdown(result: dict[str, Any]) -> str:
    """The verdict for people."""
    text = f"# Image parity of {result['scenario']}: {result['status']}\n\n{cell(result['summary'])}\n\n"
    pixel = result["worst_relative_pixel_slow_fast"]
    rows = [
        ("device, dtype, backend", f"{result['device']}, {result['dtype']}, {result['backend']}"),
        ("peak (photons)", result["peak"]),
        ("worst difference over the peak", f"{result['worst_difference_of_peak']:.2e}"),
        ("allowed", f"{result['tolerance_relative']:.0e}"),
        (
            f"worst relative difference above {result['relative_differences_above_of_peak']:.0e} of the peak",
            f"{result['worst_relative_difference']:.2e}" + (f" at ({pixel[0]}, {pixel[1]})" if pixel else ""),
        ),
        ("correlation (information only)", "none" if result["correlation"] is None else result["correlation"]),
    ]
    text += table(("", ""), rows)
    text += "".join(f"\nRemark: {cell(remark)}.\n" for remark in result["remarks"])
    worst = [
        (f"({p['slow']}, {p['fast']})", p["c"], p["py"], f"{p['of_peak']:.2e}", f"{p['relative']:.2e}")
        for p in result["worst_pixels"]
    ]
    text += "\n## Worst pixels (slow, fast)\n\n" + table(
        ("pixel", *names_of(result).values(), "of peak", "relative"), worst
    )
    traced = [
        (f"({r['slow']}, {r['fast']})", r["status"], ", ".join(r["root_causes"]), r["factors_compared"], r["summary"])
        for r in result["traces"]
    ]
    return text + "\n## Traced pixels\n\n" + table(("pixel", "verdict", "root causes", "factors", "summary"), traced)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.images.image_audit", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--c-image", type=Path, required=True, metavar="FILE", help="float image of the reference")
    parser.add_argument("--py-image", type=Path, required=True, metavar="FILE", help="float image of torch")
    add_scenario_options(parser)
    parser.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the reference, for the traces")
    parser.add_argument("--whole-image", action="store_true", help="trace it over all pixels, as a historic one needs")
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")
    parser.add_argument("--names", nargs=2, default=NAMES, metavar=("REFERENCE", "CANDIDATE"), help="of the sides")
    parser.add_argument("--device", default="cpu", help="device of the torch image and traces")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="dtype of the same")
    parser.add_argument(
        "--backend", choices=("eager", "compiled"), default="eager", help="what made the torch image, and traces"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the verdict, image_parity.json")
    parser.add_argument("--md", type=Path, metavar="FILE", help="the same for people, Markdown")
    return parser


def main(argv: list[str]) -> int:
    """Read both images, compare, trace, write the verdict, print the sentence."""
    options = _parser().parse_args(argv)
    scenario = load_scenario(options.config, options.scenario_dir)
    if not options.binary.is_file():
        raise InputError(f"--binary {options.binary}: no such file; build it with make -C src/nanobragg_c")
    record = options.py_image.with_name("py_image_run.json")
    reason = why_skipped(record) if record.is_file() else ""
    if reason:
        return _skip(options, scenario, reason)
    options.device = choose_device(options.device).used
    result, snapshot = _audited(options, scenario)
    write_atomic(options.out.parent / "config_snapshot.json", readable_json(snapshot))
    if options.md:
        write_atomic(options.md, markdown(result))
    write_atomic(options.out, readable_json(result))
    print(f"{result['status']}: {result['summary']}")
    return 0 if result["status"] == "pass" else 1


def _audited(options: argparse.Namespace, scenario: Scenario) -> tuple[dict[str, Any], dict[str, Any]]:
    """The verdict on two images, and the experiment as it was."""
    shape = scenario.detector.pixels_slow, scenario.detector.pixels_fast
    names = (options.names[0], options.names[1])
    paths: dict[Side, Path] = {"c": options.c_image, "py": options.py_image}
    images = {side: read_image(path, shape, names[SIDES.index(side)]) for side, path in paths.items()}
    comparison = compare_images(images["c"], images["py"], names)
    pixels = [*((p.slow, p.fast) for p in comparison.worst), *((slow, fast) for slow, fast in scenario.pixels)]
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        files = prepared_files(options, scenario, Path(inputs))
        of_run = options.whole_image, options.time_limit_s, names, options.backend
        tracer = Tracer(scenario, files, options.binary, options.device, options.dtype, *of_run)
        rows = list(trace_pixels(tracer, images, pixels, options.out.parent / "pixels"))
        worst = comparison.worst[0]
        snapshot = _snapshot(scenario, files, options, (worst.slow, worst.fast))
    result = document(scenario, options.device, options.dtype, comparison, rows, names) | {"backend": options.backend}
    return result | {"reference_sha256": sha256_of_file(options.binary)}, snapshot


def _skip(options: argparse.Namespace, scenario: Scenario, reason: str) -> int:
    """Write that nothing was compared, and why."""
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        files = prepared_files(options, scenario, Path(inputs))
        slow, fast = scenario.pixels[0]
        snapshot = _snapshot(scenario, files, options, (slow, fast))
    result = skipped_verdict(reason) | {"scenario": scenario.name, "device": options.device, "dtype": options.dtype}
    result["backend"] = options.backend
    write_atomic(options.out.parent / "config_snapshot.json", readable_json(snapshot | {"skipped": reason}))
    if options.md:
        title = f"# Image parity of {result['scenario']}: {result['status']}"
        write_atomic(options.md, f"{title}\n\n{cell(result['summary'])}\n")
    write_atomic(options.out, readable_json(result))
    return 0


def _snapshot(
    scenario: Scenario, files: ScenarioFiles, options: argparse.Namespace, pixel: tuple[int, int]
) -> dict[str, Any]:
    return {
        "scenario": scenario.model_dump(mode="json"),
        "pixel_slow_fast": list(pixel),
        "device": options.device,
        "dtype": options.dtype,
        "backend": options.backend,
        "arguments": named_words(arguments(scenario, files), files),
        "input_sha256": files.hashes(),
        "tolerances_sha256": bars_sha256(),
    }


if __name__ == "__main__":
    raise SystemExit(run_command(main))
