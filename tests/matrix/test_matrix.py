"""One experiment by every compiler, option, backend and type: which result deviates, how far, and by which file."""

import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.matrix import tiny
from trace_audit.core.errors import InputError
from trace_audit.matrix import variants
from trace_audit.matrix.__main__ import main
from trace_audit.matrix.c_build import build
from trace_audit.matrix.cells import Distance, Experiment, Outcome, distance, run_c, run_torch
from trace_audit.matrix.culprits import culprits
from trace_audit.matrix.report import Cell, Matrix, as_markdown, as_svg
from trace_audit.matrix.variants import CVariant, TorchVariant, plan

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
FLAGS = (
    "-cell 70 80 90 85 95 105 -default_F 100 -N 5 -distance 100 -lambda 1 -detpixels 12 -oversample 1 -Xbeam 1 -Ybeam 1"
)


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """The tiny program without and with optimisation."""
    folder = tmp_path_factory.mktemp("tiny")
    source = tiny.write(folder / "source")
    return [build(source, CVariant("gcc", (option,)), folder / option[1:]) for option in ("-O0", "-O2")]


def found_by(builds, *flags):
    experiment = Experiment(flags, (0, 0))
    strict, fast = (run_c(built.program, experiment, 60.0) for built in builds)
    off = distance(strict, fast, "float64")
    return off, culprits(*builds, experiment, off, 60.0)


def test_the_file_that_a_compiler_option_moves_the_result_with(builds):
    off, culprits = found_by(builds, "-steady")
    assert (
        off.is_beyond and off.key in ("polar", "I_pixel_final") and off.key_difference == pytest.approx(2e-5, rel=1e-3)
    )
    assert [group.files for group in culprits.groups] == [("physics/polar.c",)]
    assert culprits.groups[0].distance.key_difference == pytest.approx(2e-5, rel=1e-3)
    assert not culprits.rest.is_beyond and culprits.rest.key_difference == 0.0
    assert culprits.links < 2 * len(tiny.FILES) + 6


def test_a_file_that_breaks_the_program_does_not_hide_the_other_one(builds):
    off, culprits = found_by(builds)
    assert off.failure == "ended with exit status 3: it broke"
    assert [group.files for group in culprits.groups] == [("physics/count.c",), ("physics/polar.c",)]
    assert culprits.groups[0].distance.failure and not culprits.groups[1].distance.failure
    assert not culprits.rest.is_beyond


def test_the_command_writes_table_picture_and_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(variants, "OPTIONS", (("-O0",), ("-O2",)))
    source = tiny.write(tmp_path / "source")
    arguments = [
        "--source",
        str(source),
        "--compilers",
        "gcc",
        "no-such-cc",
        "--no-torch",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["--flags", "-steady -nopgm", "--pixel", "0", "0", *arguments]) == 1
    told = json.loads((tmp_path / "out/matrix.json").read_text())
    assert [(cell["name"], cell["beyond"]) for cell in told["cells"]] == [("gcc -O0", False), ("gcc -O2", True)]
    assert told["cells"][1]["culprits"][0]["files"] == ["physics/polar.c"]
    assert {"what": "no-such-cc", "why": "not on PATH"} in told["left_out"]
    table = (tmp_path / "out/matrix.md").read_text()
    assert "physics/polar.c: " in table and "- no-such-cc: not on PATH" in table and table in capsys.readouterr().out
    picture = ElementTree.parse(tmp_path / "out/matrix.svg").getroot()
    texts = ["".join(element.itertext()) for element in picture.iter()]
    assert "gcc -O2" in texts and any(text == "tolerance 1e-06" for text in texts)


def test_the_c_program_and_torch_of_each_type(c_binary):
    experiment = Experiment(tuple(FLAGS.split()), (5, 6))
    strict = run_c(c_binary, experiment, 60.0)
    assert strict.failure is None and strict.image.size == 144
    double = distance(strict, run_torch(TorchVariant("eager", "float64", "cpu"), experiment), "float64")
    single = distance(strict, run_torch(TorchVariant("eager", "float32", "cpu"), experiment), "float32")
    assert not double.is_beyond and double.key_difference < 1e-11
    assert not single.is_beyond and 1e-9 < single.key_difference < 1e-6
    wrong = Experiment((*experiment.words, "-polar", "0.5"), (5, 6))
    off = distance(strict, run_torch(TorchVariant("eager", "float64", "cpu"), wrong), "float64")
    assert off.is_beyond and off.diverging >= 2
    refused = run_torch(TorchVariant("eager", "float64", "cpu"), Experiment(("-cell", "0"), (0, 0)))
    assert refused.failure is not None


def test_an_image_that_differs_where_the_trace_does_not():
    base = culprits = None
    trace = run_torch(TorchVariant("eager", "float64", "cpu"), Experiment(tuple(FLAGS.split()), (5, 6)))
    base = Outcome(trace.trace, np.array([1.0, 2.0, 4.0], np.float32))
    culprits = distance(base, Outcome(trace.trace, np.array([1.0, 2.0, 4.1], np.float32)), "float64")
    assert culprits.is_beyond and culprits.diverging == 0 and culprits.worst_pixel == 2
    assert culprits.image_difference == pytest.approx(0.1 / 4.0, rel=1e-5)
    assert distance(base, Outcome(trace.trace, np.array([1.0, np.nan, 4], np.float32)), "float64").is_beyond
    assert distance(base, Outcome(trace.trace, np.zeros(2, np.float32)), "float64").failure
    assert distance(base, Outcome(failure="x"), "float64").failure == "x"


def test_missing_devices_are_left_out_and_said(monkeypatch):
    monkeypatch.setattr(variants, "_device_lack", lambda device: "" if device == "cpu" else "torch finds no GPU")
    planned = plan(["gcc"])
    assert ("torch cuda", "torch finds no GPU") in planned.left_out
    names = [variant.name for variant in planned.variants]
    assert names[0] == "gcc -O0" and "torch compiled float32 cpu" in names and not any("cuda" in n for n in names)


def test_a_picture_of_a_program_that_gives_nothing():
    nothing = Distance("", 0.0, 0.0, 0, 0, 1e-6, failure="ended <badly>")
    cells = (
        Cell(CVariant("gcc", ("-O0",)), Distance("polar", 0.0, 0.0, 0, 0, 1e-6)),
        Cell(CVariant("gcc", ("-O9",)), nothing),
    )
    matrix = Matrix("x", (1, 2), "gcc -O0", cells, ())
    assert ElementTree.fromstring(as_svg(matrix)) is not None
    assert "gives nothing: ended \\<badly>" in as_markdown(matrix)


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "give the experiment once"),
        (["--flags", "-cell 9"], "--pixel SLOW FAST"),
        (
            ["--flags", "-cell 9", "--pixel", "0", "0", "--compilers", "no-such-cc"],
            "no C compiler: no-such-cc: not on PATH",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, told):
    with pytest.raises(InputError, match=told):
        main([*arguments, "--no-torch", "--out", str(tmp_path)])
