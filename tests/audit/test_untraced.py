"""A reference that prints no trace: audited by its image, and reported as what it is when it has none."""

import json
import sys

import pytest
import yaml

from trace_audit.core.errors import run_command
from trace_audit.images.untraced import main

from .test_scenario import MINIMAL

HEAD = """import struct, subprocess, sys, time
out = sys.argv[sys.argv.index('-floatfile') + 1]
"""


@pytest.fixture
def scenarios(tmp_path):
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(yaml.safe_dump(MINIMAL))
    return folder


@pytest.fixture
def audit(tmp_path, scenarios, c_binary, capsys):
    """Audit a stand-in for nanoBragg, a Python script; status, standard error and folder."""

    def run(body, *more):
        program = tmp_path / "their nanoBragg"
        program.write_text(f"#!{sys.executable}\n{HEAD}{body.replace('OURS', repr(str(c_binary)))}\n")
        program.chmod(0o755)
        out = tmp_path / "out"
        words = ["--binary", str(program), "--tracer", str(c_binary), "--config", "tiny", "--scenario-dir"]
        status = run_command(main, [*words, str(scenarios), "--out", str(out), *more])
        return status, capsys.readouterr().err, out

    return run


RUN_OURS = "subprocess.run([OURS, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)\n"


def test_a_right_image_passes_with_its_worst_pixels_traced(audit):
    status, error, out = audit(RUN_OURS)
    result = json.loads((out / "torch" / "image_parity.json").read_text())
    assert (status, result["status"], error) == (0, "pass", "")
    assert result["traces"] and all(row["status"] == "pass" for row in result["traces"])


def test_a_wrong_image_fails_and_its_worst_pixels_are_explained(audit):
    body = RUN_OURS + "data = open(out, 'rb').read()\nvalues = struct.unpack(f'<{len(data) // 4}f', data)\n"
    body += "open(out, 'wb').write(struct.pack(f'<{len(values)}f', *(1.5 * v for v in values)))"
    status, _, out = audit(body)
    result = json.loads((out / "torch" / "image_parity.json").read_text())
    assert (status, result["status"]) == (1, "fail")
    assert all(row["root_causes"] == ["image_of_C"] for row in result["traces"] if row["status"] == "fail")
    assert result["traces"][0]["factors_compared"] > 50  # our own trace of the pixel, factor by factor


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit('cannot open A.mat')", "ended with exit status 1: cannot open A.mat"),
        ("import os; os.kill(os.getpid(), 11)", "was killed by signal SIGSEGV"),
        ("time.sleep(60)", "did not end within 0.5 s"),
        ("print('done')", "wrote no image"),
        ("open(out, 'wb').write(b'garbage')", "7 bytes, expected"),
    ],
)
def test_a_program_without_an_image_is_reported_as_that(audit, body, words):
    status, error, out = audit(body, "--time-limit-s", "0.5" if "sleep" in body else "20")
    assert status == 2 and words in error and error.count("\n") == 1
    assert not (out / "torch" / "image_parity.json").exists()


def test_an_image_that_is_not_finite_is_reported_as_that(audit):
    body = RUN_OURS + "data = open(out, 'rb').read()\nopen(out, 'wb').write(struct.pack('<f', float('nan')) + data[4:])"
    status, error, _ = audit(body)
    assert status == 2 and "nan" in error and "expected finite" in error
