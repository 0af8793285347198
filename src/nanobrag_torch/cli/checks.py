"""What must be true of the flags and their files before an image is simulated. Torch is not needed here."""

from __future__ import annotations

import math

import numpy as np

from nanobrag_torch.cli.settings import Section, Settings
from nanobrag_torch.cli.tokens import UsageError
from nanobrag_torch.io.reading import LONGEST_M, SHORTEST_M
from nanobrag_torch.parameters import Beam, Detector
from nanobrag_torch.parameters.conventions import CONVENTIONS, pixel_counts
from nanobrag_torch.physics import sampling

MAX_PIXELS = 2**31 - 1
MAX_CELLS = 1e15
SHORTEST_AXIS_A, LONGEST_AXIS_A = 1e-6, 1e9


def check_sense(settings: Settings) -> None:
    """Combinations that cannot give an image, each with what to type instead."""
    files, panel = settings.files, settings.detector
    if not settings.structure_factors.get("default_F") and not {"-hkl", "-dumpfile"} & set(files):
        raise UsageError(
            "no structure factors: expected -hkl FILE or -default_F (electrons, not 0); --help lists all flags"
        )
    has_cell = "-mat" in files or "cell_lengths_A" in settings.crystal
    if not has_cell and "-hkl" not in files:
        raise UsageError("no unit cell: expected -cell a b c alpha beta gamma or -mat FILE; --help lists all flags")
    exposed = settings.beam.get("flux_photons_per_s") and settings.beam.get("exposure_s", 1.0) > 0
    if exposed and settings.beam.get("beamsize_m") == 0:
        raise UsageError("-beamsize is 0 mm, expected above 0 with -flux (fluence = flux exposure / beamsize^2)")
    lengths = {
        "-lambda": settings.beam.get("wavelength_m", 1e-10),
        **{f"-{name}": panel.get(f"{name}_m") for name in ("distance", "close_distance")},
        "-pixel": panel.get("pixel_size_m"),
    }
    for flag, length_m in lengths.items():
        if length_m is not None and not SHORTEST_M <= abs(length_m) <= LONGEST_M:
            raise UsageError(f"{flag}: {length_m:g} m, expected {SHORTEST_M:g} to {LONGEST_M:g} m; check its unit")
    if "roi" in panel:
        x_min, x_max, y_min, y_max = panel["roi"]
        for low, high, axis in ((x_min, x_max, "x"), (y_min, y_max, "y")):
            if 0 <= high < low:
                raise UsageError(f"-roi: {axis}min {low} is above {axis}max {high}, expected xmin xmax ymin ymax")


def check_detector(settings: Settings) -> None:
    """The detector has pixels, not too many, and axes that span a plane; the region of interest is on it."""
    panel = Detector(**settings.detector)
    n_fast, n_slow, _, _ = pixel_counts(panel)
    if n_fast * n_slow > MAX_PIXELS:
        raise UsageError(f"-detpixels: {n_fast} x {n_slow} pixels, expected at most {MAX_PIXELS} in all")
    _check_roi(panel, n_fast, n_slow)
    _check_axes(panel)


def check_sampling(settings: Settings, defects: frozenset[str]) -> None:
    """Steps without a range are refused here, before anything large is read. Raises ExperimentError."""
    sampling.source_grids(Beam(**settings.beam), defects)


def _check_roi(panel: Detector, n_fast: int, n_slow: int) -> None:
    if panel.roi is None:
        return
    for low, n, axis in ((panel.roi[0], n_fast, "x"), (panel.roi[2], n_slow, "y")):
        if low >= n:
            raise UsageError(f"-roi: {axis}min is {low}, expected below {n}, the number of pixels")


def _check_axes(panel: Detector) -> None:
    """Fast and slow must span a plane."""
    if panel.convention != "CUSTOM":
        return
    habit = CONVENTIONS["CUSTOM"]
    fast, slow = (
        np.array(given or default, dtype=np.float64)
        for given, default in ((panel.fdet_vector, habit.fdet_vector), (panel.sdet_vector, habit.sdet_vector))
    )
    fast, slow = fast / np.linalg.norm(fast), slow / np.linalg.norm(slow)
    if np.linalg.norm(np.cross(fast, slow)) < 1e-9:
        raise UsageError("-fdet_vector and -sdet_vector are parallel, expected two directions that span the detector")


def check_cell(crystal: Section, matrix: np.ndarray | None, beam: Beam) -> None:
    """The axes of the unit cell, and the number of cells along each, are what some crystal could have."""
    lengths_A = crystal.get("cell_lengths_A")
    if lengths_A is None:
        if matrix is None:
            raise UsageError("no unit cell: expected -cell a b c alpha beta gamma or -mat FILE; --help lists all flags")
        star = matrix * (1e-10 / beam.wavelength_m)
        with np.errstate(all="ignore"):
            lengths_A = np.linalg.norm(np.cross(star[:, [1, 2, 0]].T, star[:, [2, 0, 1]].T), axis=1)
            lengths_A = lengths_A / abs(np.dot(star[:, 0], np.cross(star[:, 1], star[:, 2])))
    for name, length_A in zip("abc", lengths_A, strict=True):
        if not SHORTEST_AXIS_A <= length_A <= LONGEST_AXIS_A:
            raise UsageError(
                f"cell axis {name} is {length_A:g} A long, expected from {SHORTEST_AXIS_A:g} to {LONGEST_AXIS_A:g} A: "
                "check -cell, -mat and -lambda"
            )
    limits_m = (math.inf, beam.beamsize_m, beam.beamsize_m)
    for size_m, limit_m, length_A in zip(crystal.get("sample_size_m", (0, 0, 0)), limits_m, lengths_A, strict=True):
        if min(size_m, limit_m) / (1e-10 * length_A) > MAX_CELLS:
            raise UsageError(
                f"-samplesize: {size_m:g} m holds more than {MAX_CELLS:g} cells along an axis, expected at most that: "
                "check its unit, mm"
            )


def check_pixel(flag: str, pixel: tuple[int, int], panel: Detector, mask: np.ndarray | None) -> None:
    """A pixel whose factors are printed is on the detector and computed."""
    n_fast, n_slow, _, _ = pixel_counts(panel)
    slow, fast = pixel
    if slow >= n_slow or fast >= n_fast:
        raise UsageError(f"{flag}: slow {slow} fast {fast} is off the detector, expected below {n_slow} and {n_fast}")
    x_min, x_max, y_min, y_max = panel.roi or (-1, -1, -1, -1)
    if fast < x_min or slow < y_min or 0 <= x_max < fast or 0 <= y_max < slow:
        raise UsageError(f"{flag}: slow {slow} fast {fast} is outside -roi, expected a pixel that is computed")
    if mask is not None and not bool(mask[slow, fast]):
        raise UsageError(f"{flag}: slow {slow} fast {fast} is masked, expected a pixel that is computed")
