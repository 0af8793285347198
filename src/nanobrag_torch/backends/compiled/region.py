"""Rectangles of pixels that a compiled program counts by itself, so that no list of pixels is made or read."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from nanobrag_torch import transfer

REGION = -0x7FFFFFFF  # stands before the numbers of a rectangle, where a list would begin with a pixel's number
# Of C and CUDA.
PIXELS = f"""
// Numbers of pixels from two lists, or counted in a rectangle: mark, first fast, first slow, width, pixels of a row of
// the detector, fast and slow of a pixel that no mask hides; what is given as the second list is then a mask of the
// detector, a byte for each pixel, or nothing.
#define PIXELS(x, y, fast, slow) do {{ \\
    if (fast[0] != {REGION}) {{ LOAD(x, fast, x[0]); LOAD(y, slow, y[0]); }} \\
    else EACH {{ \\
        const int32_t place = PLACE(l), row = ROW(place, fast[3]); \\
        x[l] = fast[1] + (place - row * fast[3]); \\
        y[l] = fast[2] + row; }} }} while (0)
// which of them a mask hides, and how many it does not
ON_DEVICE int shown(bool *hidden, const int32_t *x, const int32_t *y, const int32_t *fast, const int32_t *slow)
{{
    const uint8_t *const mask = fast[0] == {REGION} ? (const uint8_t *)slow : 0;
    int some = 0;
    EACH {{ hidden[l] = mask && !mask[(int64_t)y[l] * fast[4] + x[l]]; some += !hidden[l]; }}
    return some;
}}
// What is given for each pixel: in a list, or as an image of the detector; 0 for one that is hidden or beyond the last.
#define OF_PIXELS(to, from, x, y, fast, hidden) EACH to[l] = l >= count || hidden[l] ? 0 : \
    (from)[fast[0] == {REGION} ? (int64_t)y[l] * fast[4] + x[l] : PLACE(l)]
// 0 times the derivatives of another pixel, which are numbers, are what a hidden one adds to a sum.
#define HIDE(x, y, fast, hidden) EACH if (hidden[l]) {{ x[l] = fast[5]; y[l] = fast[6]; }}
"""


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
