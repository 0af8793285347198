"""Lines of the set-up: the placement of the detector, and the settings of the pixel's simulation."""

from __future__ import annotations

from collections.abc import Iterator

from nanobrag_torch.model import Model
from nanobrag_torch.physics.detector_geometry import Construction, DetectorGeometry
from nanobrag_torch.trace.text import Show, labelled, matrix, pixel_line, setup_line


def setup_lines(g: DetectorGeometry, show: Show) -> Iterator[str]:
    made = g.construction
    yield setup_line("detector_convention", show("detector_convention", made.convention))
    rotx, roty, rotz, twotheta = made.angles_rad
    yield setup_line("angles_rad", labelled({"rotx": rotx, "roty": roty, "rotz": rotz, "twotheta": twotheta}))
    names = ("Xclose", "Yclose") if made.pivot == "SAMPLE" else ("X", "Y")
    centre = made.centre
    where = (centre.Xclose_m, centre.Yclose_m) if made.pivot == "SAMPLE" else (centre.Xbeam_m, centre.Ybeam_m)
    historic_unit = dict(zip(names, (value / 1000.0 for value in where), strict=True))
    yield setup_line("beam_center_m", labelled(historic_unit | {"pixel_mm": g.pixel_size_m * 1000.0}))
    yield setup_line("initial_fdet", made.initial.fast)
    yield setup_line("initial_sdet", made.initial.slow)
    yield setup_line("initial_odet", made.initial.normal)
    yield from (_sample_pivot_lines if made.pivot == "SAMPLE" else _beam_pivot_lines)(made)


def _axes_lines(made: Construction) -> Iterator[str]:
    yield setup_line("fdet_after_rotz", made.after_rotz.fast)
    yield setup_line("sdet_after_rotz", made.after_rotz.slow)
    yield setup_line("odet_after_rotz", made.after_rotz.normal)
    yield setup_line("twotheta_axis", made.twotheta_axis)
    yield setup_line("fdet_after_twotheta", made.after_twotheta.fast)
    yield setup_line("sdet_after_twotheta", made.after_twotheta.slow)
    yield setup_line("odet_after_twotheta", made.after_twotheta.normal)


def _distance_lines(made: Construction) -> Iterator[str]:
    yield setup_line("close_distance_m", made.close_distance_m)
    yield setup_line("ratio", made.ratio)
    yield setup_line("distance_m", made.distance_m)


def _sample_pivot_lines(made: Construction) -> Iterator[str]:
    yield setup_line("Fclose_m", made.centre.Fclose_m)
    yield setup_line("Sclose_m", made.centre.Sclose_m)
    yield from _distance_lines(made)
    for key, term in zip(("fast", "slow", "close"), made.origin_terms_m, strict=True):
        yield setup_line(f"term_{key}_before_rot", term)
    yield setup_line("pix0_before_rotation", made.pix0_before_rotation_m)
    yield setup_line("pix0_after_rotz", made.pix0_after_rotz_m)
    yield setup_line("pix0_after_twotheta", made.pix0_after_twotheta_m)
    yield from _axes_lines(made)


def _beam_pivot_lines(made: Construction) -> Iterator[str]:
    yield setup_line("Rx", matrix(made.turn.x))
    yield setup_line("Ry", matrix(made.turn.y))
    yield setup_line("Rz", matrix(made.turn.z))
    yield setup_line("R_total", matrix(made.rotation))
    yield from _axes_lines(made)
    yield setup_line("Fbeam_m", made.centre.Fbeam_m)
    yield setup_line("Sbeam_m", made.centre.Sbeam_m)
    yield from _distance_lines(made)
    for key, term in zip(("fast", "slow", "beam"), made.origin_terms_m, strict=True):
        yield setup_line(f"term_{key}", term)
    yield setup_line("pix0_vector", made.pix0_m)


def context_lines(model: Model, slow: int, fast: int, show: Show) -> Iterator[str]:
    yield pixel_line("pixel_slow_fast", (slow, fast))
    yield pixel_line("defects", show("defects", ",".join(sorted(model.defects)) or "none"))
    yield pixel_line("beam_vector", model.geometry.beam_vector)
    yield pixel_line("polar_vector", model.geometry.polar_vector)
    yield pixel_line("spindle_axis", model.geometry.spindle_axis)
    yield pixel_line("sources", model.source_count)
    yield pixel_line("mosaic_domains", model.mosaic_domains)
    yield pixel_line("phi_steps", model.phi_count)
    yield pixel_line("oversample", model.oversample)
    yield pixel_line("thick_steps", model.layers)
    yield pixel_line("N_cells", model.n_cells)
