"""Both programs on one experiment, for the report: two images, or why there is none. Nothing is kept but the pixels."""

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trace_audit.config.device import choose_device
from trace_audit.config.scenario import add_scenario_options, arguments, scenario_path
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError
from trace_audit.images.image_comparison import read_image
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.programs.environment import operation_by_operation
from trace_audit.programs.image_run import run_c, run_torch
from trace_audit.programs.reference import DEFAULT_TIME_LIMIT_S, ProgramRun


@dataclass(frozen=True)
class TwoImages:
    """Photons, each (slow, fast), of both programs; None with the reason in `failure` where one of them failed."""

    c: np.ndarray | None
    py: np.ndarray | None
    failure: str | None
    beam_centre_slow_fast: tuple[float, float] | None  # in pixels, as `beam_centre_pixels` has it


def add_options(parser: argparse.ArgumentParser) -> None:
    """What has to be known to simulate a scenario with both programs."""
    parser.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the C program")
    add_scenario_options(parser)
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, auto")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")


def simulate_both(scenario: Scenario, options: argparse.Namespace, more_words: list[str]) -> TwoImages:
    """The images of `scenario` with `more_words` on both command lines, each within the time limit of `options`."""
    shape = scenario.detector.pixels_slow, scenario.detector.pixels_fast
    found: dict[str, np.ndarray | None] = {"c": None, "py": None}
    failure = None
    with tempfile.TemporaryDirectory(prefix="images-") as away:
        folder = scenario_path(options.config, options.scenario_dir).parent
        files = prepare_inputs(scenario, Path(away), hkl=options.hkl, scenario_folder=folder)
        words = [*arguments(scenario, files), *more_words]
        c_image, py_image = Path(away) / "c.bin", Path(away) / "py.bin"
        runs: tuple[tuple[str, str, Callable[[], ProgramRun], Path], ...] = (
            ("c", "C", lambda: run_c(options.binary, words, c_image, options.time_limit_s), c_image),
            ("py", "torch", lambda: _torch_on(options, words, py_image), py_image),
        )
        for side, program, run, image in runs:
            try:
                why = run().failure(options.time_limit_s)
                if why:
                    raise InputError(f"the {program} program {why}")
                found[side] = read_image(image, shape, program)
            except InputError as error:
                failure = failure or str(error)
        centre = None if failure else beam_centre_pixels(words)
    return TwoImages(found["c"], found["py"], failure, centre)


def beam_centre_pixels(words: list[str]) -> tuple[float, float] | None:
    """Where the beam meets the plane of the detector: (slow, fast) in pixels from the outer corner of pixel (0, 0).

    None if it never does, since the detector is parallel to it or behind the sample.
    """
    import torch

    from nanobrag_torch.cli import parse
    from nanobrag_torch.parameters import defects
    from nanobrag_torch.physics import detector, placement

    try:
        experiment = parse(words).experiment
        g = detector.build(experiment.detector, defects.active(experiment.defects), torch.device("cpu"))
    except ValueError:  # such a detector is refused
        return None
    towards = placement.ratio(g.beam_vector, g.odet)
    distance_m = placement.distance_m(placement.plane_distance_m(g.pix0_m, g.odet), towards)
    if towards.abs() < 1e-9 or distance_m <= 0:
        return None
    on_plane = distance_m * g.beam_vector - g.pix0_m
    slow, fast = (float(torch.dot(on_plane, axis) / g.pixel_size_m) for axis in (g.sdet, g.fdet))
    return slow, fast


def _torch_on(options: argparse.Namespace, words: list[str], image: Path) -> ProgramRun:
    """The torch program on the device of `options`. Raises InputError where that is not there."""
    device = choose_device(options.device).used
    if device is None:
        raise InputError(f"torch program: device {options.device} is not there")
    with operation_by_operation():
        return _torch_within(options.time_limit_s, words, image, device, options.dtype)


def _torch_within(time_limit_s: float, words: list[str], image: Path, device: str, dtype: str) -> ProgramRun:
    """The torch program in a process of its own, which is stopped at the time limit."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(run_torch, (words, image, device, dtype)).get(time_limit_s)
        except multiprocessing.TimeoutError:
            return ProgramRun(None, b"", b"", {})
