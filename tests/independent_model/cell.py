"""The crystal: its cell in every orientation, and how many cells it has."""

import numpy as np

from tests.independent_model import draws
from tests.independent_model import quaternions as qt
from tests.independent_model.line import DEG, Line
from tests.independent_model.panel import Panel


def standing(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """Rows a, b, c (m) and rows a*, b*, c* (1/A), before the spindle turns."""
    if line.of("mat"):
        columns = np.loadtxt(line.folder / line.of("mat")).reshape(3, 3)
        star = columns.T * (1e-10 / line.of("lambda", 1e-10))
    else:
        star = _upright_star(line)
    star = qt.turn(_misset(line), star)
    real = np.linalg.inv(star).T
    if line.of("cell"):
        lengths, nominal = _metric(line)
        real *= (lengths / np.sqrt((real**2).sum(1)))[:, None]
        if line.historic("nominal_cell_volume"):
            cross = [np.cross(real[(i + 1) % 3], real[(i + 2) % 3]) for i in range(3)]
            return real * 1e-10, np.array(cross) / np.sqrt(np.linalg.det(nominal))
    return real * 1e-10, np.linalg.inv(real).T


def _metric(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """Lengths (A) and metric tensor of the cell as given."""
    stated = [*line.of("cell"), 0, 0, 0, 0, 0][:6]
    lengths = np.array([x or stated[0] for x in stated[:3]])
    cosines = np.cos([(x or 90.0) * DEG for x in stated[3:]])
    alpha, beta, gamma = cosines
    shape = np.array([[1, gamma, beta], [gamma, 1, alpha], [beta, alpha, 1]])
    return lengths, shape * np.outer(lengths, lengths)


def _upright_star(line: Line) -> np.ndarray:
    """Rows a*, b*, c*: a* along x, b* in the xy plane, by the Cholesky factor of the reciprocal metric."""
    lengths, metric = _metric(line)
    star = np.linalg.cholesky(np.linalg.inv(metric))
    if line.historic("triclinic_cstar"):
        volume = np.sqrt(np.linalg.det(metric))
        norms = np.sqrt((star**2).sum(1))
        sin_gamma_star = star[1, 1] / norms[1]
        star[2, 2] = norms[2] * volume / (lengths.prod() * sin_gamma_star)
    return star


def _misset(line: Line) -> np.ndarray:
    stated = line.of("misset")
    if stated != "random":
        return qt.about_lab(stated or (0.0, 0.0, 0.0))
    uniform = draws.generator(int(line.of("misset_seed")), draws.MISSET, line.historic("draws_linear_in_seed"))
    if line.historic("random_misset_radians"):
        return draws.historic_cap(uniform, 90.0)
    return draws.uniform_rotation(uniform)


def counts(line: Line, real_m: np.ndarray) -> np.ndarray:
    """Na, Nb, Nc."""
    size = line.of("samplesize", 0.0)
    made = np.array([max(1.0, line.of(f"N{axis}", 1.0)) for axis in "abc"])
    if size > 0:
        sides = np.minimum([size] * 3, [np.inf, 1e-4, 1e-4]) / np.sqrt((real_m**2).sum(1))
        slack = 0.0 if line.historic("sample_size_rounded_up") else 1e-9
        made = np.maximum(1.0, np.ceil(sides * (1 - slack)))
    return made


def phi_steps(line: Line) -> tuple[int, float]:
    """Number of spindle steps and their width."""
    n, osc, step = (line.of(name, -1.0) for name in ("phisteps", "osc", "phistep"))
    n = 1 if n == 0 else n
    if n < 0:
        if osc < 0:
            return (2, step) if step > 0 else (1, 0.0)
        return (2, osc / 2) if step <= 0 else (max(1, int(np.ceil(osc / step))), step)
    if osc < 0:
        return (int(n), DEG / n) if step <= 0 else (2, step)
    return int(n), osc / n if step < 0 else step


def domains(line: Line) -> list[np.ndarray]:
    """Quaternions of the mosaic domains."""
    spread, count = line.of("mosaic", 0.0), int(line.of("mosaic_dom", 0))
    if not spread > 0:
        return [qt.about([0, 0, 1], 0.0)]
    count = count if count > 0 else 10
    uniform = draws.generator(
        int(line.of("mosaic_seed", 12345678)), draws.MOSAIC, line.historic("draws_linear_in_seed")
    )
    if line.historic("mosaic_uneven"):
        made = [draws.historic_cap(uniform, spread) for _ in range(count)]
        return [qt.about([0, 0, 1], 0.0), *made[1:]]
    if line.of("mosaic_quadrature"):
        return draws.quadrature(count, spread)
    return [draws.even_rotation([float(uniform.draw()) for _ in range(3)], spread) for _ in range(count)]


def orientations(line: Line, panel: Panel, real_m: np.ndarray) -> list[np.ndarray]:
    """Rows a, b, c (m) for every spindle step and mosaic domain."""
    n, step = phi_steps(line)
    into = 0.0 if line.historic("phi_slice_start") else 0.5
    turns = [qt.about(panel.spindle, line.of("phi", 0.0) + step * (j + into)) for j in range(n)]
    return [qt.turn(domain, qt.turn(turned, real_m)) for turned in turns for domain in domains(line)]
