"""Both programs against the independent model, on random command lines, with `-defects none` and named ones.

A few lines run with the suite, all 400 where NB_RUN_PARALLEL is 1 (`make independent`).
"""

import contextlib
import os
import subprocess

import numpy as np
import pytest
import torch

from nanobrag_torch import cli
from nanobrag_torch.backends.compiled import cache, selection
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.simulator import Simulation
from tests.c_program import needs_compiler
from tests.independent_model import image, lines, panel

ALL = os.environ.get("NB_RUN_PARALLEL") == "1"
SEEDS = range(400 if ALL else 24)
COMPILED_SEEDS = range(400 if ALL else 4)
TOLERANCE = 1e-9


class Case:
    """One line in a folder with its files: the model's image, or None where the programs must refuse."""

    def __init__(self, seed, folder):
        self.words, files = lines.line(seed)
        self.folder = folder
        for name, text in files.items():
            (folder / name).write_text(text)
        try:
            self.expected = image.photons(self.words, folder)
        except panel.Refused as refusal:
            self.expected, self.refusal = None, str(refusal)

    def check(self, photons):
        peak = np.abs(self.expected).max()
        assert photons.shape == self.expected.shape
        assert np.abs(photons - self.expected).max() <= TOLERANCE * peak, " ".join(self.words)
        assert photons.min() >= 0 or "back_face_negative" in " ".join(self.words)

    def simulation(self):
        with contextlib.chdir(self.folder):
            return Simulation(cli.parse(self.words).experiment)


@pytest.mark.parametrize("seed", SEEDS)
def test_c_program(seed, c_binary, tmp_path):
    case = Case(seed, tmp_path)
    arguments = [*case.words, "-nonoise", "-nopgm", "-doublefile", "double.bin", "-threads", "1"]
    done = subprocess.run([c_binary, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    if case.expected is None:
        assert done.returncode == 2 and case.refusal in done.stderr
        return
    assert done.returncode == 0, done.stderr + " ".join(case.words)
    case.check(np.fromfile(tmp_path / "double.bin").reshape(case.expected.shape))


@pytest.mark.parametrize("seed", SEEDS)
def test_torch_program(seed, tmp_path, monkeypatch):
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    case = Case(seed, tmp_path)
    if case.expected is None:
        with pytest.raises(Exception, match=case.refusal):
            case.simulation()
        return
    case.check(case.simulation().image(image_dtype=torch.float64).numpy())


@needs_compiler
@pytest.mark.parametrize("seed", COMPILED_SEEDS)
def test_compiled_torch_program(seed, tmp_path, compiled_code, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    case = Case(seed, tmp_path)
    if case.expected is None:
        pytest.skip("refused, as the eager program's test shows")
    simulation = case.simulation()
    if why := selection.not_compilable(simulation.model):
        pytest.skip(why)
    made = simulation.image(image_dtype=torch.float64)
    assert isinstance(simulation.backend(torch.float64), CompiledBackend)
    case.check(made.numpy())
