"""What must be true of the flags and their files before an image is simulated. Torch is not needed here."""

from __future__ import annotations

import numpy as np

from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.tokens import UsageError
from nanobrag_torch.io.reading import LONGEST_M, SHORTEST_M
from nanobrag_torch.parameters import Beam, Detector
from nanobrag_torch.parameters.conventions import CONVENTIONS, pixel_counts
from nanobrag_torch.physics import sampling

MAX_PIXELS = 2**31 - 1


def check_sense(settings: Settings) -> None:
    """Combinations that cannot give an image, each with what to type instead."""
    files, panel = settings.files, settings.detector
    if not settings.structure_factors.get("default_F") and not {"-hkl", "-dumpfile"} & set(files):
        raise UsageError(
            "no structure factors: expected -hkl FILE or -default_F (electrons, not 0); --help lists all flags"
        )
    if "hkl_column" in settings.run and "-hkl" not in files:
        raise UsageError("-hkl_column: there is no -hkl, expected -hkl FILE with that column")
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
