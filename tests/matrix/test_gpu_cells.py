"""The cells of a GPU are chosen where torch has one, else left out with the reason, and run under their names."""

import os

import numpy as np
import pytest
import torch

from trace_audit.config import device
from trace_audit.matrix.cells import Experiment, run_torch
from trace_audit.matrix.variants import TorchVariant, plan

FLAGS = "-cell 70 80 90 85 95 105 -lambda 1 -distance 90 -pixel 0.4 -detpixels 8 -N 3 -default_F 9 -oversample 1"
WORDS = tuple(FLAGS.split())
CELLS = [TorchVariant(b, t, "cuda") for b in ("eager", "compiled") for t in ("float64", "float32")]


def test_where_torch_has_a_gpu_its_four_cells_are_chosen(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device, "gpu_name", lambda: "NVIDIA H100")
    cells = plan(())
    assert [v for v in cells.variants if v.device == "cuda"] == CELLS
    assert [v.name for v in CELLS] == [
        f"torch {backend} {dtype} cuda" for backend in ("eager", "compiled") for dtype in ("float64", "float32")
    ]
    assert not cells.left_out


@pytest.mark.parametrize(
    ("cuda", "told"),
    [(None, f"torch {torch.__version__} is built without GPU support"), ("12.4", "torch finds no GPU")],
)
def test_where_it_has_none_they_are_left_out_and_the_reason_is_said(monkeypatch, cuda, told):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None)
    cells = plan(())
    assert not [v for v in cells.variants if v.device == "cuda"]
    [(name, reason)] = cells.left_out
    assert name == "torch cuda" and reason.startswith(f"device cuda is not there: {told}")


class Fake:
    """Replaces the simulator: records its arguments, and computes on the CPU."""

    given: list[tuple] = []

    def __init__(self, experiment, on, dtype):
        from nanobrag_torch.simulator.simulation import Simulation

        self.real = Simulation(experiment, "cpu", dtype)
        self.given.append((experiment, on, dtype, os.environ.get("NANOBRAG_TORCH_COMPILE")))

    def image_without_graph(self, *arguments):
        return self.real.image_without_graph(*arguments)

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest.mark.parametrize("variant", [v for v in CELLS if v.backend == "eager"], ids=lambda v: v.name)
def test_a_cell_runs_the_experiment_on_its_device_in_its_type(monkeypatch, variant):
    from nanobrag_torch import simulator
    from nanobrag_torch.cli import parse

    monkeypatch.setattr(simulator, "Simulation", Fake)
    monkeypatch.setattr(Fake, "given", [])
    outcome = run_torch(variant, Experiment(WORDS, (3, 4)))
    assert outcome.failure is None and np.isfinite(outcome.image).all() and outcome.trace.number("steps") == 1
    [(experiment, on, dtype, mode)] = Fake.given
    assert (on, dtype, mode) == ("cuda", getattr(torch, variant.dtype), "never")
    assert repr(experiment) == repr(parse(list(WORDS)).experiment)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("variant", CELLS, ids=lambda v: v.name)
def test_a_cell_that_cannot_run_says_so_and_ends_no_other(variant):
    outcome = run_torch(variant, Experiment(WORDS, (3, 4)))
    assert outcome.image is None and outcome.failure and "\n" not in outcome.failure
