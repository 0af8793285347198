"""A tile: the pixels that are computed at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

Progress = Callable[[int, int], None]  # pixels done, pixels in all


class Tile(NamedTuple):
    """Some of the pixels that are computed, and where they are in the image taken as one line."""

    fast: torch.Tensor
    slow: torch.Tensor
    where: torch.Tensor | slice
