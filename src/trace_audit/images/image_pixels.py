"""From a pixel of an image to the factor that differs: trace it in both programs and compare the traces."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trace_audit.compare.blame import blame
from trace_audit.compare.comparison import NAMES, SIDES, Side
from trace_audit.compare.comparison import compare as compare_traces
from trace_audit.compare.markdown_report import comparison_markdown, summary_markdown
from trace_audit.compare.verdict import verdict
from trace_audit.config.scenario import ScenarioFiles
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.images.image_comparison import bars
from trace_audit.programs.environment import code_of
from trace_audit.programs.reference import run_program, trace_words
from trace_audit.trace.log import trace_log
from trace_audit.trace.parse import Trace, parse_trace


@dataclass(frozen=True)
class Tracer:
    """How both programs trace a pixel of a scenario."""

    scenario: Scenario
    files: ScenarioFiles
    binary: Path
    device: str
    dtype: str
    whole_image: bool
    time_limit_s: float
    names: tuple[str, str] = NAMES
    backend: str = "eager"

    def c_log(self, slow: int, fast: int) -> str:
        """The trace lines of the C program. Raises InputError if it fails."""
        argv = trace_words(self.scenario, self.files, (slow, fast), self.whole_image)
        run = run_program(self.binary.resolve(), [*argv, "-nopgm"], self.time_limit_s)
        if failure := run.failure(self.time_limit_s):
            raise InputError(f"reference program {self.binary}, traced at pixel {slow} {fast}, {failure}")
        return trace_log(run.stdout.decode(errors="replace"), f"reference program {self.binary}")

    def py_log(self, slow: int, fast: int) -> str:
        """The trace lines of the torch program. Raises InputError if it refuses."""
        import torch

        from nanobrag_torch.cli import parse
        from nanobrag_torch.trace import trace_lines
        from trace_audit.programs.harness import torch_words

        try:
            invocation = parse(torch_words(self.scenario, self.files, (slow, fast), self.device, self.dtype))
            dtype = getattr(torch, self.dtype)
            with code_of(self.backend):
                lines = list(trace_lines(invocation.experiment, slow, fast, device=self.device, dtype=dtype))
        except ValueError as error:
            raise InputError(f"torch program, traced at pixel {slow} {fast}: {error}") from error
        return "".join(f"{line}\n" for line in lines)


def trace_pixels(
    tracer: Tracer, images: dict[Side, np.ndarray], pixels: Iterable[tuple[int, int]], evidence: Path
) -> Iterator[dict[str, Any]]:
    """The verdict on each traced pixel (slow, fast). Logs and comparison of a pixel that fails go below `evidence`."""
    if evidence.exists():
        shutil.rmtree(evidence)
    names = dict(zip(SIDES, tracer.names, strict=True))
    faint = bars()["faint_of_peak"] * max(float(np.abs(image).max()) for image in images.values())
    for slow, fast in dict.fromkeys(pixels):
        photons: dict[Side, float] = {side: float(image[slow, fast]) for side, image in images.items()}
        if not tracer.scenario.computes(slow, fast):
            yield _not_computed(slow, fast, photons, names)
            continue
        logs = tracer.c_log(slow, fast), tracer.py_log(slow, fast)
        c, py = (parse_trace(log.splitlines()) for log in logs)
        comparison = compare_traces(c, py, tracer.names)
        result = verdict(comparison, blame(comparison), None)
        traces: dict[Side, Trace] = {"c": comparison.c, "py": comparison.py}
        mismatches = [
            _mismatch(names[side], photons[side], trace.number("floatimage_accumulated"), faint)
            for side, trace in traces.items()
        ]
        row = _row(slow, fast, result, [mismatch for mismatch in mismatches if mismatch])
        if row["status"] == "fail":
            _keep(evidence / f"S{slow}_F{fast}", logs, result)
        yield row


def _row(slow: int, fast: int, result: dict[str, Any], mismatches: list[tuple[str, str]]) -> dict[str, Any]:
    failed: dict[str, float] = {}
    for factor in result["factors"]:
        if factor["verdict"] == "fail":
            failed[factor["key"]] = max(failed.get(factor["key"], 0.0), factor["relative_difference"])
    sentences = [result["summary"]] if result["status"] == "fail" or not mismatches else []
    return {
        "slow": slow,
        "fast": fast,
        "status": "fail" if mismatches or result["status"] == "fail" else "pass",
        "root_causes": [*result["root_causes"], *(key for key, _ in mismatches)],
        "summary": " ".join([*sentences, *(sentence for _, sentence in mismatches)]),
        "worst_key": result["worst"]["key"] if result["worst"] else None,
        "worst_relative_difference": result["worst"]["relative_difference"] if result["worst"] else None,
        "factors_compared": result["counts"]["compared"],
        "failed_keys": failed,
        "problems": result["problems"],
    }


def _mismatch(name: str, photons: float, traced: float | None, faint: float) -> tuple[str, str] | None:
    """Name the program whose image disagrees with its own trace of the pixel."""
    if traced is None or abs(photons - traced) <= bars()["image_and_trace"] * max(abs(photons), abs(traced), faint):
        return None
    return f"image_of_{name}", (
        f"The {name} image holds {photons:.9g} where the {name} trace of the same pixel ends with {traced:.9g}: "
        "the factors are right, the image is not."
    )


def _not_computed(slow: int, fast: int, photons: dict[Side, float], names: dict[Side, str]) -> dict[str, Any]:
    """A pixel that is masked or outside the region of interest must be 0 in both images."""
    wrong = [side for side, value in photons.items() if value != 0]
    sentences = [
        f"The {names[side]} image holds {photons[side]:.9g} where nothing is to be computed (mask, region)."
        for side in wrong
    ]
    return {
        "slow": slow,
        "fast": fast,
        "status": "fail" if wrong else "pass",
        "root_causes": [f"image_of_{names[side]}" for side in wrong],
        "summary": " ".join(sentences) or "Masked or outside the region of interest: 0 in both images.",
        "worst_key": None,
        "worst_relative_difference": None,
        "factors_compared": 0,
        "failed_keys": {},
        "problems": [],
    }


def _keep(folder: Path, logs: tuple[str, str], result: dict[str, Any]) -> None:
    for name, log in zip(("c_trace_scaling.log", "trace_py_scaling.log"), logs, strict=True):
        write_atomic(folder / name, log)
    write_atomic(folder / "compare_scaling_traces.json", readable_json(result))
    write_atomic(folder / "compare_scaling_traces.md", comparison_markdown(result))
    write_atomic(folder / "diff_summary.md", summary_markdown(result))
