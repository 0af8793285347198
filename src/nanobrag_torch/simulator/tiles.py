"""A tile, the pixels that are computed at once, and the explanation of how an image and its derivatives are made."""

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

    @property
    def pixels(self) -> int:
        """How many pixels."""
        return self.fast.shape[0]

    def pixel(self, number: int) -> tuple[int, int]:
        """(fast, slow) of one of them."""
        return int(self.fast[number]), int(self.slow[number])

    def of(self, image: torch.Tensor) -> torch.Tensor:
        """Their values in an image (slow, fast)."""
        return image.view(-1)[self.where]


class Explanation(NamedTuple):
    """Which code makes the image and its derivatives, each with the reason."""

    image: str
    derivative: str

    def __str__(self) -> str:
        return f"image: {self.image}\nderivative: {self.derivative}"
