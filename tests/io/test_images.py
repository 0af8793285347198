"""Written images can be read again, and no file is left half-written."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import fabio
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobrag_torch.io.float_image import read_float_image, write_float_image
from nanobrag_torch.io.hdf5 import Nxmx, mcstas_rotation, write_nxmx
from nanobrag_torch.io.pixel_values import grey_values, integer_counts, integer_scale, pgm_scale, statistics
from nanobrag_torch.io.reading import ReaderError
from nanobrag_torch.io.smv import SmvHeader, header_bytes, read_smv, read_smv_header, write_smv
from nanobrag_torch.io.smv_header import pixel_counts
from nanobrag_torch.io.writing import WriterError, check_target, replace_with, write_whole

SHORT = SmvHeader(5, 4, 0.1, 100, 1, 5, 5, 5.05, 5.05, 10.24, (1, 2, 3), 50, 50, 100, 0, 0, 0)
LONG = SHORT._replace(
    distance_mm=231.274660, Xbeam_mm=217.742295, Ybeam_mm=213.90708, Fbeam_mm=-217.742295, Sbeam_mm=-213.90708,
    ORGX_pixels=-1265.943, ORGY_pixels=-1243.646, close_distance_mm=-231.271826, wavelength_A=1.23457e-05,
    dials_origin_mm=(-230.192414, 216.34305, 1.23457e-05),
    phi_deg=-123.456e-7, osc_deg=1.23456e-5, twotheta_deg=-12.3456,
)  # fmt: skip


@pytest.mark.parametrize(("header", "size"), [(SHORT, 512), (LONG, 1024)])
def test_smv_reads_back(header, size, tmp_path):
    counts = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
    write_smv(tmp_path / "x.img", header, counts)
    keys, pixels = read_smv(tmp_path / "x.img")
    assert np.array_equal(pixels, counts)
    assert int(keys["HEADER_BYTES"]) == size == len(header_bytes(header))
    assert (tmp_path / "x.img").stat().st_size == size + 40
    assert float(keys["DISTANCE"]) == pytest.approx(header.distance_mm, rel=1e-5)
    assert float(keys["CLOSE_DISTANCE"]) == pytest.approx(header.close_distance_mm, rel=1e-5)
    assert float(keys["MOSFLM_CENTER_X"]) == pytest.approx(header.Sbeam_mm - 0.05, rel=1e-5)
    assert float(keys["ADXV_CENTER_Y"]) == pytest.approx(10.24 - header.Sbeam_mm, rel=1e-5)
    assert keys["DIALS_ORIGIN"] == ",".join(f"{x:g}" for x in header.dials_origin_mm)
    seen = fabio.open(str(tmp_path / "x.img"))
    assert np.array_equal(seen.data, counts)


def test_smv_header_is_laid_out_as_ever():
    text = header_bytes(SHORT).decode()
    assert text.startswith("{\nHEADER_BYTES=512;\nDIM=2;\nBYTE_ORDER=")
    body, end, rest = text.partition("}\f")
    assert end and rest.strip(" ") == ""
    assert all(line.endswith(";") for line in body.splitlines()[1:])


def test_smv_last_exact_key_counts(tmp_path):
    text = "{\nHEADER_BYTES=512;\nSIZE1=0;\nDETECTOR_DIMENSIONS=3;\nDISTANCE=1;\nCLOSE_DISTANCE=9;\nDISTANCE=2;\n}\f"
    (tmp_path / "x").write_text(text.ljust(512))
    keys = read_smv_header(tmp_path / "x")
    assert (keys["DISTANCE"], keys["CLOSE_DISTANCE"]) == ("2", "9")
    assert pixel_counts("x", keys) == (3, 3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=600), begin=st.booleans())
def test_smv_reader_never_crashes(data, begin, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"{\nHEADER_BYTES=512;\nSIZE1=2;SIZE2=" + data.ljust(600) if begin else data)
    try:
        _, pixels = read_smv(path)
    except ReaderError as error:
        assert str(error).isprintable()
    else:
        assert pixels.ndim == 2


def test_float_image_reads_back(tmp_path):
    image = np.random.default_rng(1).random((3, 5), dtype=np.float32)
    write_float_image(tmp_path / "f", image)
    assert np.array_equal(read_float_image(tmp_path / "f", (3, 5)), image)
    assert (tmp_path / "f").read_bytes() == image.tobytes()
    with pytest.raises(ReaderError, match="holds 60 bytes, expected 64"):
        read_float_image(tmp_path / "f", (4, 4))


def nxmx():
    fast, slow, beam = np.array([0, 0, 1.0]), np.array([0, -1.0, 0]), np.array([1.0, 0, 0])
    pix0 = np.array([0.1, 0.0049, -0.0049])
    return Nxmx(fast, slow, pix0, beam, fast, fast, 1e-4, 0.1, 49.0, 49.0, 1.2, 1e24, 3e-4, 1.5, 0.1, "-N 5", "0.1")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fabio")
def test_hdf5_opens_with_h5py_and_fabio(tmp_path):
    image = np.random.default_rng(1).random((40, 30), dtype=np.float32)
    path = tmp_path / "x.h5"
    write_nxmx(path, image, nxmx())
    with h5py.File(path) as file:
        entry = file["entry"]
        assert entry["definition"].asstr()[()] == "NXmx"
        for required in ("start_time", "end_time_estimated"):
            assert datetime.fromisoformat(entry[required].asstr()[()]).tzinfo is not None
        data = entry["data/data"]
        assert data.shape == (1, 40, 30) and np.array_equal(data[0], image)
        assert 32008 in [data.id.get_create_plist().get_filter(0)[0]], "bitshuffle"
        detector = entry["instrument/detector"]
        assert np.array_equal(detector["data"][0], image)
        assert entry["instrument/beam/incident_wavelength"][()] == 1.2
        origin = detector["transformations/origin"]
        module = detector["module"]
        chain = []
        depends = module["slow_pixel_direction"].attrs["depends_on"]
        while depends != ".":
            chain.append(depends)
            depends = file[depends].attrs["depends_on"]
        assert chain[-1] == "/entry/instrument/detector/transformations/origin"
        # where a pixel is, the NeXus way, must be where it is in the laboratory frame after the turn
        turn = mcstas_rotation(nxmx().beam, nxmx().polar)
        position = origin[0] * origin.attrs["vector"]
        for name, steps in (("fast_pixel_direction", 7), ("slow_pixel_direction", 9)):
            position = position + steps * module[name][0] * module[name].attrs["vector"]
        expected = nxmx().pix0_m + 1e-4 * (7 * nxmx().fast + 9 * nxmx().slow)
        assert np.allclose(turn.T @ position, expected, rtol=0, atol=1e-15)
        assert position[2] == pytest.approx(0.1)
    assert np.array_equal(np.squeeze(fabio.open(str(path) + "::/entry/data/data").data), image)


def test_nexus_frame_is_a_right_handed_rotation():
    rng = np.random.default_rng(2)
    for beam, polar in [(rng.normal(size=3), rng.normal(size=3)), (np.array([0, 0, 1.0]), np.array([0, 0, 1.0]))]:
        turn = mcstas_rotation(beam, polar)
        assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-14) and np.linalg.det(turn) == pytest.approx(1)
        assert np.allclose(turn @ (beam / np.linalg.norm(beam)), [0, 0, 1], atol=1e-14)


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")

    def chunks():
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(WriterError, match="cannot be written"):
        write_whole(path, chunks())
    with pytest.raises(RuntimeError):
        replace_with(path, lambda temporary: (_ for _ in ()).throw(RuntimeError("stop")).__next__())
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_targets_are_checked_before(tmp_path):
    check_target(tmp_path / "new")
    check_target("/dev/null")
    write_whole("/dev/null", [b"x"])
    for bad in (tmp_path, tmp_path / "no" / "x", "a\0b"):
        with pytest.raises(WriterError):
            check_target(bad)


def test_statistics_by_hand():
    image = np.array([[1, 2, 3], [4, 9, 9]], dtype=np.float32)
    mask = np.array([[True, True, True], [False, True, True]])
    stats = statistics(np.where(mask, image, 0), (1, 2, 0, 1), mask)
    assert stats[:4] == (4, 9.0, 1, 1)
    assert stats.mean_photons == 23 / 4 and stats.rms_photons == pytest.approx((175 / 3) ** 0.5)
    whole = statistics(np.where(mask, image, 0).astype(np.float32), (0, 2, 0, 1), mask)
    values = np.array([1, 2, 3, 0, 9, 9])
    assert whole.mean_photons == 24 / 5
    assert whole.rmsd_photons == pytest.approx((np.square(values - 24 / 5).sum() / 5) ** 0.5)
    single = statistics(image, (0, 0, 0, 0), None)
    assert single.rms_photons == 1.0 and single.rmsd_photons == 0.0
    assert statistics(image, (0, 2, 0, 1), np.zeros_like(mask)).pixels == 0


def test_sums_in_parts_are_rounded_as_those_of_a_whole_image():
    image = np.random.default_rng(7).exponential(1e3, (311, 1001)).astype(np.float32)
    whole, stats = image.astype(np.float64).reshape(-1), statistics(image, (0, 1000, 0, 310), None)
    assert stats.mean_photons == whole.sum() / whole.size
    assert stats.rms_photons == (np.square(whole).sum() / (whole.size - 1)) ** 0.5
    assert stats.rmsd_photons == (np.square(whole - stats.mean_photons).sum() / (whole.size - 1)) ** 0.5


def test_scales_and_rounding():
    image = np.array([[0, 0.5, 1.49, 1e9, 2]], dtype=np.float32)
    stats = statistics(image, (0, 4, 0, 0), None)
    assert integer_scale(0, stats) == 55000 / 1e9 and integer_scale(3, stats) == 3
    assert integer_counts(image, (0, 3, 0, 0), 1.0, 40.0).tolist() == [[40, 41, 41, 65535, 0]]
    assert integer_counts(image, (0, 3, 0, 0), 1.0, -1.0).tolist() == [[0, 0, 0, 65535, 0]]
    assert pgm_scale(0, stats, 7.0) == pytest.approx(50 / stats.rmsd_photons)
    flat = statistics(np.zeros((2, 2), np.float32), (0, 1, 0, 1), None)
    assert integer_scale(0, flat) == 1.0 and pgm_scale(0, flat, 7.0) == 7.0
    assert grey_values(image, 2.0).tolist() == [[0, 1, 2, 255, 4]]


def test_files_written_side_by_side_get_the_usual_rights(tmp_path):
    """Reading the umask changes it, so no other thread may run meanwhile."""
    before = os.umask(0o027)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: write_whole(tmp_path / str(n), [b"x"]), range(200)))
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_statistics_of_pixels_that_are_not_finite():
    """NaN is counted, and is never the brightest pixel, by which the integer image is scaled."""
    image = np.ones((300, 400), np.float32)
    image[0, 0] = image[250, 3] = np.nan
    image[7, 9], mask = 5, np.ones((300, 400), np.uint16)
    stats = statistics(image, (0, 399, 0, 299), mask)
    assert stats.not_finite == 2 and (stats.max_photons, stats.max_slow, stats.max_fast) == (5, 7, 9)
    assert math.isnan(stats.mean_photons) and math.isnan(stats.rmsd_photons)
    mask[0, 0] = 0
    image[0, 0] = 1
    assert statistics(image, (0, 399, 0, 299), mask).not_finite == 1
    image[9, 9] = np.inf
    assert statistics(image, (0, 399, 0, 299), None).max_photons == np.inf
    assert not integer_counts(np.full((2, 2), np.nan, np.float32), (0, 1, 0, 1), 1.0, 0.0).any()
    assert statistics(np.full((2, 2), np.nan, np.float32), (0, 1, 0, 1), None).max_photons == 0
