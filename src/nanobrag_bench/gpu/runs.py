"""Simulations behind the checks and times: a command line on a device, by eager or compiled code; and how many of them.

Torch is imported when something runs, so that the command line of `gpu-check` answers at once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

MODES = {"eager": "never", "compiled": "always"}


class Extent(NamedTuple):
    """How much is run: pixels along an edge and frames; how many of the checked command lines and golden cases."""

    checked: int = 96
    lines: int | None = None
    cases: int | None = None
    times: tuple[int, ...] = (1024, 2048)
    supervisor: int = 2500
    frame: int = 512
    frames: int = 256
    usual: int = 16  # frames of a launch in a campaign on a GPU
    per_launch: tuple[int, ...] = (1, 4, 64)
    domains: int = 50
    types: tuple[str, ...] = ("float32", "float64")


FULL = Extent()
QUICK = Extent(
    checked=24, lines=1, cases=1, times=(48,), supervisor=50, frame=32, frames=8, usual=4, per_launch=(1,), domains=2
)


class Plan(NamedTuple):
    """What a part of the check needs to know."""

    device: str
    repeats: int
    extent: Extent
    golden: Path | None = None  # folder of the golden cases

    @property
    def dtypes(self) -> list[Any]:
        """The types of torch that are run."""
        import torch

        return [getattr(torch, name) for name in self.extent.types]


def parsed(line: str) -> Any:
    """The experiment of a command line."""
    from nanobrag_torch.cli import parse

    return parse(line.split()).experiment


def set_mode(mode: str) -> None:
    """Eager or compiled code for the images and derivatives that follow."""
    os.environ["NANOBRAG_TORCH_COMPILE"] = MODES[mode]


def simulation_of(line: str, device: str, dtype: Any, mode: str) -> Any:
    """The simulation of a command line."""
    from nanobrag_torch.simulator import Simulation

    set_mode(mode)
    return Simulation(parsed(line), device, dtype)


def name_of(dtype: Any) -> str:
    """float32 or float64."""
    return str(dtype).removeprefix("torch.")
