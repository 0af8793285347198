"""The words of a command line as numbers in SI units, and the named switches that are on."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MM, UM, A, MRAD, DEG = 1e-3, 1e-6, 1e-10, 1e-3, np.pi / 180
CONVENTIONS = ("mosflm", "denzo", "adxv", "xds", "dials")
_VECTORS = ("fdet_vector", "sdet_vector", "odet_vector", "beam_vector", "polar_vector", "spindle_axis")
_UNITS = {
    **dict.fromkeys(("distance", "close_distance", "pixel", "Xbeam", "Ybeam", "Xclose", "Yclose", "samplesize"), MM),
    **dict.fromkeys(("water", "detector_thick", "detector_abs"), UM),
    **dict.fromkeys(("lambda", "dmin"), A),
    **dict.fromkeys(("hdivrange", "vdivrange", "hdivstep", "vdivstep"), MRAD),
    **dict.fromkeys(("twotheta", "detector_rotx", "detector_roty", "detector_rotz", "phi", "osc", "phistep"), DEG),
    **dict.fromkeys(("misset", "mosaic"), DEG),
    "dispersion": 0.01,
}
_NUMBERS = {**dict.fromkeys(_VECTORS, 3), "twotheta_axis": 3, "pix0_vector": 3, "pix0_vector_mm": 3, "misset": 3}
_ALONE = (
    *("nopolar", "curved_det", "point_pixel", "oversample_thick", "oversample_polar", "oversample_omega"),
    *("round_xtal", "gauss_xtal", "tophat_spots", "square_xtal", "square_div", "round_div", "mosaic_quadrature"),
    *("interpolate", "nointerpolate", *CONVENTIONS),
)
_TEXT = ("defects", "pivot", "mat", "hkl", "sourcefile")
_PIVOTS = {
    **dict.fromkeys(("distance", "Xbeam", "Ybeam", "mosflm", "denzo", "adxv", "dials"), "beam"),
    **dict.fromkeys(("close_distance", "Xclose", "Yclose", "ORGX", "ORGY", "xds", "twotheta"), "sample"),
}
DEFAULT_ON = frozenset(
    (
        *("pix0_ignored", "last_value_factors", "layer_pitch"),
        *("pivot_overwritten", "close_beam_ignored", "normal_exact_length"),
        *("distance_without_twotheta", "curved_axes", "random_misset_radians"),
        *("nopolar_overridden", "source_weights_ignored", "divergence_grid"),
        *("early_interpolation_choice", "water_rescaled", "triclinic_cstar"),
        *("spot_radius_all_cells", "layer_front_face", "mosaic_uneven"),
        *("draws_linear_in_seed", "phi_slice_start", "normal_by_handedness"),
        *("close_axes_as_fast_slow", "sample_size_rounded_up", "nominal_cell_volume"),
    )
)


@dataclass
class Line:
    """What a command line says. `of(name)` is a value in SI units or the fallback."""

    convention: str = "mosflm"
    pivot: str | None = None  # of the last flag that implies one
    defects: frozenset = DEFAULT_ON
    values: dict = field(default_factory=dict)
    folder: Path = Path()

    def of(self, name, fallback=None):
        return self.values.get(name, fallback)

    def historic(self, name: str) -> bool:
        return name in self.defects


def read(arguments: list[str], folder: Path = Path()) -> Line:
    """The flags in order; a later one overrides an earlier one."""
    line, position = Line(folder=folder), 0
    while position < len(arguments):
        name, position = arguments[position].removeprefix("-"), position + 1
        taken = []
        if name == "cell":
            while position < len(arguments) and not arguments[position].startswith("-"):
                taken, position = [*taken, arguments[position]], position + 1
        elif name not in _ALONE:
            count = 1 if arguments[position] == "random" else _NUMBERS.get(name, 1)
            taken, position = arguments[position : position + count], position + count
        _take(line, name, taken)
    return line


def _take(line: Line, name: str, taken: list[str]) -> None:
    line.pivot = _PIVOTS.get(name, line.pivot)
    if name in CONVENTIONS:
        line.convention = name
    elif name in _VECTORS or name in ("twotheta_axis", "pix0_vector", "pix0_vector_mm"):
        line.convention = "custom"
    if name == "defects":
        line.defects = _defects(taken[0])
    elif name == "pivot":
        line.pivot = line.values["pivot"] = taken[0]
    elif name in _TEXT or taken == ["random"]:
        line.values[name] = taken[0]
    elif name in _ALONE:
        line.values[name] = True
        if name.endswith(("_xtal", "_spots")):
            line.values["shape"] = name.split("_")[0]
    else:
        numbers = [float(text) * _UNITS.get(name, 1.0) for text in taken]
        line.values[name] = numbers if len(numbers) > 1 or name == "cell" else numbers[0]
        if name == "pix0_vector_mm":
            line.values["pix0_vector"] = [x * MM for x in numbers]
        if name == "detpixels":
            line.values |= {"detpixels_f": numbers[0], "detpixels_s": numbers[0]}
        if name == "N":
            line.values |= dict.fromkeys(("Na", "Nb", "Nc"), numbers[0])


def _defects(text: str) -> frozenset:
    first, *changes = text.split(",")
    chosen = set({"default": DEFAULT_ON, "none": ()}[first])
    for change in changes:
        (chosen.add if change[0] == "+" else chosen.discard)(change[1:])
    return frozenset(chosen)
