"""The C parsers under libFuzzer with address and undefined-behaviour checks: inputs kept, and a short run of new ones.

The long run is `make -C src/nanobragg_c fuzz`.
"""

import os
import subprocess

import pytest

from tests.fuzz.run_targets import CORPUS, arguments, fuzz

PARSERS = sorted(path.name for path in CORPUS.iterdir())
RUNS = 5_000


@pytest.mark.parametrize("parser", PARSERS)
def test_kept_inputs(targets, parser, tmp_path):
    inputs = sorted(map(str, (CORPUS / parser).iterdir()))
    command = [*arguments(targets, parser), *inputs]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("parser", PARSERS)
def test_new_inputs(targets, parser, tmp_path):
    outcome = fuzz(targets, parser, RUNS, tmp_path)
    assert outcome.good, outcome.log
    assert outcome.runs >= RUNS and outcome.edges > 20 and outcome.own_edges > 20


@pytest.mark.parametrize(
    ("parser", "content", "verdict"),
    [
        ("matrix", "0.02 0 0 0 0.016 0 0 0 0.014", "accepted"),
        ("matrix", "0.02 0 0 0 0.016 0 0 0 nan", "nanobragg: error: -mat: 'input' line 1: expected c*_z"),
        ("flags", "-cell\n50\n-hkl\na.hkl\n-detpixels\n4", "accepted"),
        ("flags", "-cell\n50\n-hkl\n/etc/passwd\n", "nanobragg: error: -hkl: cannot open '/etc/passwd'"),
        # a table of 512 MiB where the harness grants 128 KiB
        ("hkl", "0 0 0 1\n400 400 400 1\n", "nanobragg: error: out of memory"),
    ],
)
def test_harness_sees_what_the_program_does(targets, parser, content, verdict, tmp_path):
    (tmp_path / "content").write_text(content)
    environment = os.environ | {"FUZZ_VERDICTS": str(tmp_path / "verdicts")}
    subprocess.run([*arguments(targets, parser), str(tmp_path / "content")], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "verdicts").read_text().splitlines()[-1].startswith(verdict)
