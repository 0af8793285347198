"""Mistakes as ports make them, each with the explanation that has to be found for it.

Most are planted by other means than the hypotheses are made with: a changed command line, values of a stage worked out
by formulas of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Visit = Callable[[str, object, Sequence[float]], Sequence[float] | None]


@dataclass(frozen=True)
class Mistake:
    """A port's mistake on a command line.

    `told`: the text of the right explanation. `without` and `plus`: flags that the port drops and adds. `visit`: its
    values of a stage, computed from our own trace. `hooks`: values of the simulator that it replaces. `swapped`: slow
    and fast are exchanged. `printed`: how its lines are changed.
    """

    told: str
    flags: str = ""
    replaced: tuple[tuple[str, str], ...] = ()
    visit: Callable[[Any], Visit] | None = None
    hooks: Callable[[Any], Any] | None = None
    swapped: bool = False
    printed: Callable[[list[str]], list[str]] = list


BASE = (
    "-cell 70 80 90 85 95 105 -lambda 1.1 -distance 90 -pixel 0.3 -detpixels 24 -Na 5 -Nb 7 -Nc 6 -default_F 100 "
    "-oversample 1 -mosflm"
)
BEAM = "-flux 3e12 -exposure 0.7 -beamsize 0.11"
TURNED = f"{BASE} -misset 10 20 30 -phi 2 -osc 0.3 -phisteps 2 {BEAM}"
MOSAIC = f"{TURNED} -mosaic 0.6 -mosaic_dom 3"
ONE = TURNED.replace("-phisteps 2", "-phisteps 1")
FINE = TURNED.replace("-oversample 1", "-oversample 3")
SENSOR = f"{TURNED} -detector_thick 320 -detector_abs 450 -detector_thicksteps 1"
CUSTOM = f"{TURNED} -Xbeam 3.3 -Ybeam 4.1".replace("-mosflm", "-fdet_vector 0 0 1 -sdet_vector 0 -1 0 -twotheta 7")


def constants(**values: Any) -> Callable[[Any], Visit]:
    """A stage gives what a formula of the test makes of our trace: a number, or a function of it."""

    def make(trace: Any) -> Visit:
        made = {key: value(trace) if callable(value) else value for key, value in values.items()}
        return lambda key, _context, _values: np.atleast_1d(made[key]).tolist() if key in made else None

    return make


def value_of(trace: Any, key: str) -> np.ndarray:
    """The first values of a key."""
    return np.array(next(iter(trace.records[key].values())).values, dtype=float)


def scaled(factor: Callable[[Any], float], key: str) -> Callable[[Any], Visit]:
    """A stage whose values come out a factor too large, which our own trace tells."""

    def make(trace: Any) -> Visit:
        by = factor(trace)
        return lambda name, _context, values: [v * by for v in values] if name == key else None

    return make


def _stars(rule: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], Visit]:
    def make(trace: Any) -> Visit:
        rows = np.array([value_of(trace, f"rot_{axis}_star_A_inv") for axis in "abc"])
        made = {f"rot_{axis}_star_A_inv": row.tolist() for axis, row in zip("abc", rule(rows), strict=True)}
        return lambda key, _context, _values: made.get(key)

    return make


def _moved(fast: float, slow: float) -> Callable[[Any], Visit]:
    def make(trace: Any) -> Visit:
        by = 3e-4 * (fast * value_of(trace, "fdet_vec") + slow * value_of(trace, "sdet_vec"))
        return lambda key, _context, values: (np.array(values) + by).tolist() if key == "pixel_pos_meters" else None

    return make


def _in_float32(first: str) -> Callable[[Any], Visit]:
    from trace_audit.compare.gaps import ancestors
    from trace_audit.trace.keys import registry

    def make(_trace: Any) -> Visit:
        def visit(key: str, _context: object, values: Sequence[float]) -> list[float] | None:
            if registry()[key].kind in ("word", "integer") or not (key == first or first in ancestors(key)):
                return None
            return [float(np.float32(v)) for v in values]

        return visit

    return make


def _spindle_last(ours: Any) -> Any:
    """U of the mosaic domains first, then the spindle: from a run without a spindle, and Rodrigues' formula."""
    from nanobrag_torch.simulator import Simulation

    still: dict[str, Any] = {}
    flags = (*ours.words, "-phi", "0", "-osc", "0", "-phisteps", "1")
    Simulation(ours.experiment(flags), hooks=lambda name, v, _: still.setdefault(name, v))
    mosaic = still["real_m"][0].numpy()

    def hooks(name: str, value: Any, _place: Any) -> Any:
        if name != "real_m":
            return value
        turns = [_about(still["spindle_axis"].numpy(), np.radians(angle)) for angle in (2.0, 2.15)]
        return value.new_tensor(np.array([[rows @ turn.T for rows in mosaic] for turn in turns]))

    return hooks


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    """The matrix that turns columns about a unit vector."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def _inverse_misset(trace: Any) -> Visit:
    """The reciprocal axes turned back by the rotation that turned them, twice."""
    x, y, z = (_about(np.eye(3)[i], np.radians(angle)) for i, angle in enumerate((10, 20, 30)))
    turn = z @ y @ x
    return _stars(lambda rows: rows @ turn @ turn)(trace)


def _reciprocal_of_what_is_printed(lines: list[str]) -> list[str]:
    """a* and so on worked out anew from the a, b, c that stand on the lines: (b x c)/(a . b x c)."""

    def numbers(name: str) -> np.ndarray:
        line = next(line for line in lines if f" {name} " in line)
        return np.array([float(text) for text in line.split()[-3:]])

    stars = np.linalg.inv(np.array([numbers(f"rot_{axis}_angstroms") for axis in "abc"])).T
    made = {f"rot_{axis}_star_A_inv": star for axis, star in zip("abc", stars, strict=True)}
    name_of = [line.split()[1] if len(line.split()) > 1 else "" for line in lines]
    return [
        f"TRACE_PY: {name} {' '.join(format(v, '.15g') for v in made[name])}" if name in made else line
        for name, line in zip(name_of, lines, strict=True)
    ]


def _cut(trace: Any) -> np.ndarray:
    return np.trunc(value_of(trace, "hkl_frac"))


def _without_b(trace: Any) -> np.ndarray:
    return value_of(trace, "F_latt_a") * value_of(trace, "F_latt_c")


_OF_F_LATT = ("F_latt", "term.F_latt", "TRACE_PHI.F_latt")
AS_PORTS_DO: dict[str, Mistake] = {
    "flag_ignored": Mistake("-exposure 0.7 is ignored", TURNED, (("-exposure 0.7", ""),)),
    "unit_of_distance": Mistake("-distance is read in centimetres", TURNED, (("-distance 90", "-distance 900"),)),
    "cell_in_nm": Mistake("-cell is read in nanometres", TURNED, (("-cell 70 80 90", "-cell 700 800 900"),)),
    "degrees_for_radians": Mistake(
        "-misset is converted to radians twice",
        TURNED,
        (("-misset 10 20 30", "-misset 0.17453292519943295 0.3490658503988659 0.5235987755982988"),),
    ),
    "flux_per_ms": Mistake("-flux is 1000 times too large", TURNED, (("-flux 3e12", "-flux 3e15"),)),
    "known_defect": Mistake(
        "the known defect triclinic_cstar is off", TURNED, (("", " -defects default,-triclinic_cstar"),)
    ),
    "slow_and_fast": Mistake("slow and fast of the pixel are exchanged", TURNED, swapped=True),
    "x_and_y_beam": Mistake(
        "-Xbeam and -Ybeam are swapped", CUSTOM, (("-Xbeam 3.3 -Ybeam 4.1", "-Xbeam 4.1 -Ybeam 3.3"),)
    ),
    "rows_for_columns": Mistake("has rows and columns exchanged", TURNED, visit=_stars(lambda m: m.T)),
    "A_inverse": Mistake("is its inverse", TURNED, visit=_stars(np.linalg.inv)),
    "real_for_reciprocal": Mistake("the real-space axes", TURNED, visit=_stars(lambda m: np.linalg.inv(m).T)),
    "corner_of_pixel": Mistake("the corner of a pixel", TURNED, visit=_moved(-0.5, -0.5)),
    "half_pixel_fast": Mistake("half a pixel too far along the fast axis", TURNED, visit=_moved(0.5, 0.0)),
    "counted_from_1": Mistake("counted from 1", TURNED, visit=_moved(1.0, 1.0)),
    "spindle_reversed": Mistake(
        "the spindle axis has the other sign", TURNED, visit=scaled(lambda _: -1.0, "spindle_axis")
    ),
    "no_polarization": Mistake("there is no polarization factor", TURNED, (("", " -nopolar"),)),
    "misset_inverse": Mistake("-misset is inverse", TURNED, visit=_inverse_misset),
    "misset_order": Mistake("in the order z, y, x", TURNED, (("-misset 10 20 30", "-misset 30 20 10"),)),
    "phi_and_mosaic": Mistake("the spindle turns what the mosaic domains", MOSAIC, hooks=_spindle_last),
    "float32_from_q": Mistake(
        "in float32 from scattering_vec_A_inv on", ONE, visit=_in_float32("scattering_vec_A_inv")
    ),
    "polar_left_out": Mistake(
        "polarization is left out", TURNED, visit=scaled(lambda t: 1.0 / value_of(t, "polar")[0], "I_pixel_final")
    ),
    "polar_twice": Mistake(
        "polarization is applied twice", TURNED, visit=scaled(lambda t: value_of(t, "polar")[0], "I_pixel_final")
    ),
    "omega_left_out": Mistake(
        "the solid angle is left out",
        TURNED,
        visit=scaled(lambda t: 1.0 / value_of(t, "omega_pixel")[0], "I_pixel_final"),
    ),
    "capture_twice": Mistake(
        "the captured fraction is applied twice",
        SENSOR,
        visit=scaled(lambda t: value_of(t, "capture_fraction")[0], "I_pixel_final"),
    ),
    "steps_without_oversample": Mistake("steps lack oversample", FINE, visit=constants(steps=6)),
    "steps_oversample_twice": Mistake("steps hold oversample^2 once too often", FINE, visit=constants(steps=162)),
    "no_obliquity": Mistake(
        "p^2/R^2 without obliquity",
        TURNED,
        visit=constants(omega_pixel_sr=lambda t: 9e-8 / value_of(t, "R_distance_meters")[0] ** 2),
    ),
    "point_pixel": Mistake("1/R^2 without obliquity", TURNED, (("", " -point_pixel"),)),
    "two_pi": Mistake("2 pi/d", TURNED, visit=scaled(lambda _: 2 * np.pi, "scattering_vec_A_inv")),
    "hkl_cut": Mistake(
        "cut to whole numbers", ONE, visit=constants(**dict.fromkeys(("hkl_rounded", "term.hkl_rounded"), _cut))
    ),
    "F_latt_axis_lost": Mistake("F_latt_b is left out", ONE, visit=constants(**dict.fromkeys(_OF_F_LATT, _without_b))),
    "pair_of_flags": Mistake(
        "-exposure 0.7 is ignored and the value of -flux is 1000 times too large",
        TURNED,
        (("-flux 3e12 -exposure 0.7", "-flux 3e15"),),
    ),
    "pair_in_the_trace": Mistake(
        "the known defect nominal_cell_volume is off and the reciprocal axes are printed as the spindle",
        TURNED,
        printed=_reciprocal_of_what_is_printed,
    ),
}


def changed_words(mistake: Mistake) -> str:
    """The command line that the port in truth runs with."""
    flags = mistake.flags
    for old, new in mistake.replaced:
        assert old in flags
        flags = flags.replace(old, new) if old else flags + new
    return flags


def lines_of(mistake: Mistake, pixel: tuple[int, int]) -> Iterator[str]:
    """What the port prints for a pixel."""
    import shlex

    import torch

    from trace_audit.port.our_program import OurProgram, one_pixel
    from trace_audit.stages.intervene import watched_trace

    ours = OurProgram(tuple(shlex.split(mistake.flags)), pixel)
    port = OurProgram(tuple(shlex.split(changed_words(mistake))), pixel)
    where = pixel[::-1] if mistake.swapped else pixel
    visit = mistake.visit(ours.trace()) if mistake.visit else lambda *_: None
    hooks = mistake.hooks(ours) if mistake.hooks else None
    single_pixel = one_pixel(port.base, where)
    yield from mistake.printed(
        watched_trace(single_pixel, where, device="cpu", dtype=torch.float64, visit=visit, first=hooks)
    )
