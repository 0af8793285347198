"""Checks of flags and files before an image is simulated. Torch is not needed here."""

from __future__ import annotations

import numpy as np

from nanobrag_torch import limits
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.tokens import UsageError
from nanobrag_torch.parameters import Beam, Detector, number
from nanobrag_torch.parameters.conventions import CONVENTIONS, pixel_counts
from nanobrag_torch.physics import sampling


def check_sense(settings: Settings) -> None:
    """Refuse combinations of flags that cannot give an image, and say what to type instead."""
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
    beam = settings.beam
    exposed = beam.get("flux_photons_per_s", 0.0), beam.get("exposure_s", 1.0), beam.get("beamsize_m", 1.0)
    limits.check_exposure("-beamsize is 0 mm", "-flux", *exposed)
    lengths = {
        "-lambda": settings.beam.get("wavelength_m", 1e-10),
        **{f"-{name}": panel.get(f"{name}_m") for name in ("distance", "close_distance")},
        "-pixel": panel.get("pixel_size_m"),
    }
    for flag, length_m in lengths.items():
        if length_m is not None:
            limits.check_size(flag, length_m)
    if "roi" in panel:
        limits.check_region("-roi", panel["roi"])


def check_detector(settings: Settings) -> None:
    """Check the number of pixels, that the axes span a plane, and that the region of interest is on the detector."""
    panel = Detector(**settings.detector)
    n_fast, n_slow, _, _ = pixel_counts(panel)
    limits.check_pixels("-detpixels", n_fast, n_slow)
    if panel.roi is not None:
        limits.check_region_on_detector("-roi", panel.roi, n_fast, n_slow)
    if panel.convention == "CUSTOM":
        habit = CONVENTIONS["CUSTOM"]
        fast, slow = (
            list(map(number, stated or default))
            for stated, default in ((panel.fdet_vector, habit.fdet_vector), (panel.sdet_vector, habit.sdet_vector))
        )
        limits.check_plane("-fdet_vector", fast, "-sdet_vector", slow)


def check_sampling(settings: Settings, defects: frozenset[str]) -> None:
    """Refuse a number of steps without a range, before a large file is read. Raises ExperimentError."""
    sampling.source_grids(Beam(**settings.beam), defects)


def check_pixel(flag: str, pixel: tuple[int, int], panel: Detector, mask: np.ndarray | None) -> None:
    """A pixel to be traced or printed must be on the detector and computed."""
    n_fast, n_slow, _, _ = pixel_counts(panel)
    slow, fast = pixel
    if slow >= n_slow or fast >= n_fast:
        raise UsageError(f"{flag}: slow {slow} fast {fast} is off the detector, expected below {n_slow} and {n_fast}")
    x_min, x_max, y_min, y_max = panel.roi or (-1, -1, -1, -1)
    if fast < x_min or slow < y_min or 0 <= x_max < fast or 0 <= y_max < slow:
        raise UsageError(f"{flag}: slow {slow} fast {fast} is outside -roi, expected a pixel that is computed")
    if mask is not None and not bool(mask[slow, fast]):
        raise UsageError(f"{flag}: slow {slow} fast {fast} is masked, expected a pixel that is computed")
