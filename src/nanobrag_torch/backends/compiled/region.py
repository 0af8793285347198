"""Rectangles of pixels that a compiled program counts by itself, so that no list of pixels is made or read."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from nanobrag_torch import transfer

REGION = -0x7FFFFFFF  # stands before the numbers of a rectangle, where a list would begin with a pixel's number
_WARP = 32  # CUDA threads that run together
# How a program knows its pixels, for both languages; `dialects` defines what differs between them.
PIXELS = f"""
// Numbers of pixels from two lists, or counted in a rectangle: mark, first fast, first slow, width, pixels of a row;
// what is given as the second list is then a mask of the detector, a byte for each pixel, or nothing.
#define PIXELS(x, y, fast, slow) do {{ \\
    if (fast[0] != {REGION}) {{ LOAD(x, fast, x[0]); LOAD(y, slow, y[0]); }} \\
    else EACH {{ \\
        const int32_t place = PLACE(l), row = place / fast[3]; \\
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
// The same for a sum over pixels: a hidden one stands where one that is not hidden is, and what LOAD_SHOWN reads for it
// is 0. In a rectangle that reads from an image of the detector, else from a list.
#define LOAD_SHOWN(to, from, hidden, x, y, fast) do {{ \\
    if (fast[0] != {REGION}) LOAD(to, from, 0); \\
    else EACH to[l] = start + l < rays && !hidden[l] ? (from)[(int64_t)y[l] * fast[4] + x[l]] : 0; }} while (0)
"""
OTHERS_IN_C = """
static int shown_or_others(bool *hidden, int32_t *x, int32_t *y, const int32_t *fast, const int32_t *slow)
{
    const int some = shown(hidden, x, y, fast, slow);
    if (some == BLOCK || !some) return some;
    int other = 0;
    while (hidden[other]) other++;
    EACH if (hidden[l]) { x[l] = x[other]; y[l] = y[other]; }
    return some;
}
"""
OTHERS_IN_CUDA = f"""
ON_DEVICE int shown_or_others(bool *hidden, int32_t *x, int32_t *y, const int32_t *fast, const int32_t *slow)
{{
    const int some = shown(hidden, x, y, fast, slow);
    if (fast[0] != {REGION} || !slow) return 1;
    double place = some ? (double)y[0] * fast[4] + x[0] : -1;  // one that is not hidden, the same for the warp
    for (int step = {_WARP // 2}; step; step /= 2) {{
        const double other = __shfl_xor_sync(0xffffffffu, place, step);
        place = other > place ? other : place;
    }}
    if (place < 0) return 0;
    if (!some) {{
        y[0] = (int32_t)(place / fast[4]);
        x[0] = (int32_t)(place - (double)y[0] * fast[4]);
    }}
    return 1;
}}
"""


class Region(NamedTuple):
    """Whole rows of a rectangle of pixels, without those that a mask hides."""

    x_min: int
    y_min: int
    width: int
    rows: int
    n_fast: int  # pixels of a row of the detector
    mask: torch.Tensor | None = None  # (slow, fast) bool of the detector, where the program runs

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
        """What a program is given in place of lists of pixels: a mark with four numbers, and the mask or nothing."""
        numbers = _constants((REGION, self.x_min, self.y_min, self.width, self.n_fast), device)
        return numbers, _constants((), device) if self.mask is None else self.mask


@lru_cache(maxsize=256)
def _constants(numbers: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """A few numbers that stay on a device; nothing is ever written to them."""
    return transfer.moved(torch.tensor(numbers, dtype=torch.int32), device)
