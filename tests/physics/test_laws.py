"""Laws that the corrected physics (`-defects none`) obeys, whatever the formulas: integrals, symmetries, limits."""

import math

import numpy as np
import pytest
import torch

from nanobrag_torch.parameters import Crystal
from nanobrag_torch.physics import lattice, random_numbers
from nanobrag_torch.physics.mosaic import domain_matrices
from nanobrag_torch.physics.random_numbers import SharedTable
from nanobrag_torch.physics.sampling import MosaicDomains
from tests.independent_model import quaternions as qt

NONE = " -defects none"


FACES = [f"-twotheta {angle}" for angle in (0, 90, 180, 270)] + ["-detector_roty 90", "-detector_roty -90"]


@pytest.mark.parametrize(("beam", "integral"), [("", 8 / 3), ("-polar 0.9", 8 / 3), ("-nopolar", 4)])
def test_one_cell_scatters_the_thomson_cross_section_over_the_sphere(both, beam, integral):
    """Six panels that make a cube around the sample catch r_e^2 F^2 fluence 8 pi/3, or 4 pi without polarization."""
    line = f"-xds -cell 50 -N 1 -default_F 1 -close_distance 50 -pixel 5 -detpixels 20 -oversample 6 {beam}" + NONE
    for program in (both.c, both.torch):
        caught = sum(program(f"{line} {face}").sum() for face in FACES)
        assert caught == pytest.approx(integral * math.pi, rel=1e-4)


@pytest.mark.parametrize("detector", ["-pivot sample", "-pivot beam", "-pivot sample -curved_det"])
def test_everything_turned_together_gives_the_same_image(both, detector):
    sensor = "-detector_thick 400 -detector_abs 300 -detector_thicksteps 2"
    frame = {
        "fdet_vector": (0, 0.1, 1), "sdet_vector": (0, -1, 0.1), "beam_vector": (1, 0.05, 0),
        "polar_vector": (0, 0.2, 1), "spindle_axis": (0.1, 0.3, 1), "twotheta_axis": (0.2, 1, 0),
    }  # fmt: skip
    star = np.diag([0.02, 0.017, 0.014]) + 0.003 * np.arange(9).reshape(3, 3) / 9  # rows a*, b*, c*
    line = (
        f"-mat A.mat -N 5 -default_F 10 -detpixels 9 -pixel 3 -distance 90 -twotheta 25 -Xbeam 11 -Ybeam 14 -Xclose 12 "
        f"-osc 1 -phisteps 2 -polar 0.7 -hdivrange 2 -hdivsteps 2 -water 0.1 -oversample 2 {sensor} {detector}" + NONE
    )
    images = []
    for turn in (qt.about((0, 0, 1), 0.0), qt.about((1, 2, -0.5), 1.9)):
        np.savetxt(both.folder / "A.mat", qt.turn(turn, star).T, fmt="%.17g")
        vectors = " ".join(f"-{name} " + " ".join(f"{x:.17g}" for x in qt.turn(turn, np.array(v, float)))
                           for name, v in frame.items())  # fmt: skip
        images.append(both.images(f"{vectors} {line}"))
    for upright, turned in zip(*images, strict=True):
        assert np.abs(turned - upright).max() <= 1e-10 * upright.max()


def test_a_swung_panel_is_the_flat_one_resampled(both):
    """Photons per solid angle depend on the direction alone: a flat panel with a pixel there sees the same."""
    crystal = "-xds -cell 50 60 70 80 95 105 -misset 10 20 30 -N 5 -default_F 10 -polar 0.8 -oversample 1" + NONE
    pixel_mm, near_mm, n = 2.0, 90.0, 7
    swung = f"{crystal} -pixel {pixel_mm} -detpixels {n} -distance {near_mm} -twotheta 35 -detector_rotz 20"
    g = both.simulation(swung).geometry
    for program in (both.c, both.torch):
        image = program(swung)
        for slow, fast in ((0, 0), (3, 5), (6, 2)):
            at = g.pix0_m + 1e-3 * pixel_mm * ((fast + 0.5) * g.fdet + (slow + 0.5) * g.sdet)
            x, y, z = (at / at[2]).tolist()
            origin = f"-ORGX {1 - x * near_mm / pixel_mm:.15g} -ORGY {1 - y * near_mm / pixel_mm:.15g}"
            (flat,) = program(f"{crystal} -pixel {pixel_mm} -detpixels 1 -distance {near_mm} {origin}").ravel()
            R_flat, R = near_mm * math.hypot(x, y, z), 1e3 * float(at.norm())
            assert image[slow, fast] == pytest.approx(flat * (R_flat / R) ** 3, rel=1e-9)


def test_thin_layers_tend_to_the_absorption_integral_in_second_order(both):
    line = (
        "-xds -cell 50 -N 1 -default_F 10 -distance 30 -twotheta 30 -pixel 5 -detpixels 6 -oversample 1 "
        "-detector_thick 4000 -detector_abs 2500 -detector_thicksteps" + " {}" + NONE
    )
    for program in (both.c, both.torch):
        fine = program(line.format(512))
        errors = [np.abs(program(line.format(n)) - fine).max() for n in (2, 4, 8, 16)]
        assert errors[-1] < 1e-3 * fine.max()
        for coarse, finer in zip(errors, errors[1:], strict=False):
            assert coarse / finer == pytest.approx(4, rel=0.15)


def test_water_is_absorbed_by_a_sensor_whatever_its_layers(both):
    line = (
        "-cell 50 60 70 90 90 90 -default_F 1e-6 -N 1 -lambda 1 -detpixels 8 -pixel 0.2 -distance 500 -nopolar "
        "-oversample 1 -water 10" + NONE
    )
    sensor = " -detector_thick 500 -detector_abs 200 -detector_thicksteps {}"
    for program in (both.c, both.torch):
        bare = program(line)
        for n in (1, 2, 5, 20):
            assert program(line + sensor.format(n)).sum() / bare.sum() == pytest.approx(1 - math.exp(-2.5), rel=1e-3)


@pytest.mark.parametrize(("flags", "tolerance"), [("-mosaic_quadrature", 0.01), ("-mosaic_seed 7", 0.05)])
def test_a_spread_of_180_degrees_is_a_powder(both, flags, tolerance):
    """The Debye formula for two cells along each axis: every difference of places as sin(qr)/(qr)."""
    edges = np.array([3.0, 4.0, 5.0])
    cell = "-cell " + " ".join(map(str, edges))
    line = (
        f"-xds {cell} -N 2 -default_F 1 -mosaic 180 -mosaic_dom 20000 {flags} -distance 40 -pixel 6 -detpixels 5 "
        "-ORGX 0.5 -ORGY 0.5 -nopolar -point_pixel -oversample 1" + NONE
    )
    positions = (np.arange(5) + 0.5) * 6
    x, y = np.meshgrid(positions, positions)
    R = np.sqrt(x**2 + y**2 + 40.0**2)
    q = 2 * np.sin(np.arccos(40 / R) / 2)  # 1/A at 1 A
    steps = np.array(np.meshgrid(*[(-1, 0, 1)] * 3)).reshape(3, -1).T
    r = np.sqrt(((steps * edges) ** 2).sum(1))
    debye = (8 * 0.5 ** np.abs(steps).sum(1) * np.sinc(2 * q[..., None] * r)).sum(-1)
    for image in both.images(line):
        assert image * (R / 1e3) ** 2 == pytest.approx(debye, rel=tolerance)


NO_DEFECTS = frozenset()


def distance_to(values: np.ndarray, distribution) -> float:
    """Kolmogorov's and Smirnov's distance of values from a cumulative distribution."""
    expected, n = distribution(np.sort(values)), len(values)
    return max((np.arange(1, n + 1) / n - expected).max(), (expected - np.arange(n) / n).max())


def turning_angles(matrices: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip((np.trace(matrices, axis1=1, axis2=2) - 1) / 2, -1, 1))


def test_random_orientations_have_haar_measure_over_seeds():
    """The first orientation of 40,000 seeds; each element of a random rotation is even in [-1, 1]."""
    cpu, made = torch.device("cpu"), []
    for seed in range(1, 40001):
        stream = random_numbers.stream(SharedTable(), -seed, random_numbers.MISSET, NO_DEFECTS)
        made.append(random_numbers.uniform_rotation(stream, cpu))
    matrices = torch.stack(made).numpy()
    limit = 2.0 / math.sqrt(len(matrices))  # passed by chance once in 1,500 tests
    assert distance_to(turning_angles(matrices), lambda t: (t - np.sin(t)) / np.pi) < limit
    for element in matrices.reshape(-1, 9).T:
        assert distance_to(element, lambda x: (x + 1) / 2) < limit
    quaternion_w_sqr = (np.trace(matrices, axis1=1, axis2=2) + 1) / 4
    assert quaternion_w_sqr.mean() == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize("spread_deg", [0.01, 1.0, 60.0, 180.0])
@pytest.mark.parametrize("quadrature", [False, True])
def test_mosaic_tilts_are_even_in_the_cap(spread_deg, quadrature):

    spread = math.radians(spread_deg)
    crystal = Crystal(mosaic_spread_rad=spread, mosaic_domains=4000, mosaic_quadrature=quadrature)
    matrices = domain_matrices(MosaicDomains(4000, spread), crystal, SharedTable(), NO_DEFECTS, torch.device("cpu"))
    matrices = matrices.numpy()
    skew = matrices - matrices.transpose(0, 2, 1)
    vectors = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], -1) / 2
    angle = np.arctan2(np.sqrt((vectors**2).sum(-1)), (np.trace(matrices, axis1=1, axis2=2) - 1) / 2)
    limit = 0.002 if quadrature else 2 / math.sqrt(4000)

    def within(t):
        return t**3 / spread**3 if spread < 0.1 else (t - np.sin(t)) / (spread - np.sin(spread))

    assert distance_to(angle, within) < limit
    if spread_deg <= 1:
        assert angle.mean() / spread == pytest.approx(0.75, abs=0.01)
    axes = vectors / np.sqrt((vectors**2).sum(-1, keepdims=True))
    for component in axes.T:
        assert distance_to(component, lambda x: (x + 1) / 2) < (0.02 if quadrature else limit)
    if quadrature:
        assert np.abs(vectors.sum(0)).max() < 1e-9


@pytest.mark.parametrize(("n", "shapes"), [(5, ("GAUSS", "TOPHAT")), (10, ("ROUND", "GAUSS", "TOPHAT"))])
def test_totals_of_all_shapes_are_that_of_the_parallelepiped(n, shapes):
    """The mean of F_latt^2 over a cell of the reciprocal lattice is the number of unit cells.

    The spot of a round crystal reaches beyond that cell: of five cells across, 10.3 % are cut off.
    """
    points = (torch.arange(96, dtype=torch.float64) + 0.5) / 96 - 0.5
    off = torch.stack(torch.meshgrid(points, points, points, indexing="ij")).reshape(3, 1, -1)
    cells, fudge, star = torch.full((3,), float(n)).double(), torch.ones(()).double(), torch.eye(3).double()
    rho2 = lattice.offset_sqr(off, star, cells, radius_all_cells=False)
    made = {
        "SQUARE": lattice.square(torch.zeros_like(off), off.clone(), cells, torch.float64),
        "ROUND": lattice.sphere(off, cells, fudge, torch.float64, closed_form=False),
        "GAUSS": lattice.gauss(rho2, cells, fudge),
        "TOPHAT": lattice.tophat(rho2, cells, fudge, torch.float64),
    }
    totals = {shape: float((factor**2).mean()) / n**3 for shape, factor in made.items()}
    assert totals["SQUARE"] == pytest.approx(1, rel=1e-6)
    for shape in shapes:
        assert totals[shape] == pytest.approx(1, rel=0.1), totals
