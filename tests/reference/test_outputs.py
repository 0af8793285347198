"""Files that a run writes, and files that it reads."""

import struct

import numpy as np
import pytest

from .program import BASE, QUIET, read_smv, words, write_smv
from .random_model import Poisson, Uniform

PLAIN = [*BASE, "-default_F", 5, "-N", 3]
WITH_ALL = [argument for argument in PLAIN if argument not in ("-nonoise", "-nopgm")]
REFLECTIONS = "# h k l F\n0 1 1 50\n\n1 0 0 20 # strong\n0 -1 1 30\n-2 1 3 8\n1 0 0 25\n"


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_which_files_appear(nanobragg):
    nanobragg.succeed(*PLAIN)
    assert names(nanobragg.folder) == {"floatimage.bin", "intimage.img"}
    nanobragg.succeed(*WITH_ALL)
    assert names(nanobragg.folder) == {"floatimage.bin", "intimage.img", "image.pgm", "noiseimage.img"}


def test_files_get_their_names(nanobragg):
    flags = "-floatimage f -intimage i -nopgm -pgmimage p -nonoise -noiseimage n -seed 1"
    nanobragg.succeed(*WITH_ALL, *words(flags))
    assert names(nanobragg.folder) == {"f", "i", "p", "n"}


def test_double_precision_image(nanobragg):
    nanobragg.succeed(*PLAIN, "-doublefile", "image.f64")
    single = np.fromfile(nanobragg.folder / "floatimage.bin", np.float32)
    double = np.fromfile(nanobragg.folder / "image.f64", np.float64)
    assert np.array_equal(double.astype(np.float32), single)
    assert double.max() > 0 and not np.array_equal(double, single), "the rounding to single is what it leaves out"


def test_links_and_devices(nanobragg):
    (nanobragg.folder / "real.bin").write_text("old")
    (nanobragg.folder / "link.bin").symlink_to("real.bin")
    nanobragg.succeed(*PLAIN, "-floatfile", "link.bin", "-intfile", "/dev/null")
    assert (nanobragg.folder / "link.bin").is_symlink()
    assert (nanobragg.folder / "real.bin").stat().st_size == 4 * 64
    assert names(nanobragg.folder) == {"real.bin", "link.bin"}


def test_header(nanobragg):
    flags = ["-phi", 10, "-osc", 0.5, "-twotheta", 5, "-close_distance", 90]
    nanobragg.succeed(*PLAIN, *flags)
    header, _ = read_smv(nanobragg.folder / "intimage.img")
    assert list(header) == words(
        "HEADER_BYTES DIM BYTE_ORDER TYPE SIZE1 SIZE2 PIXEL_SIZE DISTANCE WAVELENGTH BEAM_CENTER_X BEAM_CENTER_Y "
        "ADXV_CENTER_X ADXV_CENTER_Y MOSFLM_CENTER_X MOSFLM_CENTER_Y DENZO_X_BEAM DENZO_Y_BEAM DIALS_ORIGIN XDS_ORGX "
        "XDS_ORGY CLOSE_DISTANCE PHI OSC_START OSC_RANGE TWOTHETA DETECTOR_SN BEAMLINE"
    )
    expected = {"PIXEL_SIZE": "3", "WAVELENGTH": "1", "BEAM_CENTER_X": "13.5", "PHI": "10", "OSC_RANGE": "0.5"}
    expected |= {"TWOTHETA": "5", "DETECTOR_SN": "000", "HEADER_BYTES": "512"}
    assert {key: header[key] for key in expected} == expected


def test_long_header_takes_two_blocks(nanobragg):
    odd = ["-distance", 123.456789, "-detector_rotx", 1.2345678, "-detector_roty", 2.3456789, "-pixel", 0.172913]
    odd += ["-Xbeam", 12.345678, "-Ybeam", 11.234567, "-lambda", 0.97684321, "-phi", 12.34567, "-osc", 0.123456]
    odd += ["-detpixels_x", 1300, "-detpixels_y", 1200, "-twotheta", 1.234567, "-roi", 0, 9, 0, 9]
    nanobragg.succeed(*PLAIN, *odd)
    header, pixels = read_smv(nanobragg.folder / "intimage.img")
    assert header["HEADER_BYTES"] == "1024" and pixels.shape == (1200, 1300)
    assert "1024" in (nanobragg.folder / "intimage.img").read_bytes()[:40].decode()


@pytest.mark.parametrize("amplitude", ["1e170", "1e20"])
def test_noise_of_a_pixel_that_is_not_finite_is_refused(nanobragg, amplitude):
    """1e170 makes the whole image too large for single precision, 1e20 some pixels, of which the first is named."""
    flags = ["-N", 7, "-default_F", amplitude, "-detpixels", 8, "-roi", 1, 6, 2, 7]
    image = nanobragg.image(*BASE, *flags)
    slow, fast = np.argwhere(~np.isfinite(image))[0]
    assert ((slow, fast) == (2, 1)) == (amplitude == "1e170")
    for path in nanobragg.folder.iterdir():
        path.unlink()
    result = nanobragg.run(*[argument for argument in BASE if argument != "-nonoise"], *flags, timeout=10)
    assert result.returncode == 2 and names(nanobragg.folder) == set()
    assert f"nanobragg: error: noise: pixel slow {slow} fast {fast} has {image[slow, fast]} photons" in result.stderr


def test_integer_image(nanobragg):
    result = nanobragg.succeed(*PLAIN)
    _, counts = read_smv(nanobragg.folder / "intimage.img")
    scale = 55000 / result.image.max()
    assert (counts == np.floor(np.float32(result.image * scale + 40 + 0.5))).all()
    assert counts.max() == 55040
    flags = ["-scale", 1e6, "-adc", -7, "-roi", 1, 5, 2, 6]
    result = nanobragg.succeed(*PLAIN, *flags)
    _, counts = read_smv(nanobragg.folder / "intimage.img")
    inside = np.zeros((8, 8), bool)
    inside[2:7, 1:6] = True
    expected = np.floor(np.float32(np.clip(result.image * 1e6 - 7, 0, 65535) + 0.5)).clip(max=65535)
    assert (counts == np.where(inside, expected, 0)).all()
    assert (counts == 65535).any()


def test_preview(nanobragg):
    result = nanobragg.succeed(*PLAIN, "-pgmfile", "image.pgm", "-pgmscale", 12.5)
    data = (nanobragg.folder / "image.pgm").read_bytes()
    start = b"P5\n8 8\n# pixels scaled by 12.5\n255\n"
    assert data.startswith(start)
    grey = np.frombuffer(data, np.uint8, offset=len(start)).reshape(8, 8)
    assert (grey == np.minimum(result.image * 12.5, 255).astype(int)).all() and grey.max() > grey.min()
    automatic = nanobragg.succeed(*PLAIN, "-pgmfile", "image.pgm")
    assert automatic.number("pgm_scale =") == pytest.approx(50 / automatic.number("rmsd="), rel=1e-5)


@pytest.mark.parametrize("fluence", [1e27, 3e28, 1e29, 1e31, 1e34])
def test_noise_image(nanobragg, fluence):
    flags = [*WITH_ALL, "-fluence", fluence, "-seed", 11, "-roi", 1, 7, 0, 6]
    result = nanobragg.succeed(*flags)
    _, noisy = read_smv(nanobragg.folder / "noiseimage.img")
    # the mosaic domain that every run draws has left its table behind
    uniform = Uniform(-12345678)
    for _ in range(3):
        uniform.draw()
    uniform.x = -11
    model = Poisson(uniform)
    expected = np.zeros((8, 8), int)
    for slow in range(7):
        for fast in range(1, 8):
            expected[slow, fast] = min(65535, int(model.draw(result.image[slow, fast]) + 40))
    assert (noisy == expected).all()
    assert result.number(r"photons on the noise image,") == (expected == 65535).sum()


def test_noise_follows_the_seed(nanobragg):
    def noise(seed):
        nanobragg.succeed(*WITH_ALL, "-fluence", 1e31, "-seed", seed)
        return (nanobragg.folder / "noiseimage.img").read_bytes()

    assert noise(3) == noise(3) != noise(4)


def test_statistics(nanobragg):
    result = nanobragg.succeed(*PLAIN)
    image = result.image
    assert result.number("mean=") == pytest.approx(image.mean(), rel=1e-5)
    assert result.number("rms=") == pytest.approx(np.sqrt((image**2).sum() / 63), rel=1e-5)
    assert result.number("rmsd=") == pytest.approx(image.std(ddof=1), rel=1e-5)
    assert result.number("max_I =") == pytest.approx(image.max(), rel=1e-5)
    assert result.number("solid angle") == 0.0566362
    swept = nanobragg.succeed(*PLAIN, "-osc", 1, "-phi", 1, "-phisteps", 10)
    assert swept.number("solid angle") == 0.0566362


def test_reflection_file(nanobragg):
    flags = [*BASE, "-hkl", "r.hkl", "-N", 3, "-nointerpolate"]
    image = nanobragg.image(*flags, files={"r.hkl": REFLECTIONS})
    bare = "0 1 1 50\n0 -1 1 30\n-2 1 3 8\n1.0 0 0 25\n"
    assert (nanobragg.image(*flags, files={"r.hkl": bare}) == image).all()
    assert image.sum() > 0
    assert names(nanobragg.folder) == {"r.hkl", "floatimage.bin", "intimage.img"}


def test_dump_is_written_and_read_only_by_name(nanobragg):
    flags = [*BASE, "-N", 3, "-nointerpolate"]
    image = nanobragg.image(*flags, "-hkl", "r.hkl", "-dumpfile", "Fdump.bin", files={"r.hkl": REFLECTIONS})
    dump = (nanobragg.folder / "Fdump.bin").read_bytes()
    header = b"-2 1 -1 1 0 3\n\f"
    assert dump.startswith(header) and len(dump) == len(header) + 8 * 5 * 4 * 5
    box = np.frombuffer(dump, np.float64, offset=len(header)).reshape(5, 4, 5)
    assert box[2, 2, 1] == 50 and box[3, 1, 0] == 25 and box[0, 2, 3] == 8 and box.sum() == 113
    assert (nanobragg.image(*flags, "-dumpfile", "Fdump.bin") == image).all()
    ambient = ["-pixel", 0.3, "-default_F", 9]
    assert nanobragg.image(*flags, *ambient).sum() == pytest.approx(3.2386, abs=5e-5)


def test_dump_with_space_bytes_in_its_first_number(nanobragg):
    amplitude = np.nextafter(100, 200)
    for _ in range(31):
        amplitude = np.nextafter(amplitude, 200)
    assert struct.pack("<d", amplitude)[0] == 0x20
    flags = [*BASE, "-N", 3]
    reflections = f"0 1 1 {float(amplitude)!r}\n0 1 2 5\n"
    image = nanobragg.image(*flags, "-hkl", "r", "-dumpfile", "d", files={"r": reflections})
    assert image.sum() > 0 and (nanobragg.image(*flags, "-dumpfile", "d") == image).all()


def test_mask(nanobragg):
    rng = np.random.default_rng(5)
    allowed = rng.integers(0, 2, (8, 8))
    image = nanobragg.image(*PLAIN)
    for order in ("little_endian", "big_endian"):
        mask = write_smv(allowed * 256, byte_order=order)
        masked = nanobragg.succeed(*PLAIN, "-mask", "m.img", files={"m.img": mask})
        assert (masked.image == image * allowed).all()
        assert f"\n{allowed.sum()} pixels computed" in masked.stdout
    _, counts = read_smv(nanobragg.folder / "intimage.img")
    assert (counts[allowed == 0] == 40).all()


def test_image_header_gives_the_geometry(nanobragg):
    extra = "PIXEL_SIZE=3;\nDISTANCE=120;\nWAVELENGTH=1.3;\nBEAM_CENTER_X=11;\nBEAM_CENTER_Y=10;\n"
    files = {"i.img": write_smv(np.zeros((6, 7)), extra + "PHI=5;\nOSC_RANGE=1;\n")}
    plain = ["-cell", 50, 60, 70, "-default_F", 5, "-N", 3, "-oversample", 1, *QUIET]
    read = nanobragg.image(*plain, "-img", "i.img", files=files)
    flags = ["-detpixels_x", 7, "-detpixels_y", 6, "-pixel", 3, "-distance", 120, "-lambda", 1.3]
    flags += ["-Xbeam", 11, "-Ybeam", 10, "-phi", 5, "-osc", 1]
    assert (read == nanobragg.image(*plain, *flags)).all() and read.shape == (6, 7)
    overridden = nanobragg.image("-distance", 200, *plain, "-img", "i.img")
    assert (overridden == nanobragg.image(*plain, *flags, "-distance", 200)).all()


def test_header_keys_are_exact(nanobragg):
    extra = "PIXEL_SIZE=3;\nDISTANCE=120;\nCLOSE_DISTANCE=100;\nTWOTHETA=30;\n"
    result = nanobragg.succeed(
        *["-cell", 50, "-default_F", 5, "-oversample", 1, *QUIET, "-img", "i"],
        files={"i": write_smv(np.zeros((8, 8)), extra)},
    )
    assert "TWOTHETA=30" in result.stderr
    assert result.number("close distance") == 100
    header, _ = read_smv(nanobragg.folder / "intimage.img")
    assert header["TWOTHETA"] == "0" and header["CLOSE_DISTANCE"] == "100"


def test_mask_beam_centre_counts_from_the_other_side(nanobragg):
    extra = "PIXEL_SIZE=3;\nBEAM_CENTER_X=10;\nBEAM_CENTER_Y=9;\n"
    flags = ["-cell", 50, "-default_F", 5, "-oversample", 1, *QUIET]
    for flag, expected in (("-img", "9"), ("-mask", "15")):
        nanobragg.succeed(*flags, flag, "i", files={"i": write_smv(np.ones((8, 8)), extra)})
        assert read_smv(nanobragg.folder / "intimage.img")[0]["BEAM_CENTER_Y"] == expected


def test_solvent_tables_have_no_effect(nanobragg):
    files = {"t": "# stol F\n0 1\n0.5 2\n"}
    plain = nanobragg.image(*PLAIN)
    flags = words("-stol t -stolout out.stol -coherent -density 2 -MW 20")
    result = nanobragg.succeed(*PLAIN, *flags, files=files)
    assert (result.image == plain).all() and "no effect" in result.stderr
    assert not (nanobragg.folder / "out.stol").exists()


def test_printout(nanobragg):
    fast_slow = nanobragg.succeed(*PLAIN, "-printout_pixel", 5, 2)
    (line,) = [line for line in fast_slow.stdout.splitlines() if " : stol" in line]
    assert line.split()[:2] == ["5", "2"]
    assert fast_slow.number("capture 1, pixel") == pytest.approx(fast_slow.image[2, 5], rel=1e-6)
    everything = nanobragg.succeed(*PLAIN, "-printout", "-roi", 1, 3, 4, 5)
    lines = [line.split()[:2] for line in everything.stdout.splitlines() if " : stol" in line]
    assert lines == [["1", "4"], ["2", "4"], ["3", "4"], ["1", "5"], ["2", "5"], ["3", "5"]]


def test_progress(nanobragg):
    quiet = [argument for argument in PLAIN if argument != "-noprogress"]
    assert "100% done" in nanobragg.succeed(*quiet).stdout
    assert "% done" not in nanobragg.succeed(*quiet, "-noprogress").stdout
