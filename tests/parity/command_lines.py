"""Random command lines of nanoBragg, valid ones, over every flag that changes what is computed or written.

`command_line(seed)` is a pure function. Each section below covers one part of the experiment as groups of words; in
the end the groups are shuffled, since the order of flags decides conventions and pivots. Sizes and step counts are
kept small, so that a run takes a fraction of a second.
"""

from random import Random

from nanobragg_tables import defects
from tests.parity import input_files
from tests.parity.draft import SPELLINGS, CommandLine, Draft


def command_line(seed: int) -> CommandLine:
    """The command line of a seed, the same on every machine."""
    draft = Draft(seed)
    for section in (
        _pixels, _convention, _placement, _crystal, _cells, _mosaic, _amplitudes, _beam, _sources, _spindle, _sensor,
        _sampling, _outputs, _without_effect, _defects,
    ):  # fmt: skip
        section(draft)
    draft.random.shuffle(draft.groups)
    return CommandLine(seed, [argument for group in draft.groups for argument in group], draft.files)


def with_beam_on_a_pixel(line: CommandLine) -> CommandLine:
    """The same with the direct beam on the middle or the border of a pixel or sub-pixel, where q is 0 or nearly."""
    random, arguments, pixel_mm = Random(line.seed + 10**6), list(line.words), 0.1
    for flag, value in zip(arguments, arguments[1:], strict=False):
        pixel_mm = float(value) if flag == "-pixel" else pixel_mm
    sub_pixels = random.choice([1, 2, 3])
    for flag in ("-Xbeam", "-Ybeam"):
        arguments += [flag, repr(pixel_mm / (2 * sub_pixels) * random.randrange(1, 20 * sub_pixels))]
    return CommandLine(line.seed, [*arguments, "-oversample", str(sub_pixels)], line.files)


def _pixels(d: Draft) -> None:
    header = d.random.choice([None] * 8 + ["-mask", "-img"])
    if header:
        pixels = input_files.mask(d.random, d.n_fast, d.n_slow)
        content = input_files.smv(pixels, input_files.header_keys(d.random, d.pixel_mm, d.n_fast))
        d.give(header, f"{header[1:]}.img", content)
        if d.chance(0.5):
            return
    d.add("-pixel", d.pixel_mm)
    form = "pixels" if header else d.random.choice(["pixels", "pixels", "size", "square", "square size"])
    if form == "pixels":
        d.add("-detpixels_f", d.n_fast)
        d.add("-detpixels_s", d.n_slow)
    elif form == "size":
        d.add("-detsize_f", f"{d.pixel_mm * (d.n_fast + d.random.uniform(-0.45, 0.45)):.5f}")
        d.add("-detsize_s", f"{d.pixel_mm * d.n_slow:.5f}")
    elif form == "square":
        d.add("-detpixels", d.n_fast)
    else:
        d.add("-detsize", f"{d.pixel_mm * d.n_fast:.5f}")


def _convention(d: Draft) -> None:
    convention = d.random.choice([None, "-mosflm", "-xds", "-adxv", "-denzo", "-dials", "custom", "custom"])
    if convention != "custom":
        if convention:
            d.add(convention)
        return

    def near(x: float, y: float, z: float, by: float) -> list[str]:
        return [f"{value + d.random.uniform(-by, by):.4f}" for value in (x, y, z)]

    d.maybe(0.7, "-fdet_vector", *near(0, 0, 1, 0.1))
    d.maybe(0.7, "-sdet_vector", *near(0, -1, 0, 0.1))
    d.maybe(0.5, "-odet_vector", *d.random.choice([(1, 0, 0), near(1, 0, 0, 0.03)]))
    d.maybe(0.5, "-beam_vector", *near(1, 0, 0, 0.05))
    d.maybe(0.3, "-polar_vector", *near(0, 0, 1, 0.3))
    d.maybe(0.4, "-spindle_axis", *near(0, 0.3, 1, 0.3))
    d.maybe(0.3, "-twotheta_axis", *near(0, 1.2, 0, 0.3))
    if d.chance(0.3):
        metres = [d.random.uniform(*limits) for limits in ((0.05, 0.09), (-0.005, 0.005), (-0.005, 0.005))]
        if d.chance(0.5):
            d.add("-pix0_vector", *(f"{x:.5f}" for x in metres))
        else:
            d.add("-pix0_vector_mm", *(f"{1000 * x:.3f}" for x in metres))


def _placement(d: Draft) -> None:
    size_mm = d.pixel_mm * d.n_fast
    d.maybe(0.8, "-distance", d.uniform(40, 150))
    d.maybe(0.15, "-close_distance", d.uniform(40, 150))
    for flag, probability in (("-Xbeam", 0.4), ("-Ybeam", 0.4), ("-Xclose", 0.2), ("-Yclose", 0.2)):
        d.maybe(probability, flag, d.uniform(0, size_mm))
    d.maybe(0.25, "-ORGX", d.uniform(0, d.n_fast))
    d.maybe(0.25, "-ORGY", d.uniform(0, d.n_slow))
    d.maybe(0.2, "-pivot", d.random.choice(["sample", "beam"]))
    d.maybe(0.4, "-twotheta", d.uniform(-30, 30))
    for axis in "xyz":
        d.maybe(0.3, f"-detector_rot{axis}", d.uniform(-20, 20))
    d.maybe(0.1, "-curved_det")
    d.maybe(0.1, "-point_pixel")


def _crystal(d: Draft) -> None:
    origin = d.random.choice(["cell", "cell", "matrix", "both"])
    if origin != "matrix":
        cells = ["50 60 70 80 95 105", "40 40 40 90 90 90", "30", "70 80 90 75 85 95", "50 60 70 90 100", "100 110"]
        d.add("-cell", *d.random.choice(cells).split())
    if origin != "cell":
        d.give("-mat", "A.mat", input_files.matrix())
    d.maybe(0.15, "-misset_seed", d.random.choice([-7, 3, 42, 4711]))
    if d.chance(0.15):
        d.add("-misset", "random")
        d.add("-misset_seed", d.random.randrange(1, 1000))
    elif d.chance(0.6):
        d.add("-misset", *(d.uniform(-90, 90) for _ in range(3)))


def _cells(d: Draft) -> None:
    kind = d.random.choice(["N", "axes", "axes", "size", "extents", "none"])
    if kind == "N":
        d.add("-N", d.random.randrange(0, 12))
    if kind in ("axes", "extents"):
        for axis in "abc":
            d.maybe(0.85, f"-N{axis}", d.random.randrange(0 if d.chance(0.1) else 1, 14))
    if kind == "size":
        d.add("-samplesize", d.uniform(2e-5, 6e-5, 6))
    if kind == "extents":
        for flag in ("-sample_thick", "-sample_width", "-sample_height"):
            d.maybe(0.5, flag, d.uniform(2e-5, 6e-5, 6))
    shapes = [None, None, "-square_xtal", "-round_xtal", "-gauss_xtal", "-tophat_spots"]
    if shape := d.random.choice(shapes):
        d.add(shape)
    d.maybe(0.2, "-fudge", d.uniform(0.3, 3))


def _mosaic(d: Draft) -> None:
    d.maybe(0.4, "-mosaic", d.uniform(0, 2))
    d.maybe(0.4, "-mosaic_dom", d.random.randrange(0, 6))
    d.maybe(0.3, "-mosaic_seed", d.random.choice([-5, 3, 99, 12345]))
    d.maybe(0.1, "-mosaic_quadrature")


def _amplitudes(d: Draft) -> None:
    kind = d.random.choice(["dense", "dense", "sparse", "default", "default", "dump"])
    if kind == "dense":
        d.give("-hkl", "dense.hkl", input_files.dense_reflections())
    elif kind == "sparse":
        d.give("-hkl", "sparse.hkl", input_files.sparse_reflections())
    elif kind == "dump":
        d.give("-dumpfile", "F.dump", input_files.dump())
    if kind in ("dense", "sparse"):
        d.maybe(0.15, "-dumpfile", "F.out")
    if kind in ("default", "sparse") or d.chance(0.4):
        d.add("-default_F", d.uniform(1, 200))
    if d.chance(0.4):
        d.add(d.random.choice(["-interpolate", "-nointerpolate"]))
    d.maybe(0.12, "-dmin", d.uniform(1, 5))
    d.maybe(0.1, "-water", d.uniform(1, 50))


def _beam(d: Draft) -> None:
    wavelength_A = d.random.uniform(0.7, 1.5)
    if d.chance(0.3):
        d.add("-energy", f"{12398.42 / wavelength_A:.2f}")
    if d.chance(0.7):
        d.add("-lambda", f"{wavelength_A:.4f}")
    d.maybe(0.4, "-fluence", f"{10 ** d.random.uniform(20, 28):.3g}")
    d.maybe(0.3, "-flux", f"{10 ** d.random.uniform(10, 18):.3g}")
    d.maybe(0.2, "-exposure", d.uniform(0.1, 3))
    d.maybe(0.2, "-beamsize", d.uniform(1e-5, 0.1, 5))
    d.maybe(0.4, "-polar", d.uniform(-1, 1))
    d.maybe(0.15, "-nopolar")


def _sources(d: Draft) -> None:
    kind = d.random.choice(["none", "none", "horizontal", "both", "grid", "steps", "file"])
    if kind == "file":
        d.give("-sourcefile", "sources.txt", input_files.sources(d.random))
    if kind == "both":
        d.add("-divergence", d.uniform(0, 5))
        d.maybe(0.7, "-divsteps", d.random.randrange(1, 4))
    if kind in ("horizontal", "grid"):
        d.add("-hdivrange", d.uniform(0.1, 5))
        d.add("-hdivsteps", d.random.randrange(1, 5))
    if kind == "grid":
        d.add("-vdivrange", d.uniform(1, 4))
        d.add(*d.random.choice([("-vdivstep", d.uniform(0.8, 2)), ("-vdivsteps", d.random.randrange(1, 4))]))
    if kind == "steps":
        d.add("-hdivstep", d.uniform(0, 3))
        d.maybe(0.5, "-vdivstep", d.uniform(0, 3))
    if kind != "none" and d.chance(0.4):
        d.add(d.random.choice(["-square_div", "-round_div"]))
    d.maybe(0.25, "-dispersion", d.uniform(0, 3))
    d.maybe(0.25, "-dispsteps", d.random.randrange(0, 4))


def _spindle(d: Draft) -> None:
    d.maybe(0.4, "-phi", d.random.choice(["0", d.uniform(-3, 3), "-1", "0.5"]))
    d.maybe(0.35, "-osc", d.random.choice([d.uniform(0, 2), "1", "2"]))
    d.maybe(0.35, "-phisteps", d.random.randrange(0, 5))
    d.maybe(0.1, "-phistep", d.uniform(0.3, 1))


def _sensor(d: Draft) -> None:
    if not d.chance(0.3):
        return
    d.add("-detector_thick", d.random.choice(["0", d.uniform(1, 900, 1), d.uniform(1, 900, 1)]))
    d.maybe(0.7, "-detector_abs", d.random.choice([d.uniform(50, 900, 1)] * 6 + ["inf", "0"]))
    d.maybe(0.6, "-detector_thicksteps", d.random.randrange(0, 5))


def _sampling(d: Draft) -> None:
    for flag in ("-oversample_thick", "-oversample_polar", "-oversample_omega"):
        d.maybe(0.15, flag)
    automatic = d.pixel_mm == 0.1 and any(set(group) & set(SPELLINGS["-N"]) for group in d.groups)
    if not (automatic and d.chance(0.7)):
        d.add("-oversample", d.random.choice([1, 1, 1, 2, 3]))
    elif d.chance(0.3):
        d.add("-oversample", d.random.choice([0, -1]))
    if d.chance(0.15):
        fast, slow = ((d.random.randrange(-1, n // 3), d.random.randrange(n // 2, n + 2)) for n in (d.n_fast, d.n_slow))
        d.add("-roi", *fast, *slow)


def _outputs(d: Draft) -> None:
    d.maybe(0.1, "-scale", d.uniform(0, 2))
    d.maybe(0.1, "-adc", d.uniform(0, 100))
    d.maybe(0.1, "-pgmscale", d.uniform(0, 2))
    d.maybe(0.1, "-nopgm")
    d.maybe(0.05, "-intfile", "integers.img")
    d.maybe(0.05, "-pgmfile", "grey.pgm")
    d.maybe(0.05, "-noisefile", "photons.img")
    d.maybe(0.1, "-doublefile", "double.bin")
    d.maybe(0.5, "-nonoise")
    d.add("-seed", d.random.randrange(-5, 1000))
    d.maybe(0.1, d.random.choice(["-progress", "-noprogress"]))
    if not any(group[0] in ("-roi", "-mask") for group in d.groups):  # a pixel that is not computed is refused
        d.maybe(0.05, "-printout_pixel", d.random.randrange(d.n_fast - 1), d.random.randrange(d.n_fast - 1))
    d.maybe(0.01, "-printout")


def _without_effect(d: Draft) -> None:
    d.maybe(0.05, "-density", d.uniform(0.5, 2))
    d.maybe(0.05, "-MW", d.uniform(10, 100))
    d.maybe(0.05, "-coherent")
    d.maybe(0.05, "-stolout", "out.stol")
    if d.chance(0.1):
        d.give(d.random.choice(["-stol", "-4stol", "-Q"]), "water.stol", input_files.scattering_table())


def _defects(d: Draft) -> None:
    if d.chance(0.5):
        return
    names = [defect.name for defect in defects() if defect.torch]
    # a count of divergence steps without a range is refused when this one is off
    names.remove("divergence_grid")
    wanted = d.random.choice(["default", "none,+divergence_grid", "historic,-interpolation_latch"])
    for name in d.random.sample(names, d.random.randrange(0, 4)):
        wanted += f",{d.random.choice('+-')}{name}"
    counted = any(set(group) & {*SPELLINGS["-hdivsteps"], *SPELLINGS["-divsteps"]} for group in d.groups)
    if not counted and d.chance(0.5):
        wanted += ",-divergence_grid"
    if ["-point_pixel"] in d.groups:
        wanted += ",-running_product"  # multiplies by 1/R^2 after every term, soon beyond all numbers
    d.add("-defects", wanted)
