"""Commands that need no tensor do not import torch: they run where torch is a package that cannot be imported."""

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import BASE
from tests.cli.test_flags import READ
from tests.cli.test_rules import REFUSALS

ANSWERS = [["--help"], ["-h"], ["--version"], ["-defects", "list"]]
SHOWN = [
    [*BASE, "-show_config"],
    [*BASE, "-hkl", "f.hkl", "-mat", "a.mat", "-sourcefile", "src.txt", "-mask", "m.img", "-xds", "-show_config"],
]
BROKEN = {
    "-hkl": "1 2\n",
    "-mat": "1 0 0\n0 0 0\n0 0 0\n",
    "-sourcefile": "0 0 0 1\n",
    "-dumpfile": "0 1 0 1 0 1\n\f12345678",
    "-stol": "1 x\n",
    "-mask": "{\nHEADER_BYTES=512;\n}\f",
    "-config": "command_line: 5",
}
# The geometry of the detector, and the devices of the machine, are torch's to tell.
NEED_TORCH = ("plane holds the sample or misses the beam", "no such device here")

PROGRAM = """
import contextlib, io, json, sys
from nanobrag_torch.cli import main
results = []
for words in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            status = main(words)
        except BaseException as error:
            status = f"{type(error).__name__}: {error}"
    results.append((status, said.getvalue()))
print(json.dumps(results))
"""


@pytest.fixture
def environment(tmp_path_factory, monkeypatch):
    """Variables under which `import torch` fails."""
    folder = tmp_path_factory.mktemp("fake")
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text("raise SystemExit('torch was imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def results_of(cases: list[list[str]]) -> list[tuple[int | str, str]]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def test_the_fake_torch_is_seen(environment, folder):
    (status, _) = results_of([BASE])[0]
    assert status == "SystemExit: torch was imported"


def test_answers_and_configurations(environment, folder):
    cases = [*ANSWERS, *SHOWN]
    assert [status for status, _ in results_of(cases)] == [0] * len(cases)


def test_every_refusal(environment, folder):
    refused = [(flags, says) for flags, says in REFUSALS if not any(reason in says for reason in NEED_TORCH)]
    assert len(refused) == len(REFUSALS) - len(NEED_TORCH)
    for (flags, says), (status, said) in zip(refused, results_of([flags for flags, _ in refused]), strict=True):
        assert (status, said.count("\n")) == (2, 1) and says in said, flags


def test_every_refusal_of_a_file(environment, folder):
    (folder / "empty").write_text("")
    cases = [[*BASE, flag, path] for flag in READ for path in ("nowhere.dat", "empty", ".")]
    for flag, content in BROKEN.items():
        (folder / f"broken{flag}").write_text(content)
        cases.append([*BASE, flag, f"./broken{flag}"])
    (folder / "model.pdb").write_text("HEADER no atoms\nEND\n")
    cases.append([*BASE, "-hkl", "model.pdb"])
    cases.append([*BASE, "-hdivsteps", "3", "-defects", "default,-divergence_grid"])
    for flags, (status, said) in zip(cases, results_of(cases), strict=True):
        assert (status, said.count("\n")) == (2, 1), (flags, status, said)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["nanobrag_torch", "--version"], 0),
        (["nanobrag_torch", "-bogus"], 2),
        (["nanobrag_torch.gradients"], 0),
        (["nanobrag_torch.refine", "--help"], 0),
        (["nanobrag_torch.refine", "absent.yaml"], 2),
        (["nanobrag_torch.cli.compile_ahead", "--help"], 0),
        (["nanobrag_torch.cli.compile_ahead", "build", "--device", "tpu"], 2),
        (["nanobrag_torch.cli.compile_ahead", "build", "--", "-bogus"], 2),
    ],
)
def test_commands(command, status, environment, folder):
    run = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert run.returncode == status, run.stderr
    assert (run.stderr == "") == (status == 0) and run.stderr.count("\n") <= 1
