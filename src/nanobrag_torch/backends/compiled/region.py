"""Rectangles of pixels that a compiled program counts by itself, so that no list of pixels is made or read."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from nanobrag_torch import transfer

REGION = -0x7FFFFFFF  # stands before the numbers of a rectangle, where a list would begin with a pixel's number


class Region(NamedTuple):
    """Whole rows of a rectangle of pixels, without those that a mask hides."""

    x_min: int
    y_min: int
    width: int
    rows: int
    n_fast: int  # pixels of a row of the detector
    mask: torch.Tensor | None = None  # (slow, fast) bool of the detector, where the program runs
    visible: tuple[int, int] = (0, 0)  # (fast, slow) of a pixel that it does not hide, if it leaves one

    @property
    def pixels(self) -> int:
        """How many pixels, hidden or not."""
        return self.width * self.rows

    def pixel(self, number: int) -> tuple[int, int]:
        """(fast, slow) of one of them, counted in storage order."""
        return self.x_min + number % self.width, self.y_min + number // self.width

    def of(self, image: torch.Tensor) -> torch.Tensor:
        """Its part of an image (slow, fast)."""
        return image[self.y_min : self.y_min + self.rows, self.x_min : self.x_min + self.width]

    def arguments(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """What a program is given in place of lists of pixels: a mark with six numbers, and the mask or nothing."""
        numbers = _constants((REGION, self.x_min, self.y_min, self.width, self.n_fast, *self.visible), device)
        return numbers, _constants((), device) if self.mask is None else self.mask


@lru_cache(maxsize=256)
def _constants(numbers: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """A few numbers that stay on a device; nothing is ever written to them."""
    return transfer.moved(torch.tensor(numbers, dtype=torch.int32), device)
