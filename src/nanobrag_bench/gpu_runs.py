"""The runs behind the checks and times of a GPU: an image, or derivatives, of a command line on a device.

Torch is imported when something runs, so that the command line of `gpu-check` answers at once.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

MODES = {"eager": "never", "compiled": "always"}


def parsed(line: str) -> Any:
    from nanobrag_torch.cli import parse

    return parse(line.split()).experiment


def simulation_of(line: str, device: str, dtype: Any, mode: str) -> Any:
    from nanobrag_torch.simulator import Simulation

    os.environ["NANOBRAG_TORCH_COMPILE"] = MODES[mode]
    return Simulation(parsed(line), device, dtype)


def derivatives(line: str, device: str, dtype: Any, mode: str) -> list[float]:
    """Derivatives of a weighted sum of the image by cell edge, misset angle and distance."""
    return derivatives_and_path(line, device, dtype, mode)[0]


def derivatives_and_path(line: str, device: str, dtype: Any, mode: str) -> tuple[list[float], str]:
    """Those derivatives, and how they were computed."""
    import torch

    from nanobrag_torch.simulator import Simulation

    os.environ["NANOBRAG_TORCH_COMPILE"] = MODES[mode]
    experiment = parsed(line)
    leaves = [torch.tensor(float(value), dtype=torch.float64, requires_grad=True) for value in (0.0, 0.0)]
    xtal, panel = experiment.crystal, experiment.detector
    turned = torch.as_tensor(xtal.misset_deg, dtype=torch.float64) + torch.stack([leaves[0], leaves[0] * 0, leaves[0]])
    moved = torch.as_tensor(panel.distance_m, dtype=torch.float64) * (1.0 + leaves[1])
    experiment = replace(
        experiment, crystal=replace(xtal, misset_deg=turned), detector=replace(panel, distance_m=moved)
    )
    simulation = Simulation(experiment, device, dtype)
    image = simulation.image(image_dtype=torch.float64)
    weight = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64, device=image.device).view_as(image)
    gradients = torch.autograd.grad((image * weight).sum(), leaves)
    return torch.stack(gradients).tolist(), simulation.explain().derivative
