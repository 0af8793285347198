"""The detector: where its pixels are, how large they look and what their layers absorb."""

from dataclasses import dataclass

import numpy as np

from tests.independent_model import quaternions as qt
from tests.independent_model.line import Line

X, Y, Z = np.eye(3)
# beam, fast, slow, two-theta axis, polarization, spindle, pivot
HABITS = {
    "mosflm": (X, Z, -Y, -Z, Z, Z, "beam"),
    "denzo": (X, Z, -Y, -Z, Z, Z, "beam"),
    "adxv": (Z, X, -Y, -X, X, X, "beam"),
    "xds": (Z, X, Y, X, X, X, "sample"),
    "dials": (Z, X, Y, Y, Y, Y, "sample"),
    "custom": (X, Z, -Y, Y, Z, Z, None),
}


class Refused(Exception):
    """The programs must refuse this line."""


@dataclass
class Panel:
    """A placed detector; vectors in the laboratory, lengths in m."""

    beam: np.ndarray
    polar: np.ndarray
    spindle: np.ndarray
    fast: np.ndarray
    slow: np.ndarray
    normal: np.ndarray
    corner_m: np.ndarray
    near_m: float
    distance_m: float
    pixel_m: float
    n_fast: int
    n_slow: int


def unit(v) -> np.ndarray:
    v = np.asarray(v, dtype=float)
    return v / np.sqrt(v @ v)


def place(line: Line) -> Panel:
    """Turns and shifts the panel as the flags say."""
    beam, fast, slow, swing_axis, polar, spindle, habit = HABITS[line.convention]
    if line.convention == "custom":
        names = ("beam_vector", "fdet_vector", "sdet_vector", "twotheta_axis", "polar_vector", "spindle_axis")
        vectors = [
            line.of(n, old) for n, old in zip(names, (beam, fast, slow, swing_axis, polar, spindle), strict=True)
        ]
        beam, fast, slow, polar, spindle = (unit(vectors[i]) for i in (0, 1, 2, 4, 5))
        swing_axis = np.asarray(vectors[3], dtype=float)
    normal = _normal(line, beam, fast, slow)
    turned = qt.about_lab([line.of(f"detector_rot{axis}", 0.0) for axis in "xyz"])
    angle = line.of("twotheta", 0.0)

    def swung(v):
        if line.historic("axis_not_normalised"):
            return qt.shear(swing_axis, angle, qt.turn(turned, v))
        return qt.turn(qt.times(qt.about(swing_axis, angle), turned), v)

    F, S, O = swung(fast), swung(slow), swung(normal)
    explicit = line.of("pivot")
    pivot = habit or line.pivot or "beam"
    if explicit and not line.historic("pivot_overwritten"):
        pivot = explicit
    p = line.of("pixel", 1e-4)
    counts = [int(line.of(f"detpixels_{side}")) for side in "fs"]
    before = beam @ qt.turn(turned, normal)
    after = beam @ O
    close = line.of("close_distance")
    along = line.of("distance", 0.1) if before > 0 else -line.of("distance", 0.1)
    if close is not None:
        along = close / (before if pivot == "sample" or line.historic("distance_without_twotheta") else after)
    else:
        close = abs(before * along)
    spot, near, wanted = _centres(line, p, [n * p for n in counts])
    if pivot == "sample":
        corner = swung(close * normal - near[0] * fast - near[1] * slow)
    else:
        for i, axis in enumerate((F, S)):
            spot[i] = near[i] + along * (beam @ axis) if wanted[i] else spot[i]
        corner = along * beam - spot[0] * F - spot[1] * S
    if line.of("pix0_vector") is not None and not line.historic("pix0_ignored"):
        corner = np.array(line.of("pix0_vector"))
    near_m = corner @ O
    if not near_m > 0 and not line.historic("back_face_negative"):
        raise Refused("shows its back")
    distance = near_m / (before if line.historic("distance_without_twotheta") else after)
    return Panel(beam, unit(polar), unit(spindle), F, S, O, corner, near_m, distance, p, *counts)


def _normal(line: Line, beam, fast, slow):
    across = unit(np.cross(fast, slow))
    if line.convention != "custom":
        return beam
    if not line.historic("normal_by_handedness") and across @ beam < 0:
        across = -across
    normal = line.of("odet_vector")
    if not line.historic("normal_exact_length"):
        return across if normal is None else unit(normal)
    x, y, z = [1.0, 0.0, 0.0] if normal is None else normal
    return np.array([x, y, z]) if np.sqrt(x * x + y * y + z * z) == 1.0 else across


def _centres(line: Line, p, size):
    """Fast and slow of beam spot and near point, and the directions in which only -Xclose or -Yclose is stated."""
    near = [size[i] / 2 if line.of(n) is None else (line.of(n) - 0.5) * p for i, n in enumerate(("ORGX", "ORGY"))]
    x_close, y_close = line.of("Xclose", near[0]), line.of("Yclose", near[1])
    names, shift, mirror = ("X", "Y"), 0.0, False
    if line.convention in ("mosflm", "denzo"):
        names, shift = ("Y", "X"), p / 2 if line.convention == "mosflm" else 0.0
        defaults = {"X": (size[1] + p) / 2, "Y": (size[0] + p) / 2}
    elif line.convention == "adxv":
        mirror, defaults = True, {"X": (size[0] + p) / 2, "Y": (size[1] - p) / 2}
    else:
        defaults = {"X": x_close, "Y": y_close}
    stated = {n: line.of(f"{n}beam", defaults[n]) for n in "XY"}
    spot = [stated[names[0]] + shift, stated[names[1]] + shift]
    if mirror:
        spot[1] = size[1] - stated["Y"]
    if line.convention == "custom":
        near = list(spot)
    wanted = [False, False]
    if not line.historic("close_beam_ignored"):
        if line.historic("close_axes_as_fast_slow"):
            close_names, shift, mirror = ("X", "Y"), 0.0, False
        else:
            close_names = names
        for i, name in enumerate(close_names):
            value = line.of(f"{name}close")
            if value is not None:
                near[i] = size[1] - value if mirror and i == 1 else value + shift
                wanted[i] = line.of(f"{names[i]}beam") is None
    return spot, near, wanted


def points(line: Line, panel: Panel, oversample: int, sub: tuple[int, int], depth_m: float) -> np.ndarray:
    """Places (slow, fast, 3) of one sub-pixel of every pixel, at a depth in the sensor."""
    f = panel.pixel_m * (np.arange(panel.n_fast) + (sub[1] + 0.5) / oversample)
    s = panel.pixel_m * (np.arange(panel.n_slow) + (sub[0] + 0.5) / oversample)
    f, s = np.meshgrid(f, s)
    flat = panel.corner_m + f[..., None] * panel.fast + s[..., None] * panel.slow + depth_m * panel.normal
    if not line.of("curved_det"):
        return flat
    if line.historic("curved_axes"):
        centre, radius, about_slow, about_fast = panel.beam, panel.distance_m, flat[..., 1], flat[..., 2]
        return radius * _historically_bent(panel, centre, about_slow / radius, about_fast / radius)
    # latitude along slow of a sphere around the sample, longitude along fast, both from the near point
    radius, hand = panel.near_m, np.sign(np.cross(panel.fast, panel.slow) @ panel.normal)
    fast_arc, slow_arc = (f + panel.corner_m @ panel.fast) / radius, (s + panel.corner_m @ panel.slow) / radius
    return radius * _bent(panel, panel.normal, hand * fast_arc, -hand * slow_arc)


def _bent(panel: Panel, centre, about_slow, about_fast) -> np.ndarray:
    out = np.empty((*about_slow.shape, 3))
    for index in np.ndindex(about_slow.shape):
        turned = qt.times(qt.about(panel.fast, about_fast[index]), qt.about(panel.slow, about_slow[index]))
        out[index] = qt.turn(turned, centre)
    return out


def _historically_bent(panel: Panel, centre, about_slow, about_fast) -> np.ndarray:
    """As `_bent`, with axes that a two-theta axis of another length has sheared."""
    out = np.empty((*about_slow.shape, 3))
    for index in np.ndindex(about_slow.shape):
        turned = qt.shear(panel.slow, about_slow[index], centre)
        out[index] = qt.shear(panel.fast, about_fast[index], turned)
    return out


def nearest_m(panel: Panel, line_is_curved: bool) -> float:
    """Distance of the panel's nearest point, from the foot of the perpendicular."""
    if line_is_curved:
        return panel.near_m
    foot = np.array([-panel.corner_m @ panel.fast, -panel.corner_m @ panel.slow])
    size = np.array([panel.n_fast, panel.n_slow]) * panel.pixel_m
    beyond = np.maximum(0, np.maximum(-foot, foot - size))
    return float(np.sqrt(panel.near_m**2 + beyond @ beyond))


def layers(line: Line) -> tuple[int, float, float]:
    """Number of sensor layers, their pitch in m, attenuation per m."""
    thick = line.of("detector_thick", 0.0)
    if not thick > 0:
        return 1, 0.0, 0.0
    mu = 1 / line.of("detector_abs", thick)
    n = int(line.of("detector_thicksteps", 0))
    if n <= 0:
        return 2, thick / 2, mu
    return (max(n, 2), thick / (max(n, 2) - 1), mu) if line.historic("layer_pitch") else (n, thick / n, mu)
