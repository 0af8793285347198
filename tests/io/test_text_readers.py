"""Readers of text: what they accept, what they refuse and where they say it is."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobrag_torch import limits
from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.hkl import Box, Reflections, fill_box, read_hkl
from nanobrag_torch.io.matrix import read_matrix
from nanobrag_torch.io.reading import ReaderError
from nanobrag_torch.io.source_table import read_sources
from nanobrag_torch.io.stol import read_stol


def put(folder, text):
    path = folder / "file"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def sources_of(path):
    return read_sources(path, (0.0, 0.0, 1.0), 1e-10)


def test_hkl_skips_comments_and_keeps_order(tmp_path):
    table = read_hkl(put(tmp_path, "# header 1\n\n 1  2 -3  4.5 # tail\r\n-1 0 2.0 1e2\t\n1 2 -3 6\n"))
    assert table.hkl.tolist() == [[1, 2, -3], [-1, 0, 2], [1, 2, -3]]
    assert table.F_electrons.tolist() == [4.5, 100, 6]
    box = fill_box("x", table, 9.0)
    assert (box.h_min, box.k_min, box.l_min) == (-1, 0, -3) and box.F_electrons.shape == (3, 3, 6)
    assert box.F_electrons[2, 2, 0] == 6 and box.F_electrons[0, 0, 5] == 100
    assert np.count_nonzero(box.F_electrons == 9.0) == 3 * 3 * 6 - 2


def test_hkl_may_be_laid_out_freely(tmp_path):
    table = read_hkl(put(tmp_path, "1 2\n3 4 # F\n5 6 7\n8 9 10 11 12"))
    assert table.hkl.tolist() == [[1, 2, 3], [5, 6, 7], [9, 10, 11]] and table.F_electrons.tolist() == [4, 8, 12]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no reflection"),
        ("# only\n", "holds no reflection"),
        ("1 2 3\n", "holds 3 numbers, expected four for each reflection"),
        ("1 2 3 4 5\n" * 4, "has 5 columns (line 1 is '1 2 3 4 5'), expected four: h k l F; keep the first four: awk"),
        ("h k l F\n1 2 3 4\n", "line 1: h is 'h', expected a number"),
        ("1 2 3 4\n1 2.5 3 4\n", "line 2: k is '2.5', expected a whole number"),
        ("1 2 3 nan\n", "line 1: F is 'nan', expected a number"),
        ("1 2 3 1e999\n", "line 1: F is '1e999', expected a number"),
        ("1 2 3 1-2\n", "line 1: F is '1-2', expected a number"),
        ("1 2 99999999999 1\n", "line 1: l is '99999999999', expected a whole number"),
        (b"1 2 3 4\n\0\0", "is not text"),
    ],
)
def test_hkl_refuses(text, says, tmp_path):
    with pytest.raises(ReaderError) as error:
        read_hkl(put(tmp_path, text))
    assert says in str(error.value)


def test_box_is_bounded():
    far = Reflections(np.array([[0, 0, 0], [2_000_000, 2_000_000, 5]]), np.ones(2))
    with pytest.raises(ReaderError, match=r"spans the indices 0..2000000, 0..2000000, 0..5"):
        fill_box("x", far, 0.0)


def test_hkl_is_read_fast(tmp_path):
    rng = np.random.default_rng(1)
    rows = [f"{h:4d}{k:4d}{l:4d}{h * k + 0.25:9.2f}" for h, k, l in rng.integers(-40, 40, (64000, 3)).tolist()]
    path = put(tmp_path, "\n".join(rows))
    started = time.perf_counter()
    assert len(read_hkl(path).hkl) == 64000
    assert time.perf_counter() - started < 2.0


def test_matrix(tmp_path):
    text = " -0.02  1e-3 0\n0 .02 0 0 0\n0.03 and the rest is not read\n"
    assert read_matrix(put(tmp_path, text))[0].tolist() == [[-0.02, 0.001, 0], [0, 0.02, 0], [0, 0, 0.03]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 2 3 4 5 6 7 8", "holds 8 words, expected nine numbers"),
        ("1 0 0 0 1 0 0 0 x", "number 9 of 9 is 'x', expected a number"),
        ("1 0 0 0 1 0 0 0 inf", "number 9 of 9 is 'inf'"),
        ("1 2 3 2 4 6 0 0 1", "is singular"),
        ("0 0 0 0 0 0 0 0 0", "is singular"),
        ("1e300 0 0 0 1e300 0 0 0 1", "number 1 of 9 is 1e300, expected a number of ordinary size"),
    ],
)
def test_matrix_refuses(text, says, tmp_path):
    with pytest.raises(ReaderError) as error:
        read_matrix(put(tmp_path, text))
    assert says in str(error.value)


def test_sources(tmp_path):
    rows = sources_of(put(tmp_path, "0.5\n\n0,1;2\n 0:1!2 3\t2e-10"))
    assert rows.tolist() == [[0.5, 0, -10, 1, 1e-10], [0, 1, 2, 1, 1e-10], [0, 1, 2, 3, 2e-10]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no source"),
        ("# comment\n", "line 1: X is '#'"),
        ("0 0 0\n", "line 1: source at 0 0 0"),
        ("1 0 0 1 1e-10 7\n", "line 1 has 6 columns, expected at most 5"),
        ("1 0 0 -1\n", "line 1: weight is -1"),
        ("1 0 0\n1 0 0 1 0\n", "line 2: wavelength is 0 m"),
        ("1e200 0 0\n", "line 1: source at 1e+200"),
    ],
)
def test_sources_refuse(text, says, tmp_path):
    with pytest.raises(ReaderError) as error:
        sources_of(put(tmp_path, text))
    assert says in str(error.value)


def test_stol(tmp_path):
    assert read_stol(put(tmp_path, "# s F\n0 2.57\n\n0.1 2.5\n")).tolist() == [[0, 2.57], [0.1, 2.5]]
    for bad in ("", "1\n", "1 2 3\n", "1 x\n"):
        with pytest.raises(ReaderError):
            read_stol(put(tmp_path, bad))


def test_dump_layout_and_round_trip(tmp_path):
    """The example of the format: box 0..1 cubed is 13 header bytes and 27 doubles."""
    path = tmp_path / "F.bin"
    values = np.arange(8.0).reshape(2, 2, 2)
    write_fdump(path, Box(values, 0, 0, 0))
    data = path.read_bytes()
    assert data[:13] == b"0 1 0 1 0 1\n\f" and len(data) == 13 + 27 * 8
    assert np.frombuffer(data[13:]).reshape(3, 3, 3)[:2, :2, :2].tolist() == values.tolist()
    back = read_fdump(path)
    assert back.F_electrons.tolist() == values.tolist() and back[1:] == (0, 0, 0)


def test_dump_may_begin_with_a_whitespace_byte(tmp_path):
    """100 + 32 ulp begins with the byte 0x20 on a little-endian machine."""
    value = np.nextafter(100.0, 200.0)
    while value.tobytes()[0] != 0x20:
        value = np.nextafter(value, 200.0)
    write_fdump(tmp_path / "F.bin", Box(np.full((1, 2, 3), value), -5, 0, 2))
    back = read_fdump(tmp_path / "F.bin")
    assert (back.F_electrons == value).all() and back[1:] == (-5, 0, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0 1 0 1 0 1\n",
        b"1 0 0 1 0 1\n\f" + bytes(216),
        b"0 1 0 1 0 1\n\f" + bytes(215),
        b"0 9999999 0 9999999 0 1\n\f",
    ],
)
def test_dump_refuses(data, tmp_path):
    with pytest.raises(ReaderError):
        read_fdump(put(tmp_path, data))


TEXT = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet="0123456789.-+eE \n\t,;:!#", max_size=120).map(str.encode),
    st.lists(st.integers(-9, 9), max_size=40).map(lambda row: " ".join(map(str, row)).encode()),
)


@pytest.mark.parametrize("read", [read_hkl, read_matrix, sources_of, read_stol, read_fdump])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=TEXT)
def test_readers_never_crash(read, data, tmp_path):
    try:
        table = read(put(tmp_path, data))
    except ReaderError as error:
        assert str(error).isprintable() and len(str(error)) < 400 + len(str(tmp_path))
    else:
        assert all(np.isfinite(part).all() for part in (table if isinstance(table, tuple) else [table]))


def test_more_sources_than_a_run_takes_are_refused_as_they_are_read(tmp_path):
    """The C program takes 100 million of them, in seconds a million; each is a pass over the pixels in torch."""
    path = tmp_path / "sources.txt"
    path.write_text("0 0 1 1 1e-10\n" * (limits.MAX_SOURCES + 1) + "not read\n")
    with pytest.raises(ReaderError, match="holds more than 100000 sources"):
        read_sources(path, (0.0, 0.0, 1.0), 1e-10)
