"""What a port may have done differently, each as a changed command line of our program.

A flag that has no effect; a value read in another unit; a convention swapped; a known defect of nanoBragg switched the
other way. Each can be run and its numbers compared with the port's, so none of them is a guess.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Flags = list[tuple[str, ...]]

_KEPT = {  # without these there is no experiment, or not the same pixels
    *("-mat", "-cell", "-hkl", "-default_F", "-dumpfile", "-trace_pixel", "-roi", "-defects", "-device", "-dtype"),
    *("-detpixels", "-detpixels_x", "-detpixels_y", "-detsize", "-detsize_x", "-detsize_y", "-pixel", "-img"),
    *("-floatfile", "-intfile", "-noisefile", "-pgmfile", "-nonoise", "-nopgm", "-noprogress", "-seed", "-mask"),
}
_LENGTHS_MM = {
    *("-distance", "-close_distance", "-pixel", "-Xbeam", "-Ybeam", "-Xclose", "-Yclose", "-beamsize", "-samplesize"),
    *("-sample_thick", "-sample_width", "-sample_height", "-pix0_vector_mm"),
}
_ANGLES_DEG = {"-phi", "-osc", "-phistep", "-misset", "-mosaic", "-twotheta"} | {f"-detector_rot{x}" for x in "xyz"}
_ANGLES_MRAD = {"-divergence", "-hdivrange", "-vdivrange", "-hdivstep", "-vdivstep"}
_OTHER_UNITS = {"-detector_thick": "um", "-detector_abs": "um", "-lambda": "A", "-water": "um"}
_CONVENTIONS = ("-adxv", "-denzo", "-mosflm", "-xds", "-dials")
_VECTORS = ("-beam_vector", "-polar_vector", "-spindle_axis", "-fdet_vector", "-sdet_vector", "-odet_vector")
_AXES = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}


@dataclass(frozen=True)
class Hypothesis:
    """`sentence` completes "our program gives the port's numbers if ..."; `words` is our changed command line."""

    name: str
    sentence: str
    words: tuple[str, ...]
    rank: int = 1  # among equals the plainer one, with the lower rank, is named


def join(flags: Flags) -> tuple[str, ...]:
    """The words of a command line."""
    return tuple(word for flag in flags for word in flag)


def all_hypotheses(flags: Flags, defects: Sequence[tuple[str, bool]]) -> list[Hypothesis]:
    """Every single change that is tried, plain ones first. `defects`: name, and whether it is on now."""
    made = [
        *_dropped(flags),
        *_units(flags),
        *_beam(flags),
        *_detector(flags),
        *_crystal(flags),
        *_sampling(flags),
        *_defects(flags, defects),
    ]
    seen: set[tuple[str, ...]] = {join(flags)}
    unique = []
    for hypothesis in made:
        if hypothesis.words not in seen:
            seen.add(hypothesis.words)
            unique.append(hypothesis)
    return unique


def _dropped(flags: Flags) -> Iterator[Hypothesis]:
    for index, flag in enumerate(flags):
        if flag[0] not in _KEPT:
            rest = flags[:index] + flags[index + 1 :]
            yield Hypothesis(f"{flag[0]} ignored", f"{' '.join(flag)} is ignored", join(rest), 0)


def _units(flags: Flags) -> Iterator[Hypothesis]:
    """One flag's numbers in another unit."""
    for index, flag in enumerate(flags):
        for factor, text in _readings(flag[0]):
            try:
                changed = (flag[0], *(repr(float(word) * factor) for word in flag[1:]))
            except ValueError:  # a word: -misset random
                continue
            rest = [*flags[:index], changed, *flags[index + 1 :]]
            yield Hypothesis(f"{flag[0]} {text}", f"the value of {flag[0]} is {text}", join(rest), 1)


def _readings(name: str) -> list[tuple[float, str]]:
    degree = math.pi / 180.0
    if name in _LENGTHS_MM:
        return [(1e3, "read in metres"), (1e-3, "read in micrometres"), (10.0, "read in centimetres")]
    if name in _ANGLES_DEG:
        return [
            (1.0 / degree, "read in radians"),
            (degree, "converted to radians twice"),
            (0.001 / degree, "read in milliradians"),
            (-1.0, "taken with the other sign"),
        ]
    if name in _ANGLES_MRAD:
        return [(1e3 * degree, "read in degrees"), (1e3, "read in radians"), (0.5, "halved"), (2.0, "doubled")]
    if name in _OTHER_UNITS:
        return [
            (10.0, "10 times too large"),
            (0.1, "10 times too small"),
            (1e3, "1000 times too large"),
            (1e-3, "1000 times too small"),
        ]
    if name in ("-exposure", "-flux", "-fluence"):
        return [
            (1e3, "1000 times too large"),
            (1e-3, "1000 times too small"),
            (1e6, "1e6 times too large"),
            (1e-6, "1e6 times too small"),
            (1e-4, "per cm^2 and not per m^2"),
            (1e4, "per m^2 and not per cm^2"),
        ]
    return []


def _with(flags: Flags, *more: str) -> tuple[str, ...]:
    return (*join(flags), *more)


def _replaced(flags: Flags, name: str, *values: str) -> Flags:
    return [(name, *values) if flag[0] == name else flag for flag in flags]


def _value(flags: Flags, name: str) -> tuple[str, ...] | None:
    return next((flag[1:] for flag in reversed(flags) if flag[0] == name), None)


def _beam(flags: Flags) -> Iterator[Hypothesis]:
    for axis, vector in _AXES.items():
        for sign, text in (("", ""), ("-", "-")):
            words = [f"{sign}{word}" if word == "1" and sign else word for word in vector.split()]
            sentence = f"the beam runs along {text}{axis} (-beam_vector {' '.join(words)})"
            yield Hypothesis(f"beam along {text}{axis}", sentence, _with(flags, "-beam_vector", *words), 2)
    for x, y in (("-Xbeam", "-Ybeam"), ("-Xclose", "-Yclose"), ("-ORGX", "-ORGY")):
        first, second = _value(flags, x), _value(flags, y)
        if first and second:
            swapped = _replaced(_replaced(flags, x, *second), y, *first)
            yield Hypothesis(f"{x} and {y} swapped", f"{x} and {y} are swapped", join(swapped), 1)
            pixel = _value(flags, "-pixel")
            step = float(pixel[0]) / 2.0 if pixel and not x.startswith("-ORG") else 0.5
            for by, direction in ((step, "more"), (-step, "less")):
                moved = [(repr(float(v[0]) + by),) for v in (first, second)]
                both = _replaced(_replaced(flags, x, *moved[0]), y, *moved[1])
                name = f"{x} and {y} half a pixel {direction}"
                yield Hypothesis(name, f"{name.replace(' half', ' are half')}", join(both), 1)
    if _value(flags, "-nopolar") is None:
        yield Hypothesis("no polarization", "there is no polarization factor (-nopolar)", _with(flags, "-nopolar"), 2)
    for value in ("1", "-1", "0"):
        sentence = f"the Kahn polarization factor is {value} (-polar {value})"
        yield Hypothesis(f"polarization {value}", sentence, _with(flags, "-polar", value), 2)


def _detector(flags: Flags) -> Iterator[Hypothesis]:
    for pivot in ("beam", "sample"):
        turns = "the spot where the beam meets it" if pivot == "beam" else "the sample"
        sentence = f"the detector turns about {turns} (-pivot {pivot})"
        yield Hypothesis(f"pivot {pivot}", sentence, _with(flags, "-pivot", pivot), 1)
    for convention in _CONVENTIONS:
        sentence = f"the detector is set up in the {convention[1:].upper()} convention ({convention})"
        yield Hypothesis(f"convention {convention[1:]}", sentence, _with(flags, convention), 2)
    for name in _VECTORS:
        vector = _value(flags, name)
        if vector and len(vector) == 3:
            negative = _replaced(flags, name, *(_negated(word) for word in vector))
            yield Hypothesis(f"{name} reversed", f"{name} has the other sign", join(negative), 1)
    fast, slow = _value(flags, "-fdet_vector"), _value(flags, "-sdet_vector")
    if fast and slow:
        swapped = _replaced(_replaced(flags, "-fdet_vector", *slow), "-sdet_vector", *fast)
        yield Hypothesis("fast and slow swapped", "the fast and slow axes are swapped", join(swapped), 1)
    for name, text in (
        ("-point_pixel", "the solid angle is 1/R^2 without obliquity"),
        ("-curved_det", "the detector is curved"),
    ):
        yield Hypothesis(name[1:], f"{text} ({name})", _with(flags, name), 3)


def _negated(word: str) -> str:
    return word[1:] if word.startswith("-") else f"-{word.lstrip('+')}"


def _crystal(flags: Flags) -> Iterator[Hypothesis]:
    misset = _value(flags, "-misset")
    if misset and len(misset) == 3:
        x, y, z = misset
        yield Hypothesis(
            "misset in reverse order",
            "the three angles of -misset are taken in the order z, y, x",
            join(_replaced(flags, "-misset", z, y, x)),
            1,
        )
        for name, angles in _inverse_missets(misset):
            yield Hypothesis(
                name, f"the rotation of -misset is {name.split()[-1]}", join(_replaced(flags, "-misset", *angles)), 1
            )
    counts = [count for name in ("-Na", "-Nb", "-Nc") if (count := _value(flags, name)) is not None]
    if len(counts) == 3:
        order = [counts[i][0] for i in (1, 0, 2)]
        changed = _replaced(_replaced(flags, "-Na", order[0]), "-Nb", order[1])
        yield Hypothesis("Na and Nb swapped", "-Na and -Nb are swapped", join(changed), 1)
        changed = _replaced(_replaced(flags, "-Na", counts[2][0]), "-Nc", counts[0][0])
        yield Hypothesis("Na and Nc swapped", "-Na and -Nc are swapped", join(changed), 1)
    for shape in ("-square_xtal", "-round_xtal", "-gauss_xtal", "-tophat_spots"):
        yield Hypothesis(f"shape {shape[1:]}", f"the shape of the crystal is that of {shape}", _with(flags, shape), 2)
    axis = _value(flags, "-spindle_axis")
    for name, vector in _AXES.items():
        if axis is None or tuple(vector.split()) != axis:
            sentence = f"the spindle runs along {name}"
            yield Hypothesis(f"spindle along {name}", sentence, _with(flags, "-spindle_axis", *vector.split()), 2)


def _inverse_missets(angles: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The angles of the inverse rotation, as rotations about x, then y, then z."""
    import numpy as np

    x, y, z = (math.radians(float(angle)) for angle in angles)
    about_x = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_z = np.array([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
    inverse = (about_z @ about_y @ about_x).T
    new = (
        math.atan2(inverse[2, 1], inverse[2, 2]),
        -math.asin(max(-1.0, min(1.0, float(inverse[2, 0])))),
        math.atan2(inverse[1, 0], inverse[0, 0]),
    )
    yield "misset inverse", tuple(repr(math.degrees(angle)) for angle in new)


def _sampling(flags: Flags) -> Iterator[Hypothesis]:
    for n in ("1", "2", "3"):
        text = "at its centre alone" if n == "1" else f"at {n} x {n} points"
        yield Hypothesis(
            f"oversample {n}", f"a pixel is evaluated {text} (-oversample {n})", _with(flags, "-oversample", n), 1
        )
    for name, text in (
        ("-oversample_polar", "polarization"),
        ("-oversample_omega", "the solid angle"),
        ("-oversample_thick", "absorption"),
    ):
        sentence = f"{text} is evaluated at every sub-pixel ({name})"
        yield Hypothesis(name[1:], sentence, _with(flags, name), 3)
    for name, text in (("-interpolate", "interpolated"), ("-nointerpolate", "that of the nearest index")):
        yield Hypothesis(name[1:], f"the structure factor is {text} ({name})", _with(flags, name), 2)
    for name in ("-phisteps", "-mosaic_dom", "-dispsteps", "-hdivsteps", "-vdivsteps"):
        count = _value(flags, name)
        if count:
            yield Hypothesis(
                f"{name} 1",
                f"there is one step instead of {name} {count[0]}",
                join(_replaced(flags, name, "1")),
                1,
            )


def _defects(flags: Flags, defects: Sequence[tuple[str, bool]]) -> Iterator[Hypothesis]:
    stated = _value(flags, "-defects")
    base = stated[0] if stated else "default"
    rest = [flag for flag in flags if flag[0] != "-defects"]
    for name, is_on in defects:
        sentence = f"the known defect {name} is {'off' if is_on else 'on'}"
        words = _with(rest, "-defects", f"{base},{'-' if is_on else '+'}{name}")
        yield Hypothesis(f"defect {name} {'off' if is_on else 'on'}", sentence, words, 2)
