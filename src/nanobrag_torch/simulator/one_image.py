"""The image of an experiment in one call, of each of a batch inside torch.vmap."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nanobrag_torch.parameters import Experiment
from nanobrag_torch.parameters.tensors import is_mapped, tensors_of, with_tensors
from nanobrag_torch.simulator import checkpointing
from nanobrag_torch.simulator.simulation import Simulation, drawn
from nanobrag_torch.simulator.tiles import Progress
from nanobrag_torch.simulator.untraced import not_traced


@not_traced
def simulate(
    experiment: Experiment,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: Progress | None = None,
    image_dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """The image of an experiment: photons per pixel, (n_slow, n_fast) in `image_dtype`, on `device`.

    `dtype` is the type of everything after the fractional Miller indices; the geometry before them is float64 always.
    Differentiable in every tensor of the experiment. Raises ExperimentError for an impossible experiment.
    """
    experiment = drawn(experiment)
    tensors = tensors_of(experiment)
    if any(map(is_mapped, tensors)):  # torch.vmap wants one image for each of its batch

        def at(tensors: Sequence[torch.Tensor]) -> Simulation:
            return Simulation(with_tensors(experiment, tensors), device, dtype)

        return checkpointing.image(at, progress, image_dtype, tensors)
    return Simulation(experiment, device, dtype).image(progress, image_dtype)
