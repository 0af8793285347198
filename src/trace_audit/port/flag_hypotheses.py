"""What a port may have done differently, each as a changed command line of our program.

A flag that has no effect; a value read in another unit; a convention swapped; a known defect of nanoBragg switched the
other way.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from nanobragg_tables import flags as table_of_flags

Flags = list[tuple[str, ...]]

_KEPT = {  # without these there is no experiment, or not the same pixels
    *("-trace_pixel", "-roi", "-defects", "-device", "-dtype", "-threads", "-config", "-img", "-mask"),
    *("-detpixels", "-detpixels_f", "-detpixels_s", "-detsize", "-detsize_f", "-detsize_s"),
}
_INSTEAD = {  # one of each is needed
    "-mat": {"-cell"},
    "-cell": {"-mat"},
    "-default_F": {"-hkl", "-dumpfile"},
    "-hkl": {"-default_F", "-dumpfile"},
    "-dumpfile": {"-hkl", "-default_F"},
}
_DEGREE = math.pi / 180.0
_POWERS = ((1e3, "1000 times too large"), (1e-3, "1000 times too small"))
_READINGS = {  # by the unit in the table of flags: what its numbers are multiplied with, and what that is called
    "mm": ((1e3, "read in metres"), (1e-3, "read in micrometres"), (10.0, "read in centimetres")),
    "m": ((1e-3, "read in millimetres"), (1e-2, "read in centimetres"), (1e-6, "read in micrometres")),
    "deg": (
        (1.0 / _DEGREE, "read in radians"),
        (_DEGREE, "converted to radians twice"),
        (0.001 / _DEGREE, "read in milliradians"),
        (-1.0, "taken with the other sign"),
    ),
    "mrad": (*((1e3 * _DEGREE, "read in degrees"), (1e3, "read in radians"), (0.5, "halved"), (2.0, "doubled")),),
    "um": (
        (1e3, "read in millimetres"),
        (1e6, "read in metres"),
        (10.0, "10 times too large"),
        (0.1, "10 times too small"),
    ),
    "A": ((10.0, "read in nanometres"), (0.1, "10 times too small"), *_POWERS),
    "A^-1": ((0.1, "read in 1/nm"), (10.0, "10 times too large")),
    "eV": ((1e3, "read in keV"), (1e-3, "1000 times too small")),
    "percent": ((100.0, "read as a fraction"), (0.01, "divided by 100 twice")),
    "s": _POWERS,
    "photons/s": (*_POWERS, (1e6, "1e6 times too large"), (1e-6, "1e6 times too small")),
    "photons/m^2": (
        *(*_POWERS, (1e6, "per mm^2 and not per m^2"), (1e-6, "per m^2 and not per mm^2")),
        *((1e4, "per cm^2 and not per m^2"), (1e-4, "per m^2 and not per cm^2")),
    ),
}
_CONVENTIONS = ("-adxv", "-denzo", "-mosflm", "-xds", "-dials")
_VECTORS = ("-beam_vector", "-polar_vector", "-spindle_axis", "-fdet_vector", "-sdet_vector", "-odet_vector")
_AXES = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}


@dataclass(frozen=True)
class FlagChange:
    """`sentence` completes "our program gives the port's numbers if ..."; `words` is our changed command line."""

    name: str
    sentence: str
    words: tuple[str, ...]
    rank: int = 1


def join(flags: Flags) -> tuple[str, ...]:
    """The words of a command line."""
    return tuple(argument for flag in flags for argument in flag)


def flag_changes(flags: Flags, defects: Sequence[tuple[str, bool]]) -> list[FlagChange]:
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
    for change in made:
        if change.words not in seen:
            seen.add(change.words)
            unique.append(change)
    return unique


@cache
def _by_spelling() -> dict[str, tuple[str, str, str]]:
    """Name, unit and group of a flag by each of its spellings."""
    return {
        spelling: (flag.name, flag.unit, flag.group)
        for flag in table_of_flags()
        for spelling in (flag.name, *flag.aliases)
    }


def _is_kept(flag: tuple[str, ...], flags: Flags) -> bool:
    """Whether there is no experiment without the flag, or not the same pixels, or no number depends on it."""
    name, _, group = _by_spelling()[flag[0]]
    names = {_by_spelling()[stated[0]][0] for stated in flags}
    alternatives = _INSTEAD.get(name)
    return name in _KEPT or group == "Output" or (alternatives is not None and not names.intersection(alternatives))


def _dropped(flags: Flags) -> Iterator[FlagChange]:
    for index, flag in enumerate(flags):
        if not _is_kept(flag, flags):
            without = flags[:index] + flags[index + 1 :]
            yield FlagChange(f"{flag[0]} ignored", f"{' '.join(flag)} is ignored", join(without), 0)


def _units(flags: Flags) -> Iterator[FlagChange]:
    """One flag's numbers in another unit."""
    for index, flag in enumerate(flags):
        for factor, text, which in _readings(flag):
            try:
                values = [repr(float(w) * factor) if i in which else w for i, w in enumerate(flag[1:])]
            except ValueError:  # a word: -misset random
                continue
            changed = [*flags[:index], (flag[0], *values), *flags[index + 1 :]]
            yield FlagChange(f"{flag[0]} {text}", f"the value of {flag[0]} is {text}", join(changed), 1)


def _readings(flag: tuple[str, ...]) -> Iterator[tuple[float, str, range]]:
    """Other readings of a flag's numbers: a factor, what it is called, and which of the numbers."""
    name, unit, _ = _by_spelling()[flag[0]]
    every = range(len(flag) - 1)
    if name == "-cell":
        yield from ((factor, f"{text} (lengths)", range(3)) for factor, text in _READINGS["A"])
        yield from ((factor, f"{text} (angles)", range(3, 6)) for factor, text in _READINGS["deg"][:2])
    else:
        yield from ((factor, text, every) for factor, text in _READINGS.get(unit, ()))


def _with(flags: Flags, *more: str) -> tuple[str, ...]:
    return (*join(flags), *more)


def _replaced(flags: Flags, name: str, *values: str) -> Flags:
    return [(flag[0], *values) if _is(flag, name) else flag for flag in flags]


def _value(flags: Flags, name: str) -> tuple[str, ...] | None:
    return next((flag[1:] for flag in reversed(flags) if _is(flag, name)), None)


def _is(flag: tuple[str, ...], name: str) -> bool:
    """Whether a flag, however spelled, is the one of this name."""
    return _by_spelling()[flag[0]][0] == name


def _beam(flags: Flags) -> Iterator[FlagChange]:
    for axis, vector in _AXES.items():
        for sign, text in (("", ""), ("-", "-")):
            components = [f"{sign}{x}" if x == "1" and sign else x for x in vector.split()]
            sentence = f"the beam runs along {text}{axis}{_custom(flags)} (-beam_vector {' '.join(components)})"
            yield FlagChange(f"beam along {text}{axis}", sentence, _with(flags, "-beam_vector", *components), 2)
    for x, y in (("-Xbeam", "-Ybeam"), ("-Xclose", "-Yclose"), ("-ORGX", "-ORGY")):
        first, second = _value(flags, x), _value(flags, y)
        if first and second:
            swapped = _replaced(_replaced(flags, x, *second), y, *first)
            yield FlagChange(f"{x} and {y} swapped", f"{x} and {y} are swapped", join(swapped), 1)
            pixel = _value(flags, "-pixel")
            step = float(pixel[0]) / 2.0 if pixel and not x.startswith("-ORG") else 0.5
            for by, direction in ((step, "more"), (-step, "less")):
                moved = [(repr(float(v[0]) + by),) for v in (first, second)]
                both = _replaced(_replaced(flags, x, *moved[0]), y, *moved[1])
                name = f"{x} and {y} half a pixel {direction}"
                yield FlagChange(name, f"{name.replace(' half', ' are half')}", join(both), 1)
    if _value(flags, "-nopolar") is None:
        yield FlagChange("no polarization", "there is no polarization factor (-nopolar)", _with(flags, "-nopolar"), 2)
    for value in ("1", "-1", "0"):
        sentence = f"the Kahn polarization factor is {value} (-polar {value})"
        yield FlagChange(f"polarization {value}", sentence, _with(flags, "-polar", value), 2)


def _custom(flags: Flags) -> str:
    """What a vector does beside: the first one sets the convention."""
    return "" if any(_is(flag, name) for flag in flags for name in _VECTORS) else ", in the CUSTOM convention"


def _detector(flags: Flags) -> Iterator[FlagChange]:
    for pivot in ("beam", "sample"):
        turns = "the spot where the beam meets it" if pivot == "beam" else "the sample"
        sentence = f"the detector turns about {turns} (-pivot {pivot})"
        yield FlagChange(f"pivot {pivot}", sentence, _with(flags, "-pivot", pivot), 1)
    for convention in _CONVENTIONS:
        sentence = f"the detector is set up in the {convention[1:].upper()} convention ({convention})"
        yield FlagChange(f"convention {convention[1:]}", sentence, _with(flags, convention), 2)
    for name in _VECTORS:
        vector = _value(flags, name)
        if vector and len(vector) == 3:
            negative = _replaced(flags, name, *(_negated(component) for component in vector))
            yield FlagChange(f"{name} reversed", f"{name} has the other sign", join(negative), 1)
    fast, slow = _value(flags, "-fdet_vector"), _value(flags, "-sdet_vector")
    if fast and slow:
        swapped = _replaced(_replaced(flags, "-fdet_vector", *slow), "-sdet_vector", *fast)
        yield FlagChange("fast and slow swapped", "the fast and slow axes are swapped", join(swapped), 1)
    for name, text in (
        ("-point_pixel", "the solid angle is 1/R^2 without obliquity"),
        ("-curved_det", "the detector is curved"),
    ):
        yield FlagChange(name[1:], f"{text} ({name})", _with(flags, name), 3)


def _negated(component: str) -> str:
    return component[1:] if component.startswith("-") else f"-{component.lstrip('+')}"


def _crystal(flags: Flags) -> Iterator[FlagChange]:
    misset = _value(flags, "-misset")
    if misset and len(misset) == 3:
        x, y, z = misset
        yield FlagChange(
            "misset in reverse order",
            "the three angles of -misset are taken in the order z, y, x",
            join(_replaced(flags, "-misset", z, y, x)),
            1,
        )
        for name, angles in _inverse_missets(misset):
            yield FlagChange(
                name, f"the rotation of -misset is {name.split()[-1]}", join(_replaced(flags, "-misset", *angles)), 1
            )
    counts = [count for name in ("-Na", "-Nb", "-Nc") if (count := _value(flags, name)) is not None]
    if len(counts) == 3:
        order = [counts[i][0] for i in (1, 0, 2)]
        changed = _replaced(_replaced(flags, "-Na", order[0]), "-Nb", order[1])
        yield FlagChange("Na and Nb swapped", "-Na and -Nb are swapped", join(changed), 1)
        changed = _replaced(_replaced(flags, "-Na", counts[2][0]), "-Nc", counts[0][0])
        yield FlagChange("Na and Nc swapped", "-Na and -Nc are swapped", join(changed), 1)
    for shape in ("-square_xtal", "-round_xtal", "-gauss_xtal", "-tophat_spots"):
        yield FlagChange(f"shape {shape[1:]}", f"the shape of the crystal is that of {shape}", _with(flags, shape), 2)
    axis = _value(flags, "-spindle_axis")
    for name, vector in _AXES.items():
        if axis is None or tuple(vector.split()) != axis:
            sentence = f"the spindle runs along {name}{_custom(flags)} (-spindle_axis {vector})"
            yield FlagChange(f"spindle along {name}", sentence, _with(flags, "-spindle_axis", *vector.split()), 2)


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


def _sampling(flags: Flags) -> Iterator[FlagChange]:
    for n in ("1", "2", "3"):
        text = "at its centre alone" if n == "1" else f"at {n} x {n} points"
        yield FlagChange(
            f"oversample {n}", f"a pixel is evaluated {text} (-oversample {n})", _with(flags, "-oversample", n), 1
        )
    for name, text in (
        ("-oversample_polar", "polarization"),
        ("-oversample_omega", "the solid angle"),
        ("-oversample_thick", "absorption"),
    ):
        sentence = f"{text} is evaluated at every sub-pixel ({name})"
        yield FlagChange(name[1:], sentence, _with(flags, name), 3)
    for name, text in (("-interpolate", "interpolated"), ("-nointerpolate", "that of the nearest index")):
        yield FlagChange(name[1:], f"the structure factor is {text} ({name})", _with(flags, name), 2)
    for name in ("-phisteps", "-mosaic_dom", "-dispsteps", "-hdivsteps", "-vdivsteps"):
        count = _value(flags, name)
        if count:
            yield FlagChange(
                f"{name} 1",
                f"there is one step instead of {name} {count[0]}",
                join(_replaced(flags, name, "1")),
                1,
            )


def _defects(flags: Flags, defects: Sequence[tuple[str, bool]]) -> Iterator[FlagChange]:
    stated = _value(flags, "-defects")
    base = stated[0] if stated else "default"
    rest = [flag for flag in flags if flag[0] != "-defects"]
    for name, is_on in defects:
        sentence = f"the known defect {name} is {'off' if is_on else 'on'}"
        arguments = _with(rest, "-defects", f"{base},{'-' if is_on else '+'}{name}")
        yield FlagChange(f"defect {name} {'off' if is_on else 'on'}", sentence, arguments, 2)
