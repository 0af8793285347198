"""The flags of the beam centre: which of them place the detector, and a warning for those that do not."""

from __future__ import annotations

from nanobrag_torch.parameters import Detector
from nanobrag_torch.parameters.conventions import effective_pivot

_CENTRE, _CLOSE, _ORIGIN = "beam", "close", "ORG"
_FLAGS = {_CENTRE: ("-Xbeam", "-Ybeam"), _CLOSE: ("-Xclose", "-Yclose"), _ORIGIN: ("-ORGX", "-ORGY")}
_NAMES = {
    _CENTRE: ("Xbeam_m", "Ybeam_m"),
    _CLOSE: ("Xclose_m", "Yclose_m"),
    _ORIGIN: ("ORGX_pixels", "ORGY_pixels"),
}


def beam_flag_warnings(stated: set[str], panel: Detector, defects: frozenset[str]) -> list[str]:
    """One warning for each flag in `given` that does not move the detector, with the one that does."""
    if panel.pix0_vector_m is not None and "pix0_ignored" not in defects:
        return []
    pivot = effective_pivot(panel, defects)
    order = _effective(panel.convention, pivot, "close_beam_ignored" not in defects)
    told_elsewhere = pivot == "BEAM" and "close_beam_ignored" not in defects  # by ignored_inputs
    warnings = []
    for axis in (0, 1):
        first = next((kind for kind in order if getattr(panel, _NAMES[kind][axis]) is not None), None)
        for kind, flags in _FLAGS.items():
            if flags[axis] not in stated or kind == first or (kind == _CLOSE and told_elsewhere):
                continue
            why = f"in the {panel.convention} convention with the pivot {pivot.lower()}; {_FLAGS[order[0]][axis]} does"
            if first is not None:
                why = f"{_FLAGS[first][axis]} is given and comes first"
            off = kind == _CLOSE and "close_beam_ignored" in defects
            more = " (defect close_beam_ignored; use it with -defects default,-close_beam_ignored)" if off else ""
            warnings.append(f"{flags[axis]} does not move the detector{' ' if first is None else ': '}{why}{more}")
    return warnings


def _effective(convention: str, pivot: str, close_used: bool) -> list[str]:
    """The flags that place the detector, the first one given comes first."""
    if pivot == "BEAM":
        by_edges = [_CENTRE, _CLOSE] if close_used else [_CENTRE]
        return by_edges if convention in ("MOSFLM", "DENZO", "ADXV") else [_CENTRE, _CLOSE, _ORIGIN]
    if convention != "CUSTOM":
        return [_CLOSE, _ORIGIN] if close_used else [_ORIGIN]
    return [_CLOSE, _CENTRE, _ORIGIN] if close_used else [_CENTRE, _CLOSE, _ORIGIN]
