"""SMV images of ADSC, d*TREK, fabio and nanoBragg itself: both programs read them alike, or refuse them by name."""

import fabio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobrag_torch.cli import UsageError, parse
from nanobrag_torch.io.smv import read_smv
from tests.field.conftest import C, Torch

GRID = ["-cell", "50", "60", "70", "90", "90", "90", "-default_F", "10", "-N", "3"]


def smv(fields: dict[str, str], pixels: bytes, end: str = "}\n\f", size: int = 512) -> bytes:
    text = f"{{\nHEADER_BYTES={size};\n" + "".join(f"{key}={value};\n" for key, value in fields.items()) + end
    return text.encode().ljust(size) + pixels


PANEL = {"SIZE1": "4", "SIZE2": "3", "PIXEL_SIZE": "2", "DISTANCE": "90", "WAVELENGTH": "1.1"}
MASK = np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 1, 1]])


@pytest.mark.parametrize("name", ["adsc_q315.img", "rigaku_nested_late.img", "fabio_adsc_uint16.img"])
def test_geometry(program, name):
    seen = program("-img", name, *GRID)
    assert seen.code == 0
    for text in ("1.02592 mm", "48 x 32 pixels"):
        assert text in seen.stdout
    assert "200.5 mm" in seen.stdout or "0.2005 m" in seen.stdout
    assert "0.9795 A" in seen.stdout or "9.795e-11" in seen.stdout


@pytest.mark.parametrize("name", ["fabio_adsc_int32.img", "fabio_adsc_uint16.img"])
def test_mask_of_either_type(program, name):
    seen = program("-mask", name, *GRID)
    assert seen.sum == pytest.approx(148.65, abs=0.01)
    assert (seen.image == 0).sum() == 16


TYPES = {
    "unsigned short int": "u2", "short int": "i2", "unsigned char": "u1", "signed char": "i1", "long int": "i4",
    "unsigned long int": "u4", "float IEEE": "f4",
}  # fmt: skip


@pytest.mark.parametrize("order", ["little_endian", "big_endian"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_pixels(program, here, kind, order):
    values = np.where(MASK, 256 if np.dtype(TYPES[kind]).itemsize > 1 else 100, 0)
    stored = values.astype(np.dtype(TYPES[kind]).newbyteorder(">" if order == "big_endian" else "<"))
    if kind == "float IEEE":
        stored = np.where(MASK, stored, stored.dtype.type(-0.0)).astype(stored.dtype)
    (here / "m").write_bytes(smv(PANEL | {"Data_type": kind, "BYTE_ORDER": order}, stored.tobytes()))
    seen = program("-mask", "m", *GRID)
    assert seen.code == 0, seen.stderr
    assert ((seen.image.reshape(3, 4) != 0) == (MASK != 0)).all()
    assert np.array_equal(read_smv("m")[1], values)


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.int32, np.uint32, np.float32, np.uint8, np.int8])
@pytest.mark.parametrize("writer", [fabio.adscimage.AdscImage, fabio.dtrekimage.DtrekImage])
def test_what_fabio_writes(program, here, writer, kind):
    header = {key: value for key, value in PANEL.items() if not key.startswith("SIZE")}
    writer(data=MASK.astype(kind), header=header).write("m")
    seen = program("-mask", "m", *GRID)
    assert ((seen.image.reshape(3, 4) != 0) == (MASK != 0)).all()


REFUSED = {
    "type of no name": ({"TYPE": "mad"}, "TYPE"),
    "packed": ({"Data_type": "Compressed"}, "DATA_TYPE"),
    "other type": ({"Data_type": "Other_type"}, "DATA_TYPE"),
    "packing named": ({"COMPRESSION": "BS"}, "COMPRESSION"),
    "two types": ({"TYPE": "unsigned_short", "Data_type": "long int"}, "contradict"),
    "order of no name": ({"BYTE_ORDER": "native"}, "BYTE_ORDER"),
    "three dimensions": ({"DIM": "3"}, "DIM"),
    "brace not closed": ({"KEY": "{ A"}, "not closed"),
    "too few bytes": ({"Data_type": "long int"}, "expected 48"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_masks_that_are_not_understood(program, here, name):
    fields, culprit = REFUSED[name]
    (here / "m").write_bytes(smv(PANEL | fields, MASK.astype("<u2").tobytes()))
    assert culprit.lower() in program("-mask", "m", *GRID).error.lower()


def test_bytes_that_no_type_explains(program, here):
    (here / "m").write_bytes(smv(PANEL, MASK.astype("<i4").tobytes()))
    assert "names no TYPE" in program("-mask", "m", *GRID).error


BRACES = {
    "nested": "KEY={ A B };\nDISTANCE=120;\n}\n\f",
    "nested twice": "KEY={ A { B=3; } }\n;DISTANCE=120;\n}\n\f",
    "over lines": "KEY={\nA\n}\n;DISTANCE=120;\n}\n\f",
    "inside a value": "COMMENT=a}b;\nDISTANCE=120;\n}\n\f",
    "open inside a value": "COMMENT=a{b;\nDISTANCE=120;\n}\n\f",
    "behind a value": "DISTANCE=120 }\f",
    "behind a value, then blanks": "DISTANCE=120;COMMENT=x}",
    "small letters": "Distance= 120 ;\r\n}\f",
    "left over behind the end": "DISTANCE=120;\n}\n\fDISTANCE=7;\n}\n",
}


@pytest.mark.parametrize("name", BRACES)
def test_where_a_header_ends(program, here, name):
    fields = {key: value for key, value in PANEL.items() if key != "DISTANCE"}
    (here / "i").write_bytes(smv(fields, b"\x7d;\n" * 20, BRACES[name]))
    seen = program("-img", "i", *GRID)
    assert seen.code == 0, seen.stderr
    assert "distance 120 mm" in seen.stdout or "distance 0.12 m" in seen.stdout


def test_header_without_an_end(program, here):
    (here / "i").write_bytes(smv(PANEL, bytes(24), ""))
    assert "not closed" in program("-img", "i", *GRID).error


def test_header_longer_than_it_says(program, here):
    """nanoBragg itself wrote HEADER_BYTES=512 over texts that are longer; the pixels follow the form feed."""
    fields = PANEL | {f"FILLER{n}": 20 * "x" for n in range(14)} | {"TYPE": "unsigned_short"}
    text = "{\nHEADER_BYTES=512;\n" + "".join(f"{key}={value};\n" for key, value in fields.items()) + "}\f"
    assert 512 < len(text) < 600
    (here / "m").write_bytes(text.encode() + MASK.astype("<u2").tobytes())
    assert ((program("-mask", "m", *GRID).image.reshape(3, 4) != 0) == (MASK != 0)).all()


def test_a_flag_wins_over_a_length_of_0(program):
    seen = program("-img", "adsc_dist0.img", "-distance", "200", *GRID)
    assert seen.sum > 0 and any("DISTANCE" in warning and "-distance counts" in warning for warning in seen.warnings)
    assert "add -distance" in program("-img", "adsc_dist0.img", *GRID).error


LEFT_OPEN = {
    "wavelength": ({"WAVELENGTH": "0"}, "WAVELENGTH", "-lambda 1"),
    "energy": ({"WAVELENGTH": "-1"}, "WAVELENGTH", "-energy 12000"),
    "pixel": ({"PIXEL_SIZE": "0"}, "PIXEL_SIZE", "-pixel 2"),
    "d*TREK wavelength": ({"WAVELENGTH": None, "SOURCE_WAVELENGTH": "1 1.5418"}, "WAVELENGTH", "-lambda 1.5418"),
    "d*TREK distance": ({"DISTANCE": None, "CCD_GONIO_VALUES": "0 0 0 0 0 60"}, "DISTANCE", "-distance 60"),
    "d*TREK pixel": ({"PIXEL_SIZE": None, "A_SPATIAL_DISTORTION_INFO": "2 2 1 1"}, "PIXEL_SIZE", "-pixel 1"),
}


@pytest.mark.parametrize("name", LEFT_OPEN)
def test_what_a_header_leaves_open(program, here, name):
    changes, key, flag = LEFT_OPEN[name]
    fields = {field: value for field, value in (PANEL | changes).items() if value is not None}
    (here / "i").write_bytes(smv(fields, bytes(24)))
    refusal = program("-img", "i", *GRID).error
    assert key in refusal and "add -" in refusal
    assert program("-img", "i", *GRID, *flag.split()).sum > 0


DTREK_ALONE = {
    "beam": ({"A_SPATIAL_DISTORTION_INFO": "2 1 2 2"}, "SPATIAL_DISTORTION_INFO=2 1 2", "-Xbeam", "BEAM_CENTER_X"),
    "rotation": ({"ROTATION": "10 10.5 0.5 1 0 0 0 0 0 0"}, "ROTATION=10 10.5 0.5", "-phi", "PHI"),
    "swing": ({"A_GONIO_VALUES": "0 30 0 0 0 90"}, "GONIO_VALUES=0 30 0 0 0 90", "-twotheta", "TWOTHETA"),
}  # fmt: skip


@pytest.mark.parametrize("name", DTREK_ALONE)
def test_geometry_that_stands_in_keywords_of_dtrek_alone_is_told(program, here, name):
    fields, said, flag, standard = DTREK_ALONE[name]
    (here / "i").write_bytes(smv(PANEL | fields, bytes(24)))
    warnings = [w for w in program("-img", "i", *GRID).warnings if said in w and "d*TREK" in w and f"give {flag}" in w]
    assert len(warnings) == 1
    assert not any("d*TREK" in w for w in program("-img", "i", *GRID, flag, "3").warnings)
    (here / "i").write_bytes(smv(PANEL | fields | {standard: "3"}, bytes(24)))
    assert not any("d*TREK" in w for w in program("-img", "i", *GRID).warnings)


def test_keywords_of_dtrek_that_say_nothing_else_are_no_matter(program, here):
    further_keys = {"A_GONIO_VALUES": "0 0 0 0 0 90", "CRYSTAL_GONIO_VALUES": "10 20 30", "CRYSTAL_MOSAICITY": "0.3"}
    (here / "i").write_bytes(smv(PANEL | further_keys, bytes(24)))
    assert not any("d*TREK" in warning for warning in program("-img", "i", *GRID).warnings)


def test_mask_and_image_with_the_same_header(program):
    seen = program("-mask", "mask_ok.img", *GRID)
    assert any("other edge" in warning and "Ybeam is 9.42944 mm" in warning for warning in seen.warnings)
    for settled in (["-Ybeam", "9"], ["-img", "mask_ok.img"], ["-xds"]):
        assert not any("other edge" in warning for warning in program("-mask", "mask_ok.img", *GRID, *settled).warnings)
    assert any("-ORGX" in warning for warning in program("-img", "mask_ok.img", *GRID, "-xds").warnings)


KEY = st.sampled_from([*PANEL, "TYPE", "Data_type", "BYTE_ORDER", "COMMENT", "CLOSE_DISTANCE", "BEAM_CENTER_Y", "KEY"])
VALUE = st.one_of(
    st.sampled_from(
        [*TYPES, "unsigned_short", "big_endian", "{ A B }", "{ A { B } C }", "{", "}", "a}b", "", "-1", "0"]
    ),
    st.floats(0.5, 200).map(lambda number: f"{number:.4g}"),
    st.text(alphabet="{}; =\n\tab1.", max_size=8),
)


def any_header(further, panel, position) -> bytes:
    text = [f"{key}={value};" for key, value in panel]
    text[position:position] = [f"{key}={value};" for key, value in further]
    return ("{\nHEADER_BYTES=1024;\n" + "\n".join(text) + "\n}\n\f").encode().ljust(1024) + bytes(48)


FIELDS = st.lists(st.tuples(KEY, VALUE), max_size=4)


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(FIELDS, st.permutations(list(PANEL.items())), st.integers(0, 5), st.sampled_from(["-img", "-mask"]))
def test_both_programs_make_the_same_of_any_header(here, build_folder, further, panel, position, flag):
    """Both refuse it, or both read the same geometry; neither crashes."""
    (here / "any.img").write_bytes(any_header(further, panel, position))
    made = [each(flag, "any.img", *GRID) for each in (Torch(), C(build_folder / "nanobragg"))]
    assert [seen.code for seen in made] in ([0, 0], [2, 2]), (made, further)
    if made[0].code == 0:
        same = np.allclose(made[0].image, made[1].image, rtol=1e-5, atol=1e-6 * np.abs(made[0].image).max())
        assert made[0].image.shape == made[1].image.shape and same, further


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(FIELDS, st.permutations(list(PANEL.items())), st.integers(0, 5))
def test_geometry_is_never_lost_in_silence(tmp_path_factory, further, panel, position):
    """Known keys are read whatever other keys the header has, or the file is refused by name."""
    path = tmp_path_factory.getbasetemp() / "any.img"
    path.write_bytes(any_header(further, panel, position))
    said = "".join(key + "=" + value for key, value in further)
    try:
        invocation = parse(["-img", str(path), *GRID])
    except UsageError as error:
        assert str(path) in str(error) or "-distance" in str(error)
        return
    untouched = {key for key in PANEL if key not in said}
    panel, beam = invocation.experiment.detector, invocation.experiment.beam
    values = {"PIXEL_SIZE": panel.pixel_size_m * 1e3, "DISTANCE": panel.distance_m * 1e3}
    values |= {"WAVELENGTH": beam.wavelength_m * 1e10, "SIZE1": panel.n_fast, "SIZE2": panel.n_slow}
    for key in untouched:
        assert values[key] == pytest.approx(float(PANEL[key])), (key, further)
