"""Both programs on one experiment, for the report: two images, or why there are none. Only pixels are kept."""

import multiprocessing
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trace_audit.config.device import choose_device
from trace_audit.config.scenario import arguments
from trace_audit.core.errors import InputError
from trace_audit.images.audited import Audited
from trace_audit.images.image_comparison import read_image
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.programs.environment import code_of
from trace_audit.programs.image_run import run_c, run_torch
from trace_audit.programs.reference import ProgramRun


@dataclass(frozen=True)
class TwoImages:
    """Photons, each (slow, fast), of both programs; None with the reason in `failure` where one of them failed."""

    c: np.ndarray | None
    py: np.ndarray | None
    failure: str | None
    beam_centre_slow_fast: tuple[float, float] | None  # in pixels, as `beam_centre_pixels` has it


def simulate_both(audited: Audited, time_limit_s: float, roi: list[str]) -> TwoImages:
    """The images of an audit's programs, within the region `roi` (arguments, none for all), each within the time limit.

    A C program that was traced over the whole image computes the whole image here too.
    """
    panel = audited.scenario.detector
    images: dict[str, np.ndarray | None] = {"c": None, "py": None}
    failure = audited.gone or None
    if failure:
        return TwoImages(None, None, failure, None)
    with tempfile.TemporaryDirectory(prefix="images-") as away:
        files = prepare_inputs(audited.scenario, Path(away), hkl=audited.hkl, scenario_folder=Path(away))
        argv = arguments(audited.scenario, files)
        c_words = argv if audited.whole_image else [*argv, *roi]
        c_image, py_image = Path(away) / "c.bin", Path(away) / "py.bin"
        binary = audited.binary or Path(audited.program)
        runs: tuple[tuple[str, str, Callable[[], ProgramRun], Path], ...] = (
            ("c", "C", lambda: run_c(binary, c_words, c_image, time_limit_s), c_image),
            ("py", "torch", lambda: _torch(audited, time_limit_s, [*argv, *roi], py_image), py_image),
        )
        for side, program, run, image in runs:
            try:
                why = run().failure(time_limit_s)
                if why:
                    raise InputError(f"the {program} program {why}")
                images[side] = read_image(image, (panel.pixels_slow, panel.pixels_fast), program)
            except InputError as error:
                failure = failure or str(error)
        centre = None if failure else beam_centre_pixels(argv)
    return TwoImages(images["c"], images["py"], failure, centre)


def beam_centre_pixels(argv: list[str]) -> tuple[float, float] | None:
    """Where the beam meets the plane of the detector: (slow, fast) in pixels from the outer corner of pixel (0, 0).

    None if it never does, since the detector is parallel to it or behind the sample.
    """
    import torch

    from nanobrag_torch.cli import parse
    from nanobrag_torch.parameters import defects
    from nanobrag_torch.physics import detector, placement

    try:
        experiment = parse(argv).experiment
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


def _torch(audited: Audited, time_limit_s: float, argv: list[str], image: Path) -> ProgramRun:
    """The torch program as it was audited. Raises InputError if its device is absent."""
    if choose_device(audited.device, allow_missing=True).used is None:
        raise InputError(f"torch program: device {audited.device} of the audit is not available here")
    with code_of(audited.backend):
        return _torch_within(time_limit_s, argv, image, audited.device, audited.dtype)


def _torch_within(time_limit_s: float, argv: list[str], image: Path, device: str, dtype: str) -> ProgramRun:
    """The torch program in a process of its own, which is stopped at the time limit."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(run_torch, (argv, image, device, dtype)).get(time_limit_s)
        except multiprocessing.TimeoutError:
            return ProgramRun(None, b"", b"", {})
