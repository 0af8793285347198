"""The whole image of a command line, in photons, float64."""

from itertools import product
from pathlib import Path

import numpy as np

from tests.independent_model import cell, light, panel
from tests.independent_model.line import Line, read
from tests.independent_model.spots import Amplitudes, lattice_sqr

R_E_SQR = 7.94079248018965e-30
FLUENCE = 125932015286227086360700780544.0
_CELLS_OF_WATER = 1e6 * 6.02214179e23 / 18


def photons(arguments: list[str], folder: Path = Path()) -> np.ndarray:
    """Photons (slow, fast). Raises panel.Refused where the programs must refuse."""
    return _Image(read(list(map(str, arguments)), folder)).photons()


def oversampling(arguments: list[str], folder: Path = Path()) -> int:
    """Sub-pixels along an edge that the automatic choice makes."""
    return _Image(read(list(map(str, arguments)), folder)).oversample


class _Image:
    """Everything resolved, and the factors of each ray."""

    def __init__(self, line: Line) -> None:
        self.line, self.panel = line, panel.place(line)
        self.real_m, self.star = cell.standing(line)
        self.n = cell.counts(line, self.real_m)
        stated = np.array([max(0.0, line.of(f"N{axis}", 1.0)) for axis in "abc"])
        self.amplitudes = Amplitudes(line, self.n, stated)
        self.sources = light.sources(line, self.panel)
        self.turned = cell.orientations(line, self.panel, self.real_m)
        self.layers, self.pitch_m, self.mu = panel.layers(line)
        asked = int(line.of("oversample", 0))
        self.oversample = asked if asked > 0 else self._automatic()
        every = not line.historic("last_value_factors")
        self.each = {n: every or bool(line.of(f"oversample_{n}")) for n in ("thick", "polar", "omega")}
        self.polarized = not line.of("nopolar") or (
            line.historic("nopolar_overridden") and bool(line.of("oversample_polar"))
        )

    def _automatic(self) -> int:
        largest = (np.sqrt((self.real_m**2).sum(1)) * self.n).max()
        historic = self.line.historic("distance_without_twotheta")
        away = self.panel.distance_m if historic else panel.nearest_m(self.panel, bool(self.line.of("curved_det")))
        sub_pixels = 3 * largest * self.panel.pixel_m / (self.line.of("lambda", 1e-10) * away)
        return max(1, int(np.ceil(sub_pixels * (1.0 if historic else 1 - 1e-9))))

    def photons(self) -> np.ndarray:
        """Terms with the factors that belong to each, then the factors that were stored on the way."""
        shape = self.panel.n_slow, self.panel.n_fast
        bragg, water = np.zeros(shape), np.zeros(shape)
        self.stored = {"omega": None, "thick": None, "polar": np.full(shape, 0.0 if self.polarized else 1.0)}
        if self.line.of("nopolar"):
            self.stored["polar"][:] = 1.0
        self.seen = np.zeros(shape, bool)
        for layer, *sub in product(range(self.layers), range(self.oversample), range(self.oversample)):
            b, w = self._sample(layer, tuple(sub))
            bragg, water = bragg + b, water + w
        if self.polarized and not self.line.of("nopolar"):
            # where the resolution limit leaves no source, the last one stands for the background
            unseen = 0.0 if self.line.historic("water_rescaled") else self.last_polar
            self.stored["polar"] = np.where(self.seen, self.stored["polar"], unseen)
        return self._scaled(bragg, water)

    def _scaled(self, bragg: np.ndarray, water: np.ndarray) -> np.ndarray:
        flux = self.line.of("fluence", FLUENCE)
        scale = R_E_SQR * flux
        terms = len(self.sources) * self.oversample**2
        molecules = self.line.of("water", 0.0) ** 3 * _CELLS_OF_WATER
        background = 2.57**2 * scale * molecules * water / terms / (1 if self.each["thick"] else self.layers)
        if self.line.historic("water_rescaled"):
            background = np.full_like(water, 2.57**2 * scale * molecules * scale / terms / len(self.turned))
        bragg = scale * bragg / (terms * len(self.turned))
        for name, every in self.each.items():
            if not every:
                bragg, background = bragg * self.stored[name], background * self.stored[name]
        return bragg + background

    def _sample(self, layer: int, sub: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """What one sub-pixel and layer adds of the crystal and of the water, for all pixels."""
        front = self.line.historic("layer_front_face")
        depth = self.pitch_m * (layer if front else layer + 0.5)
        at = panel.points(self.line, self.panel, self.oversample, sub, depth)
        R = np.sqrt((at**2).sum(-1))
        d = at / R[..., None]
        omega = self._omega(R, 0.0 if front or self.line.of("curved_det") else depth)
        thick = self._absorbed(layer, d)
        if self.stored["omega"] is None:
            self.stored["omega"] = omega
        if sub == (0, 0):
            self.stored["thick"] = thick
        bragg, water = np.zeros_like(R), np.zeros_like(R)
        for ray in self.sources:
            in_range, polar = self._in_range(d, ray), self._polar(d, ray)
            first = in_range & ~self.seen
            if not self.each["polar"]:
                self.stored["polar"] = np.where(first & self.polarized, polar, self.stored["polar"])
            self.seen |= in_range
            self.last_polar = polar
            own = np.where(in_range | (not self.line.of("nopolar")), polar, 1.0)
            weight = ray.weight * (thick if self.each["thick"] else 1) * (omega if self.each["omega"] else 1)
            water += weight * (own if self.each["polar"] else 1)
            bragg += weight * (polar if self.each["polar"] else 1) * in_range * self._scattered(d, ray)
        return bragg, water

    def _omega(self, R, depth):
        p, near = self.panel.pixel_m, self.panel.near_m + depth
        return 1 / R**2 if self.line.of("point_pixel") else p * p * near / R**3

    def _absorbed(self, layer, d):
        if not self.pitch_m > 0:
            return np.ones(d.shape[:-1])
        across = d @ self.panel.normal
        if self.line.of("curved_det") and not self.line.historic("curved_axes"):
            across = np.ones(d.shape[:-1])
        with np.errstate(all="ignore"):
            thickness = self.pitch_m * self.mu / across
            absorbed = np.exp(-layer * thickness) * -np.expm1(-thickness)
        return absorbed if self.line.historic("back_face_negative") else np.where(across > 0, absorbed, 0.0)

    def _polar(self, d, ray):
        """Thomson scattering of two linear polarizations, with the shares (1 + K)/2 and (1 - K)/2."""
        if not self.polarized:
            return np.ones(d.shape[:-1])
        across = panel.unit(np.cross(self.panel.polar, ray.along))
        along = np.cross(ray.along, across)
        K = self.line.of("polar", 0.0)
        return (1 + K) / 2 * (1 - (d @ along) ** 2) + (1 - K) / 2 * (1 - (d @ across) ** 2)

    def _in_range(self, d, ray):
        limit = self.line.of("dmin", 0.0)
        sine = np.sqrt(((d - ray.along) ** 2).sum(-1)) / 2
        return ~(limit * 2 * sine > ray.wavelength_m) | (limit == 0)

    def _scattered(self, d, ray):
        """Sum over all orientations of F_cell^2 F_latt^2."""
        total = np.zeros(d.shape[:-1])
        q = (d - ray.along) / ray.wavelength_m
        for rows in self.turned:
            hkl = q @ rows.T
            whole = np.ceil(hkl - 0.5)
            F = self.amplitudes.at(hkl, whole)
            total += F**2 * lattice_sqr(self.line, hkl - whole, self.n, self.star)
        return total
