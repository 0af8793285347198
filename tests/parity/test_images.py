"""The comparison of images: what passes, what fails, and that a failure ends in a named factor."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.c_program import REPOSITORY
from trace_audit.config.scenario import load_scenario
from trace_audit.core.errors import run_command
from trace_audit.images import image_audit
from trace_audit.images.image_comparison import allowed_of_peak, bars, compare_images, read_image
from trace_audit.programs import image_run

NAME = "convention_xds"
SCENARIO_DIR = REPOSITORY / "config" / "scenarios"
SHAPE = (32, 36)


@pytest.fixture(scope="session")
def images_of(c_binary, tmp_path_factory):
    """Images of a scenario by both programs, made once a session: name -> folder with c.bin and py.bin."""
    made = {}

    def make(name: str):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            where = ["--config", name, "--scenario-dir", str(SCENARIO_DIR)]
            run = ["--program", "c", "--binary", str(c_binary), "--out", str(folder / "c.bin")]
            assert image_run.main([*run, *where]) == 0
            assert image_run.main(["--program", "torch", "--out", str(folder / "py.bin"), *where]) == 0
            made[name] = folder
        return made[name]

    return make


class Case:
    """A copy of both images that a test may change, and the comparison run on it."""

    def __init__(self, name, source, folder, binary):
        self.name, self.folder, self.binary = name, folder, binary
        shutil.copytree(source, folder, dirs_exist_ok=True)

    def change(self, side, change):
        path = self.folder / f"{side}.bin"
        image = np.fromfile(path, np.float32).reshape(SHAPE)
        path.write_bytes(np.ascontiguousarray(change(image.astype(float))).astype(np.float32).tobytes())

    def command(self, dtype="float64"):
        return [
            *("--c-image", str(self.folder / "c.bin"), "--py-image", str(self.folder / "py.bin")),
            *("--config", self.name, "--scenario-dir", str(SCENARIO_DIR), "--binary", str(self.binary)),
            *("--dtype", dtype, "--out", str(self.folder / "image_parity.json")),
            *("--md", str(self.folder / "image_parity.md")),
        ]

    def judge(self, dtype="float64"):
        """Exit status and verdict."""
        status = run_command(image_audit.main, self.command(dtype))
        return status, json.loads((self.folder / "image_parity.json").read_text())


@pytest.fixture
def case(images_of, c_binary, tmp_path):
    return Case(NAME, images_of(NAME), tmp_path / "case", c_binary)


def plus(slow, fast, of_peak):
    """Add a share of the peak to one pixel."""

    def change(image):
        image[slow, fast] += of_peak * image.max()
        return image

    return change


def test_true_images_pass(case):
    status, result = case.judge()
    assert (status, result["status"], result["root_causes"]) == (0, "pass", [])
    assert result["worst_difference_of_peak"] <= 1e-7
    assert len(result["worst_pixels"]) == 5
    traced = {(row["slow"], row["fast"]) for row in result["traces"]}
    assert {tuple(pixel) for pixel in load_scenario(NAME, SCENARIO_DIR).pixels} <= traced
    assert all(row["factors_compared"] > 50 for row in result["traces"])
    assert not (case.folder / "pixels").exists()
    assert "Image parity of convention_xds: pass" in (case.folder / "image_parity.md").read_text()


@pytest.mark.parametrize(("side", "key"), [("py", "image_of_torch"), ("c", "image_of_C")])
def test_one_wrong_pixel_is_found_and_its_image_named(side, key, case):
    case.change(side, plus(20, 3, 1e-4))
    status, result = case.judge()
    assert (status, result["status"]) == (1, "fail")
    assert result["root_causes"] == [key]
    assert (result["worst_pixels"][0]["slow"], result["worst_pixels"][0]["fast"]) == (20, 3)
    assert result["worst_difference_of_peak"] == pytest.approx(1e-4, rel=1e-3)
    assert "the factors are right, the image is not" in result["summary"]
    assert (case.folder / "pixels/S20_F3/trace_py_scaling.log").is_file()


def test_the_bar_is_that_of_the_dtype(case):
    brightest = np.unravel_index(np.fromfile(case.folder / "c.bin", np.float32).argmax(), SHAPE)
    case.change("py", plus(*brightest, 3e-6))
    comparison = compare_images(*(read_image(case.folder / f"{side}.bin", SHAPE, side) for side in ("c", "py")))
    assert comparison.agrees("float32") and not comparison.agrees("float64")
    assert case.judge("float64")[1]["tolerance_relative"] == 1e-6


def test_bars_are_the_declared_ones():
    assert (allowed_of_peak("float64"), allowed_of_peak("float32")) == (1e-6, 1e-5)
    assert all(row["reason"] for row in bars()["dtypes"])


def test_swapped_axes_are_recognised(case):
    case.change("py", lambda image: image.T)
    status, result = case.judge()
    assert (status, result["root_causes"]) == (1, ["image_of_torch"])
    assert any("slow and fast axes swapped" in remark for remark in result["remarks"])


def test_a_factor_of_the_whole_image_is_recognised_though_correlation_is_perfect(case):
    case.change("py", lambda image: 1.001 * image)
    status, result = case.judge()
    assert (status, result["root_causes"]) == (1, ["image_of_torch"])
    assert result["correlation"] == pytest.approx(1.0, abs=1e-12)
    assert result["worst_relative_difference"] == pytest.approx(1e-3, rel=1e-2)
    assert any("multiplied by 0.999000" in remark for remark in result["remarks"])


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-4]), "4604 bytes, expected 4608"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "4609 bytes, expected 4608"),
        (lambda path: path.unlink(), "No such file"),
        (
            lambda path: path.write_bytes(
                path.read_bytes()[:40] + np.float32("nan").tobytes() + path.read_bytes()[44:]
            ),
            "pixel (0, 10) (slow, fast) is nan",
        ),
    ],
    ids=["short", "long", "absent", "nan"],
)
def test_an_image_that_is_none_is_refused_in_one_line(spoil, expected, case, capsys):
    spoil(case.folder / "py.bin")
    assert run_command(image_audit.main, case.command()) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "torch image" in message and expected in message
    assert not (case.folder / "image_parity.json").exists()


@pytest.mark.parametrize(("extra", "key"), [("-polar 0.5", "polar"), ("-lambda 1.001", "lambda_meters")])
def test_a_difference_of_physics_ends_in_its_factor(extra, key, case, c_binary):
    """The C program with another parameter: the verdict names the factor in which that parameter first shows."""
    elsewhere = case.folder / "other"
    elsewhere.write_text(f'#!/bin/sh\nexec "{c_binary}" "$@" {extra}\n')
    elsewhere.chmod(0o755)
    run = ["--program", "c", "--binary", str(elsewhere), "--config", NAME, "--scenario-dir", str(SCENARIO_DIR)]
    assert image_run.main([*run, "--out", str(case.folder / "c.bin")]) == 0
    case.binary = elsewhere
    status, result = case.judge()
    assert status == 1
    assert key in result["root_causes"]
    assert not {"image_of_C", "image_of_torch"} & set(result["root_causes"])
    worst = result["worst_pixels"][0]
    kept = case.folder / f"pixels/S{worst['slow']}_F{worst['fast']}/compare_scaling_traces.json"
    assert key in json.loads(kept.read_text())["root_causes"]


def test_light_under_the_mask_is_named(images_of, c_binary, tmp_path):
    case = Case("mask_and_roi", images_of("mask_and_roi"), tmp_path / "case", c_binary)
    case.change("py", plus(15, 17, 0.1))
    status, result = case.judge()
    assert (status, result["root_causes"]) == (1, ["image_of_torch"])
    assert "where nothing is to be computed" in result["summary"]


def test_worst_pixels_come_in_order():
    c = np.zeros((4, 5))
    py = c.copy()
    py[1, 2], py[3, 4], c[0, 0] = 3.0, 2.0, 10.0
    comparison = compare_images(c, py)
    assert [(p.slow, p.fast) for p in comparison.worst[:3]] == [(0, 0), (1, 2), (3, 4)]
    assert comparison.worst[1].of_peak == pytest.approx(0.3)
    assert comparison.relative == 1.0


def test_two_dark_images_agree():
    comparison = compare_images(np.zeros((3, 3)), np.zeros((3, 3)))
    assert comparison.agrees("float64") and comparison.of_peak == 0.0 and comparison.correlation is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--program", "c", "--config", NAME], "--binary"),
        (["--program", "c", "--binary", "nowhere", "--config", NAME], "no such file"),
        (["--program", "torch", "--config", "nothing"], "scenario 'nothing'"),
        (["--program", "torch", "--config", NAME, "--hkl", "none.hkl"], "none.hkl"),
    ],
)
def test_bad_input_of_image_run_is_one_line(arguments, expected, tmp_path):
    command = [sys.executable, "-m", "trace_audit.programs.image_run", *arguments, "--out", str(tmp_path / "image.bin")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and expected in done.stderr
    assert list(tmp_path.iterdir()) == []


def run_compiled(name, folder, dtype="float64"):
    """The image of compiled code; its record."""
    where = ["--config", name, "--scenario-dir", str(SCENARIO_DIR), "--backend", "compiled", "--dtype", dtype]
    assert image_run.main(["--program", "torch", "--out", str(folder / "py.bin"), *where]) == 0
    return json.loads((folder / "py_image_run.json").read_text())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_images_of_compiled_code_are_compared_and_traced_by_it(case, dtype, monkeypatch):
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "never")  # what the caller has set does not count
    record = run_compiled(NAME, case.folder, dtype)
    assert record["made_by"]["name"] == "compiled" and len(record["made_by"]["source_sha256"]) >= 64
    assert "made_by" in record and record["made_by"]["compiler"]
    status = run_command(image_audit.main, [*case.command(dtype), "--backend", "compiled"])
    result = json.loads((case.folder / "image_parity.json").read_text())
    assert status == 0, result["summary"]
    assert result["backend"] == "compiled" and result["counts"]["traced_failed"] == 0
    assert json.loads((case.folder / "config_snapshot.json").read_text())["backend"] == "compiled"


def test_an_image_that_compiled_code_cannot_make_is_skipped_with_the_reason(case):
    case.name = "every_defect_on"
    record = run_compiled(case.name, case.folder)
    assert record["skipped"] == "compiled code cannot make this: the defect running_product is on"
    assert run_command(image_audit.main, [*case.command(), "--backend", "compiled"]) == 0
    assert json.loads((case.folder / "image_parity.json").read_text())["status"] == "skipped"
