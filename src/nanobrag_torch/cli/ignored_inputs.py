"""Warnings about inputs that a historic defect makes the program ignore."""

from __future__ import annotations

import numpy as np

from nanobrag_torch.parameters import Beam, Detector
from nanobrag_torch.parameters.conventions import CONVENTIONS, effective_pivot


def ignored_inputs(
    panel: Detector, beam: Beam, source_weights: np.ndarray | None, quadrature: bool, defects: frozenset[str]
) -> list[str]:
    """One warning for each input that an active defect makes the program ignore."""
    forced = CONVENTIONS[panel.convention].forced_pivot
    cases = {
        "pix0_ignored": (
            panel.pix0_vector_m is not None,
            "-pix0_vector: its numbers are not used, it only selects the CUSTOM convention",
        ),
        "pivot_overwritten": (
            forced is not None and panel.pivot_explicit not in (None, forced),
            f"-pivot is ignored: the {panel.convention} convention rotates about the {(forced or '').lower()}",
        ),
        "mosaic_uneven": (quadrature, "-mosaic_quadrature is not used: the mosaic domains are random"),
        "nopolar_overridden": (
            not beam.polarized and panel.oversample_polar,
            "-nopolar is ignored: -oversample_polar applies polarization",
        ),
        "source_weights_ignored": (
            source_weights is not None and bool((source_weights != source_weights[0]).any()),
            "the weights of -sourcefile are ignored: every source counts the same",
        ),
    }
    return (
        _two_centres(panel, defects)
        + _unused_centre(panel, defects)
        + [
            f"{text} (historic; use them with -defects default,-{name})"
            for name, (applies, text) in cases.items()
            if applies and name in defects
        ]
    )


def _two_centres(panel: Detector, defects: frozenset[str]) -> list[str]:
    """One warning for each of -Xclose and -Yclose that has to give way to a beam spot."""
    if "close_beam_ignored" in defects or effective_pivot(panel, defects) != "BEAM":
        return []
    beam_of = {"X": "X", "Y": "Y"}
    if panel.convention in ("MOSFLM", "DENZO") and "close_axes_as_fast_slow" in defects:
        beam_of = {"X": "Y", "Y": "X"}
    return [
        f"-{close}close does not move a detector that pivots about the beam spot which -{beam}beam places"
        for close, beam in beam_of.items()
        if getattr(panel, f"{close}close_m") is not None and getattr(panel, f"{beam}beam_m") is not None
    ]


def _unused_centre(panel: Detector, defects: frozenset[str]) -> list[str]:
    """A warning where a beam spot is stated and the near point counts, or the other way round.

    Headers of images state both.
    """
    pivot, name = effective_pivot(panel, defects), panel.convention
    spot = panel.Xbeam_m is not None or panel.Ybeam_m is not None
    near = panel.ORGX_pixels is not None or panel.ORGY_pixels is not None
    if pivot == "BEAM" and name in ("MOSFLM", "DENZO", "ADXV") and near and not spot:
        warning = f"-ORGX and -ORGY do not move a detector that pivots about the beam spot in the {name} convention"
        return [f"{warning}; use -Xbeam and -Ybeam"]
    if pivot == "SAMPLE" and name != "CUSTOM" and spot and not near:
        warning = (
            f"-Xbeam and -Ybeam change the header alone: the detector pivots about the sample in the {name} convention"
        )
        return [f"{warning}; use -ORGX and -ORGY"]
    return []
