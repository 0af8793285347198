"""What one crystal in one orientation scatters: lattice factor and structure factor, squared."""

import numpy as np

from tests.independent_model.line import Line

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)


def lattice_sqr(line: Line, off: np.ndarray, n: np.ndarray, star: np.ndarray) -> np.ndarray:
    """F_latt^2 for offsets (..., 3) from the nearest lattice point."""
    shape, fudge = line.of("shape", "square"), line.of("fudge", 1.0)
    if shape == "square":
        return np.prod([_row_sqr(off[..., i], int(n[i])) for i in range(3)], axis=0)
    turned = ((off * n) ** 2).sum(-1)
    if shape == "round":
        return (n.prod() * 0.723601254558268 * _sphere(np.pi * np.sqrt(fudge * turned))) ** 2
    if line.historic("spot_radius_all_cells"):
        turned = ((off @ star) ** 2).sum(-1) * n.prod() ** 2
    if shape == "gauss":
        return (n.prod() * np.exp(-turned / 0.63 * fudge)) ** 2
    return n.prod() ** 2 * (turned * fudge < 0.3969)


def _row_sqr(off: np.ndarray, n: int) -> np.ndarray:
    """|sum over the cells of a row of exp(2 pi i off k)|^2, counted from the middle of the row."""
    if n == 1:
        return np.ones_like(off)
    positions = np.arange(n) - (n - 1) / 2
    return np.cos(2 * np.pi * off[..., None] * positions).sum(-1) ** 2


def _sphere(x: np.ndarray) -> np.ndarray:
    """Transform of a solid sphere: 3/2 times the integral of (1 - t^2) cos(x t) from 0 to 1."""
    t, w = (_NODES + 1) / 2, _WEIGHTS / 2
    return 1.5 * ((1 - t**2) * np.cos(x[..., None] * t)) @ w


class Amplitudes:
    """The table of -hkl, or -default_F everywhere."""

    def __init__(self, line: Line, n: np.ndarray, stated: np.ndarray) -> None:
        self.fallback, self.table = line.of("default_F", 0.0), {}
        if line.of("hkl"):
            rows = np.loadtxt(line.folder / line.of("hkl"))
            self.table = {tuple(map(int, row[:3])): row[3] for row in rows}
            keys = np.array(list(self.table))
            self.low, self.high = keys.min(0), keys.max(0)
        few = (stated if line.historic("early_interpolation_choice") else n).min() <= 2
        self.interpolates = bool(self.table) and (line.of("interpolate") or (few and not line.of("nointerpolate")))

    def at(self, hkl: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Amplitudes for fractional indices (..., 3) and the nearest whole ones."""
        if not self.table:
            return np.full(hkl.shape[:-1], self.fallback)
        out = np.empty(hkl.shape[:-1])
        for index in np.ndindex(out.shape):
            h = hkl[index]
            inside = self.interpolates and (h >= self.low + 2).all() and (h <= self.high - 2).all()
            out[index] = self._between(h) if inside else self.table.get(tuple(map(int, whole[index])), self.fallback)
        return out

    def _between(self, h: np.ndarray) -> float:
        """The cubic through four reflections in each direction, by Neville's scheme."""
        first = np.floor(h).astype(int) - 1
        block = np.array([[[self.table.get((a, b, c), self.fallback) for c in range(first[2], first[2] + 4)]
                           for b in range(first[1], first[1] + 4)] for a in range(first[0], first[0] + 4)])  # fmt: skip
        for axis in (2, 1, 0):
            block = _neville(np.moveaxis(block, axis, 0), h[axis] - first[axis])
        return float(block)


def _neville(rows: np.ndarray, x: float) -> np.ndarray:
    rows = list(rows)
    for width in range(1, 4):
        rows = [((x - i) * rows[i + 1] - (x - i - width) * rows[i]) / width for i in range(4 - width)]
    return rows[0]
