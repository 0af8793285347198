"""The sources of the beam."""

from dataclasses import dataclass

import numpy as np

from tests.independent_model import quaternions as qt
from tests.independent_model.line import Line
from tests.independent_model.panel import Panel, Refused, unit


@dataclass
class Ray:
    """One source: unit vector along its light, wavelength in m, weight with mean 1."""

    along: np.ndarray
    wavelength_m: float
    weight: float = 1.0


def sources(line: Line, panel: Panel) -> list[Ray]:
    """All sources, in the order of the loop over them."""
    wavelength = line.of("lambda", 1e-10)
    if line.of("sourcefile"):
        rows = np.loadtxt(line.folder / line.of("sourcefile"), ndmin=2)
        weights = np.ones(len(rows)) if line.historic("source_weights_ignored") else rows[:, 3] / rows[:, 3].mean()
        return [Ray(-unit(row[:3]), row[4], w) for row, w in zip(rows, weights, strict=True)]
    h_grid = _grid(line, *(line.of(f"hdiv{name}", -1.0) for name in ("steps", "range", "step")))
    v_grid = _grid(line, *(line.of(f"vdiv{name}", -1.0) for name in ("steps", "range", "step")))
    colours = _grid(line, line.of("dispsteps", -1.0), line.of("dispersion", 0.0), -1.0)[0]
    upright, made = np.cross(panel.beam, panel.polar), []
    for h in h_grid[0]:
        for v in v_grid[0]:
            if not line.of("square_div") and _outside(h, v, h_grid, v_grid):
                continue
            tilt = qt.times(qt.about(upright, h), qt.about(panel.polar, v))
            along = qt.turn(tilt, panel.beam)
            made += [Ray(along, wavelength * (1 + shift)) for shift in colours]
    if not made:
        raise Refused("no source")
    return made


def _grid(line: Line, n, r, d) -> tuple[np.ndarray, float, float]:
    """Offsets, extent and step."""
    historic = line.historic("divergence_grid")
    if n <= 0:
        if r < 0:
            n, r, d = (2, d, d) if d > 0 else (1, 0, 0)
        elif d <= 0:
            n, d = 2, r
        else:
            n = np.ceil(r / d) if historic else np.floor(r / d + 0.5) + 1
    elif r < 0:
        n, r, d = (2, d, d) if d > 0 else (n, 1.0, 1.0 / n)
    elif d <= 0:
        n = max(n, 2)
        d = r / (n - 1)
    if r <= 0 or d <= 0 or n <= 0:
        n, r, d = 1, 0.0, 0.0
    first = r / 2 if historic else d * (n - 1) / 2
    return np.arange(int(n)) * d - first, r, d


def _outside(h, v, h_grid, v_grid) -> bool:
    total = 0.0
    for offset, (points, extent, step) in ((h, h_grid), (v, v_grid)):
        if extent == 0:
            return False
        total += (offset**2 - (0.0 if len(points) % 2 else step**2 / 4)) / extent**2
    return 4 * total > 1.1
