"""Random command lines that the independent model understands; a line is a pure function of its seed."""

from random import Random

import numpy as np

from tests.independent_model.line import DEFAULT_ON

_CELLS = ("50 60 70 80 95 105", "40 40 40 90 90 90", "30", "70 80 90 75 85 95", "45 55 60 90 100 90")


class _Draft:
    def __init__(self, seed: int) -> None:
        self.random, self.words, self.files = Random(f"independent {seed}"), [], {}

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def number(self, low: float, high: float) -> str:
        return f"{self.random.uniform(low, high):.4f}"

    def add(self, *arguments) -> None:
        self.words += map(str, arguments)

    def maybe(self, probability: float, *arguments) -> None:
        if self.chance(probability):
            self.add(*arguments)

    def near(self, x: float, y: float, z: float, by: float) -> list[str]:
        return [self.number(value - by, value + by) for value in (x, y, z)]


def line(seed: int) -> tuple[list[str], dict[str, str]]:
    """Words, and the text of the files that they name."""
    d = _Draft(seed)
    for section in (_panel, _place, _sensor, _crystal, _mosaic, _beam, _defects):
        section(d)
    return d.words, d.files


def _panel(d: _Draft) -> None:
    convention = d.random.choice(["mosflm", "xds", "adxv", "denzo", "dials", "custom", "custom"])
    if convention != "custom":
        d.add(f"-{convention}")
    else:
        hand = d.random.choice([-1, 1])
        d.add("-fdet_vector", *d.near(0, 0, 1, 0.1))
        d.add("-sdet_vector", *d.near(0, hand, 0, 0.1))
        d.maybe(0.3, "-odet_vector", *d.near(1, 0, 0, 0.03))
        d.maybe(0.5, "-beam_vector", *d.near(1, 0, 0, 0.05))
        d.maybe(0.3, "-polar_vector", *d.near(0, 0, 1, 0.3))
        d.maybe(0.4, "-spindle_axis", *d.near(0, 0.3, 1, 0.3))
        d.maybe(0.3, "-twotheta_axis", *d.near(0, 1.2, 0, 0.3))
        d.maybe(0.2, "-pix0_vector", *d.near(0.07, 0, 0, 0.01))
    fast, slow = d.random.randrange(5, 10), d.random.randrange(5, 10)
    d.add("-detpixels_f", fast, "-detpixels_s", slow, "-pixel", d.random.choice(["0.5", "2", "4"]))


def _place(d: _Draft) -> None:
    d.maybe(0.8, "-distance", d.number(40, 150))
    d.maybe(0.25, "-close_distance", d.number(40, 150))
    for flag, probability in (("Xbeam", 0.3), ("Ybeam", 0.3), ("Xclose", 0.25), ("Yclose", 0.25)):
        d.maybe(probability, f"-{flag}", d.number(0, 20))
    for flag in ("ORGX", "ORGY"):
        d.maybe(0.25, f"-{flag}", d.number(0, 9))
    d.maybe(0.25, "-pivot", d.random.choice(["sample", "beam"]))
    d.maybe(0.5, "-twotheta", d.number(-70, 70))
    for axis in "xyz":
        d.maybe(0.3, f"-detector_rot{axis}", d.number(-20, 20))
    d.maybe(0.15, "-curved_det")
    d.maybe(0.1, "-point_pixel")


def _sensor(d: _Draft) -> None:
    if d.chance(0.4):
        d.add("-detector_thick", d.number(50, 900))
        d.maybe(0.7, "-detector_abs", d.number(50, 900))
        d.maybe(0.7, "-detector_thicksteps", d.random.randrange(1, 5))
    for name in ("thick", "polar", "omega"):
        d.maybe(0.15, f"-oversample_{name}")


def _crystal(d: _Draft) -> None:
    cell = d.random.choice(_CELLS)
    with_matrix = d.chance(0.25)
    if not with_matrix or d.chance(0.5):
        d.add("-cell", *cell.split())
    if with_matrix:
        rows = np.random.default_rng(d.random.randrange(1000)).normal(size=(3, 3)) * 0.002 + np.diag(
            [0.025, 0.02, 0.022]
        )
        d.files["A.mat"] = "\n".join(" ".join(f"{x:.6f}" for x in row) for row in rows)
        d.add("-mat", "A.mat")
    if d.chance(0.2):
        d.add("-misset", "random", "-misset_seed", d.random.randrange(1, 1000))
    else:
        d.maybe(0.7, "-misset", *(d.number(-90, 90) for _ in range(3)))
    if d.chance(0.8):
        for axis in "abc":
            d.maybe(0.9, f"-N{axis}", d.random.randrange(1, 9))
    else:
        d.add("-samplesize", d.random.choice(["0.00003", "0.000025", "0.00002"]))
    d.maybe(0.6, f"-{d.random.choice(['round_xtal', 'gauss_xtal', 'tophat_spots'])}")
    d.maybe(0.3, "-fudge", d.number(0.2, 1.5))
    d.add("-default_F", d.number(1, 100))
    if d.chance(0.2):
        table = np.random.default_rng(d.random.randrange(1000)).uniform(1, 100, (11, 11, 11))
        d.files["F.hkl"] = "\n".join(f"{h - 5} {k - 5} {m - 5} {F:.3f}" for (h, k, m), F in np.ndenumerate(table))
        d.add("-hkl", "F.hkl")
        d.maybe(0.7, d.random.choice(["-interpolate", "-nointerpolate"]))


def _mosaic(d: _Draft) -> None:
    if d.chance(0.4):
        d.add("-mosaic", d.random.choice([d.number(0.01, 3), d.number(10, 180)]))
        d.add("-mosaic_dom", d.random.randrange(1, 6))
        d.maybe(0.4, "-mosaic_seed", d.random.randrange(1, 1000))
        d.maybe(0.3, "-mosaic_quadrature")
    d.maybe(0.4, "-phi", d.number(-3, 3))
    d.maybe(0.35, "-osc", d.number(0.1, 3))
    d.maybe(0.35, "-phisteps", d.random.randrange(1, 4))


def _beam(d: _Draft) -> None:
    d.maybe(0.7, "-lambda", d.number(0.7, 1.5))
    d.maybe(0.4, "-polar", d.number(-1, 1))
    d.maybe(0.15, "-nopolar")
    d.maybe(0.2, "-dmin", d.number(1, 6))
    d.maybe(0.35, "-water", d.number(0.01, 0.3))
    kind = d.random.choice(["none", "none", "grid", "steps", "file"])
    if kind == "file":
        rows = [
            [*d.near(0, 0, 0, 0.3), d.number(0.2, 3), f"{d.random.uniform(0.8e-10, 1.4e-10):.5e}"] for _ in range(3)
        ]
        for row in rows:
            row[d.random.choice([0, 2])] = "-10"
        d.files["sources.txt"] = "\n".join(" ".join(row) for row in rows) + "\n"
        d.add("-sourcefile", "sources.txt")
    for axis in "hv":
        if kind == "grid" and d.chance(0.8):
            d.add(f"-{axis}divrange", d.number(0.1, 5), f"-{axis}divsteps", d.random.randrange(1, 4))
        if kind == "steps" and d.chance(0.8):
            d.add(f"-{axis}divrange", d.number(1, 4), f"-{axis}divstep", d.number(0.7, 6))
    if kind in ("grid", "steps"):
        d.maybe(0.4, "-square_div")
        d.maybe(0.3, "-dispersion", d.number(0.1, 3), "-dispsteps", d.random.randrange(2, 4))
    small = "-N" not in d.words and "0.5" in d.words
    if not (small and d.chance(0.5)):
        d.add("-oversample", d.random.choice([1, 1, 2, 3]))


def _defects(d: _Draft) -> None:
    wanted = d.random.choice(["none", "none", "none", "default"])
    for name in d.random.sample(sorted(DEFAULT_ON | {"axis_not_normalised"}), d.random.choice([0, 0, 1, 3, 8])):
        wanted += f",{'+' if wanted.startswith('none') else '-'}{name}"
    d.add("-defects", wanted)
    on = wanted.startswith("default") != ("sample_size_rounded_up" in wanted)
    if on and "-samplesize" in d.words:  # of whole cells, the last bit would decide
        d.words[d.words.index("-samplesize") + 1] = "0.0000277"
