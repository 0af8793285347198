"""Logs and images of other people's programs, as they come: what the report says of them is true, and helps."""

import codecs
import json
import re

import numpy as np
import pytest

from tests.port.test_sides import FLAGS, PIXEL, ours, side
from trace_audit.core.errors import run_command
from trace_audit.port.__main__ import main
from trace_audit.port.audit import audit_port
from trace_audit.port.document import as_json, as_junit
from trace_audit.port.findings import PortCase
from trace_audit.port.pair import audit_pair
from trace_audit.port.report import as_markdown, summary
from trace_audit.trace.foreign_log import read_foreign_lines, read_foreign_log
from trace_audit.trace.key_names import KeyNames

NUMBER = re.compile(r"(?<=\s)-?\d\S*[.e]\S*")


def values(mistake: str, *keys: str) -> dict[str, tuple[float, ...]]:
    """What a side prints for these keys."""
    records = side("mine", mistake).log.trace.records
    return {key: tuple(map(float, next(iter(records[key].values())).values)) for key in keys}


def audit(lines, image=None, **names):
    log = read_foreign_lines([line.encode() + b"\n" for line in lines], KeyNames(**names))
    return audit_port(PortCase("mine", log, image), ours(), budget_s=0)


def image_of_ours(changed: float = 1.0) -> np.ndarray:
    slow, fast = np.indices(ours().shape)
    return changed * ours().photons(slow.ravel(), fast.ravel()).reshape(ours().shape)


def test_json_lines_in_other_units_with_a_key_file():
    """mm and 1/Angstrom, own names, a mistake: named at its key, and nothing else differs."""
    found = values("polar_off", "pixel_pos_meters", "scattering_vec_A_inv", "polar")
    by = {"pixel_pos_meters": ("pos_mm", 1e3), "scattering_vec_A_inv": ("q", 1e-10), "polar": ("pol", 1.0)}
    lines = [
        json.dumps({"step": 3, "key": name, "value": [v * factor for v in found[key]]})
        for key, (name, factor) in by.items()
    ]
    names = {name: key for key, (name, _) in by.items()}
    report = audit(['{"event": "start"}', *lines], names=names, factors={"pos_mm": 1e-3, "q": 1e10})
    assert report.differing == {"polar"} and [cause.key for cause in report.causes] == ["polar"]
    without = audit(lines)
    assert not without.passed and "no key that can be compared" in summary(without)
    assert "`names: {pos_mm: hkl_frac}`" in as_markdown(without), "how to go on"
    assert "what made its pixel" not in as_markdown(without)


def test_exponents_of_fortran_and_a_prefix_of_its_own():
    found = values("fluence_per_mm2", "fluence_photons_per_m2", "polar", "hkl_frac")
    lines = [
        f" TRACE_F90: {key} = {'  '.join(f'{v:.14E}'.replace('E', 'D') for v in row)}" for key, row in found.items()
    ]
    report = audit(lines)
    assert report.covered[0] == 3 and not report.problems
    assert [cause.key for cause in report.causes] == ["fluence_photons_per_m2"]


def test_a_mixture_of_float32_and_float64_is_said_to_be_one():
    lines = []
    for number, line in enumerate(map(str.strip, printed())):
        texts = NUMBER.sub(lambda m: f"{float(np.float32(m[0])):.9g}", line) if number % 2 else line
        lines.append(f"\x1b[2m03:00:00,123\x1b[0m \x1b[32mINFO\x1b[0m {texts}")
    report = audit(lines)
    assert report.covered[0] > 40 and not report.problems
    assert "float64 and float32 numbers" in as_markdown(report)


def printed() -> list[str]:
    """All keys of one sub-pixel, with their own names, as a port prints them."""
    rows = side("mine").log.trace.records
    told = {name: next(iter(records.values())).values for name, records in rows.items() if "." not in name}
    return [f"TRACE_PY: {name} {' '.join(map(repr, row))}".replace("'", "") for name, row in told.items()]


def test_an_image_alone_is_judged_as_an_image():
    report = audit(["done"], image_of_ours(1.5))
    text = as_markdown(report)
    assert not report.passed and report.covered[0] == 0
    assert "what made its" not in text
    assert "from the command line to floatimage_accumulated (differs)" in text and "print next" in text


def test_a_reference_that_cannot_be_read_is_no_agreement():
    broken = PortCase("old", read_foreign_lines([b"TRACE_C: polar nan\n"], KeyNames()), None)
    report = audit_pair(broken, side("new"), ours(), budget_s=0)
    assert not report.passed and not report.causes
    assert "cannot be compared with old in full" in summary(report) and "differs" not in summary(report)
    assert as_json(report)["problems"][0]["side"] == "old" and "old: line 1: polar" in as_junit(report)
    assert "old prints no key that can be compared" in as_markdown(report)


@pytest.mark.parametrize("bom", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8])
def test_what_a_powershell_writes(tmp_path, bom):
    encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be", codecs.BOM_UTF8: "utf-8"}[bom]
    (tmp_path / "log").write_bytes(bom + "TRACE_PY: polar 0.25\r\nÅ\r\nTRACE_PY: steps 4\r\n".encode(encoding))
    log = read_foreign_log(tmp_path / "log", KeyNames())
    assert log.trace.number("polar") == 0.25 and (log.trace_lines, log.other_lines) == (2, 1)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((12, 16)), "transpose"),
        (np.zeros((3, 16, 12)), "the whole detector"),
        (np.zeros((1, 16, 12)), "two axes"),
        (np.zeros(384), "float64"),
        (np.zeros(5), "768 bytes"),
    ],
)
def test_an_image_of_another_shape_says_what_to_do(tmp_path, image, told, capsys):
    np.save(tmp_path / "image.npy", image)
    (tmp_path / "log").write_text("TRACE_PY: polar 1\n")
    flags = FLAGS.replace("-detpixels 16", "-detpixels_x 12 -detpixels_y 16")
    words = ["--flags", flags, "--pixel", *map(str, PIXEL), "--out", str(tmp_path / "out")]
    files = ["--log", str(tmp_path / "log"), "--image", str(tmp_path / "image.npy")]
    assert run_command(main, [*words, *files]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_a_pixel_off_the_detector_is_said_to_be_that(tmp_path, capsys):
    (tmp_path / "log").write_text("TRACE_PY: polar 1\n")
    words = ["--flags", FLAGS, "--pixel", "16", "3", "--log", str(tmp_path / "log"), "--out", str(tmp_path / "out")]
    assert run_command(main, words) == 2
    assert "--pixel 16 3 is off the detector: slow 0 to 15" in capsys.readouterr().err
