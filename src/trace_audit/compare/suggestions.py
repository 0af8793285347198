"""Unit and convention mistakes, recognised from the numbers of a root cause and offered as suggestions."""

import math
from collections.abc import Iterator

from trace_audit.compare.blame import Root
from trace_audit.compare.comparison import Comparison, Factor
from trace_audit.trace.parse import Trace
from trace_audit.trace.tolerances import relative_tolerance

_RATIOS = (
    (1e10, "a factor of 1e10: metres against Angstrom"),
    (1e6, "a factor of 1e6: metres against micrometres"),
    (1e3, "a factor of 1e3: metres against millimetres"),
    (180.0 / math.pi, "a factor of 180/pi: radians against degrees"),
    (2.0 * math.pi, "a factor of 2 pi: 1/d against 2 pi/d"),
)
_COUNTS = ("steps", "sources", "mosaic_domains", "phi_steps", "oversample")
_FACTORS = ("capture_fraction", "polar", "omega_pixel", "fluence_photons_per_m2", "r_e_sqr", "r_e_meters")


def suggestions(comparison: Comparison, roots: tuple[Root, ...]) -> list[dict[str, str]]:
    """For each root the pattern of its numbers: rows of {key, suggestion}, each once, in order of the roots."""
    rows: list[dict[str, str]] = []
    for root in roots:
        for text in _of_factor(comparison, root.factor):
            row = {"key": root.factor.key.name, "suggestion": text}
            if row not in rows:
                rows.append(row)
    return rows


def _of_factor(comparison: Comparison, factor: Factor) -> Iterator[str]:
    if factor.key.kind == "word":
        return
    c = [float(component.c) for component in factor.components]
    py = [float(component.py) for component in factor.components]
    ratio = _common_ratio(c, py)
    if ratio is not None:
        yield from _of_ratio(comparison, factor, ratio)
    if len(c) == 1:
        yield from _of_scalar(comparison, factor, c[0], py[0])
    elif factor.key.kind in ("vector", "integer"):
        yield from _of_vector(comparison, factor, c, py)


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=relative_tolerance(), abs_tol=0.0)


def _common_ratio(c: list[float], py: list[float]) -> float | None:
    """torch / C if it is the same for every component that is not negligible, else None."""
    scale = max(map(abs, c), default=0.0)
    ratios = [b / a for a, b in zip(c, py, strict=True) if a and abs(a) > 1e-3 * scale]
    if not ratios or 0.0 in ratios or not all(_same(ratios[0], ratio) for ratio in ratios):
        return None
    return None if _same(ratios[0], 1.0) else ratios[0]


def _of_ratio(comparison: Comparison, factor: Factor, ratio: float) -> Iterator[str]:
    if _same(ratio, -1.0):
        yield "the sign is reversed"
        return
    for value, text in _RATIOS:
        if _same(abs(ratio), value) or _same(abs(ratio), 1.0 / value):
            yield text + (", and the sign is reversed" if ratio < 0 else "")
    pixel_sum = factor.key.name in ("I_before_scaling", "I_pixel_final", "floatimage_accumulated", "steps")
    if not pixel_sum:
        return
    for name in (*_COUNTS, *_FACTORS):
        number = comparison.c.number(name) or comparison.py.number(name)
        if not number or _same(number, 1.0):
            continue
        for power, label in ((1, name), (2, f"{name} squared")):
            if _same(ratio, number**power):
                yield f"{comparison.names[1]} is larger by the factor {label}"
            elif _same(ratio, number**-power):
                yield f"{comparison.names[0]} is larger by the factor {label}"


def _of_scalar(comparison: Comparison, factor: Factor, c: float, py: float) -> Iterator[str]:
    name = factor.key.name
    ours, theirs = comparison.names
    if c > 0 and py > 0 and not _same(c, 1.0):
        if _same(py, c * c):
            yield f"{theirs} has the square of the {ours} value" + (": r_e^2 for r_e" if name.startswith("r_e") else "")
        elif _same(py, math.sqrt(c)):
            yield f"{theirs} has the square root of the {ours} value" + (
                ": r_e for r_e^2" if name.startswith("r_e") else ""
            )
    if name in ("polar", "term.polar", "capture_fraction", "term.capture_fraction") and 1.0 in (c, py):
        option = "polarization" if "polar" in name else "absorption"
        yield f"{option} is off in {ours if c == 1.0 else theirs}"
    if name.startswith(("F_latt", "TRACE_PHI.F_latt", "term.F_latt")):
        if _same(abs(c), abs(py)):
            yield "equal but for the sign: indices not reduced by the nearest integer, or N even against odd"
        n_cells = comparison.c.values("N_cells") or comparison.py.values("N_cells") or ()
        for n in dict.fromkeys(float(n) for n in n_cells if float(n) > 1):
            if c and py and (_same(abs(py / c), n) or _same(abs(c / py), n)):
                yield f"a factor of N = {n:g}: N against N^2, or a sum against a mean"
    pixel_m = _pixel_size_m(comparison)
    if factor.key.unit == "m" and pixel_m:
        yield from _half_pixels(abs(c - py) / pixel_m)


def _of_vector(comparison: Comparison, factor: Factor, c: list[float], py: list[float]) -> Iterator[str]:
    if len(c) == 2 and c == py[::-1]:
        yield "fast and slow are swapped"
    if len(c) == 3 and not _common_ratio(c, py):
        permutations = {"x and y": [1, 0, 2], "y and z": [0, 2, 1], "x and z": [2, 1, 0]}
        for text, order in permutations.items():
            if all(_same(a, py[i]) for a, i in zip(c, order, strict=True)):
                yield f"components {text} are swapped"
        flipped = [x for x, a, b in zip(factor.key.components, c, py, strict=True) if a and _same(a, -b)]
        equal = [x for x, a, b in zip(factor.key.components, c, py, strict=True) if _same(a, b) or a == b]
        if flipped and len(flipped) + len(equal) == 3:
            yield f"the sign of component {' and '.join(flipped)} is reversed"
    if factor.key.name == "pixel_pos_meters":
        yield from _on_detector(comparison, factor, c, py)


def _on_detector(comparison: Comparison, factor: Factor, c: list[float], py: list[float]) -> Iterator[str]:
    """Compare two pixel positions in detector coordinates: swapped axes, half a pixel."""
    of_c, of_py = (_detector_coordinates(trace, factor, r) for trace, r in ((comparison.c, c), (comparison.py, py)))
    if of_c is None or of_py is None:
        return
    (fast_c, slow_c), (fast_py, slow_py) = of_c, of_py
    if _same(fast_c, slow_py) and _same(slow_c, fast_py) and not _same(fast_c, slow_c):
        yield "fast and slow are swapped"
    pixel_m = _pixel_size_m(comparison)
    if pixel_m:
        for axis, difference in (("fast", fast_c - fast_py), ("slow", slow_c - slow_py)):
            for text in _half_pixels(abs(difference) / pixel_m):
                yield f"{text} along {axis}"


def _detector_coordinates(trace: Trace, factor: Factor, r: list[float]) -> tuple[float, float] | None:
    """Fast and slow distance (m) of position `r` from the origin of the detector; None if vectors are missing."""
    vectors = [trace.values(name, factor.context) for name in ("pix0_vector_meters", "fdet_vec", "sdet_vec")]
    if any(vector is None for vector in vectors):
        return None
    pix0, fast, slow = ([float(x) for x in vector] for vector in vectors if vector is not None)
    offset = [a - b for a, b in zip(r, pix0, strict=True)]
    return _dot(offset, fast), _dot(offset, slow)


def _pixel_size_m(comparison: Comparison) -> float | None:
    for trace in (comparison.c, comparison.py):
        centre = trace.values("beam_center_m")
        if centre is not None and float(centre[2]) > 0:
            return float(centre[2]) / 1000.0
    return None


def _half_pixels(pixels: float) -> Iterator[str]:
    for value, text in ((0.5, "half a pixel"), (1.0, "one pixel")):
        if math.isclose(pixels, value, rel_tol=1e-4):
            yield f"off by {text}"


def _dot(a: list[float], b: list[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))
