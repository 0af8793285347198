"""Whatever the input of a parser of the torch program, the result is a valid experiment or one line."""

import math

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobrag_torch.cli import UsageError, parse
from nanobrag_torch.cli.tokens import spellings
from nanobrag_torch.parameters.conventions import pixel_counts
from nanobrag_torch.physics import detector as detector_physics
from tests.fuzz.command_lines import QUICK, write_inputs
from tests.fuzz.run_targets import CORPUS

FIXED = dict(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
CELL = ["-cell", "50", "60", "70", "-default_F", "10"]
LINE_OF = {
    "hkl": [*CELL, *QUICK, "-hkl"],
    "matrix": ["-default_F", "10", *QUICK, "-mat"],
    "sourcefile": [*CELL, *QUICK, "-sourcefile"],
    "stol": [*CELL, *QUICK, "-stol"],
    "mask": [*CELL, "-oversample", "1", "-mask"],
    "img": [*CELL, "-oversample", "1", "-img"],
    "fdump": [*CELL[:-2], *QUICK, "-dumpfile"],
}
SMV_KEYS = "HEADER_BYTES BYTE_ORDER TYPE SIZE1 SIZE2 DETECTOR_DIMENSIONS PIXEL_SIZE DISTANCE CLOSE_DISTANCE WAVELENGTH"
SMV_KEYS = [*SMV_KEYS.split(), "BEAM_CENTER_X", "BEAM_CENTER_Y", "ORGX", "XDS_ORGY", "PHI", "OSC_RANGE", "TWOTHETA"]

NUMBER = st.one_of(
    st.integers(-20, 200).map(str),
    st.floats(0.001, 1000).map(repr),
    st.floats().map(repr),
    st.sampled_from(
        ["0", "-0", "1e-290", "1e290", "1e999", "nan", "inf", "1.", ".5", "5e", "--1", "2147483648", "1_0"]
    ),
)
SEPARATOR = st.sampled_from([" ", " ", " ", "\n", "\n", "\t", ",", ";", "#", "\r\n", "\x1c", "\xa0", "\ufeff"])
NUMBERS = st.lists(st.tuples(NUMBER, SEPARATOR), max_size=24).map(lambda parts: "".join(map("".join, parts)).encode())


@st.composite
def damaged_seed(draw, parser):
    """A kept input with some bytes exchanged for others."""
    path = draw(st.sampled_from(sorted((CORPUS / parser).iterdir())))
    content = path.read_bytes()
    start = draw(st.integers(0, len(content)))
    length = draw(st.integers(0, 8))
    return content[:start] + draw(st.one_of(st.binary(max_size=6), NUMBER.map(str.encode))) + content[start + length :]


@st.composite
def smv_image(draw):
    """A header of known keys with any values, most of them possible ones."""
    fields = {"HEADER_BYTES": "512", "SIZE1": "3", "SIZE2": "4"}
    fields |= draw(st.dictionaries(st.sampled_from(SMV_KEYS), NUMBER, max_size=4))
    text = "{\n" + "".join(f"{key}={value};\n" for key, value in fields.items()) + "}\f"
    return text.encode().ljust(512) + bytes(draw(st.sampled_from([24, 24, 24, 23, 100])))


@st.composite
def dump(draw):
    """A box of indices and its amplitudes, in most cases of the right size."""
    low, extent = draw(st.tuples(*[st.integers(-9, 9)] * 3)), draw(st.tuples(*[st.integers(0, 3)] * 3))
    limits = " ".join(f"{start} {start + count - 1}" for start, count in zip(low, extent, strict=True))
    n_values = math.prod(count + 1 for count in extent) + draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
    value = draw(st.sampled_from([1.0, 1.0, 1.0, -2.5e200, math.nan, math.inf]))
    return f"{limits}\n\f".encode() + np.full(n_values, value).tobytes()


ROW = st.tuples(*[st.integers(-9, 9)] * 3, st.one_of(st.floats(0, 1e3), st.integers(0, 99), st.just("x")))
ROWS = st.lists(ROW, max_size=6).map(lambda rows: "".join(f"{h} {k} {l} {F}\n" for h, k, l, F in rows).encode())

OWN = {"mask": smv_image(), "img": smv_image(), "fdump": dump(), "hkl": st.one_of(ROWS, NUMBERS)}


def content_for(parser):
    return st.one_of(OWN.get(parser, NUMBERS), damaged_seed(parser), st.binary(max_size=200))


def check_sane(made):
    """Asserts that all numbers of an experiment are finite."""
    beam, crystal, panel = made.beam, made.crystal, made.detector
    assert 0 < beam.wavelength_m < math.inf and beam.wavelength_m**2 > 0
    assert min(pixel_counts(panel)[:2]) >= 1 and panel.pixel_size_m > 0
    geometry = detector_physics.build(panel, made.defects, torch.device("cpu"))
    assert torch.isfinite(geometry.pix0_m).all() and math.isfinite(float(geometry.distance_m))
    if crystal.cell_lengths_A is not None:
        assert all(0 < length < math.inf for length in crystal.cell_lengths_A)
        assert all(0 < angle < 180 for angle in crystal.cell_angles_deg)
    if crystal.orientation_matrix is not None:
        assert np.isfinite(np.linalg.inv(crystal.orientation_matrix.numpy())).all()
    if beam.sources is not None:
        table = beam.sources
        assert len(table.weight) >= 1 and (table.weight >= 0).all() and (table.wavelength_m > 0).all()
        assert torch.isfinite(table.position_m).all() and (table.position_m.norm(dim=1) > 0).all()
    if made.structure_factors.table is not None:
        assert torch.isfinite(made.structure_factors.table.F_electrons).all()
    if panel.mask is not None:
        assert tuple(panel.mask.shape) == tuple(pixel_counts(panel)[1::-1])


def understood(arguments) -> bool:
    """Whether the line was accepted; it is a sane experiment then. A refusal is one printable line."""
    try:
        invocation = parse(arguments)
    except UsageError as error:
        assert str(error) and str(error).isprintable() and len(str(error)) < 700
        return False
    check_sane(invocation.experiment)
    return True


@pytest.mark.parametrize("parser", LINE_OF)
def test_file(parser, here):
    decisions = []
    for path in sorted((CORPUS / parser).iterdir()):  # the kept inputs as they are: some are sound
        (here / "file").write_bytes(path.read_bytes())
        decisions.append(understood([*LINE_OF[parser], "file"]))

    @settings(max_examples=150, **FIXED)
    @given(content_for(parser))
    def any_content(content):
        (here / "file").write_bytes(content)
        decisions.append(understood([*LINE_OF[parser], "file"]))

    any_content()
    assert True in decisions and False in decisions
    assert [path.name for path in here.iterdir()] == ["file"]


FLAG = st.sampled_from(sorted(set(spellings()) - {"--help", "-h", "-help", "--version", "-version", "-config"}))
FILES = st.sampled_from(["a.hkl", "b.mat", "s.txt", "t.stol", "m.img", "F.bin", "absent", ".", "x"])


@st.composite
def flag_with_values(draw):
    flag = spellings()[draw(FLAG)]
    values = [draw(NUMBER if arg.type in ("float", "int") else FILES) for arg in flag.args]
    return [flag.name, *values[: draw(st.integers(max(0, len(values) - 1), len(values) + 2))]]


def test_command_line(here):
    decisions = []
    write_inputs(here)
    before = sorted(here.iterdir())

    @settings(max_examples=300, **FIXED)
    @given(st.lists(flag_with_values(), max_size=3))
    def any_line(flags):
        decisions.append(understood([*CELL, *(argument for flag in flags for argument in flag), *QUICK]))

    any_line()
    assert True in decisions and False in decisions
    assert sorted(here.iterdir()) == before


WORDS = st.lists(
    st.one_of(FLAG, NUMBER, st.integers(-5, 200), st.floats(0.1, 100), st.booleans(), st.none()), max_size=4
)
DOCUMENT = st.one_of(
    WORDS.map(lambda flags: {"command_line": [*CELL, *QUICK, *flags]}),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
        max_leaves=6,
    ),
)
YAML = st.one_of(
    DOCUMENT.map(lambda document: yaml.safe_dump(document, allow_unicode=True).encode()),
    st.text(alphabet="command_line: -[]{}&*!|>'\"\n\t#%@`,?", max_size=60).map(
        lambda text: ("command_line: " + text).encode()
    ),
    st.binary(max_size=60),
)


def test_config(here):
    decisions = []

    @settings(max_examples=300, **FIXED)
    @given(YAML)
    def any_document(content):
        (here / "c.yaml").write_bytes(content)
        decisions.append(understood(["-config", "c.yaml"]))

    any_document()
    assert True in decisions and False in decisions
