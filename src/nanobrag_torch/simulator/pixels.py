"""Which pixels of the detector are computed, and how they are divided into tiles and regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from nanobrag_torch.backends.compiled.region import Region
from nanobrag_torch.parameters import Detector
from nanobrag_torch.simulator import masks
from nanobrag_torch.simulator.tiles import Tile

_KEPT_PIXELS = 1 << 24  # whose lists take 128 MiB


class Pixels:
    """The pixels of one detector that are computed: those of its region of interest that no mask hides."""

    def __init__(self, detector: Detector, n_fast: int, n_slow: int, device: torch.device):
        """`detector` states the region of interest and the mask; the number of pixels may follow from other fields."""
        self.n_fast, self.device, self.mask = n_fast, device, detector.mask
        x_min, x_max, y_min, y_max = detector.roi or (-1, -1, -1, -1)
        self.roi = (
            max(x_min, 0),
            n_fast - 1 if x_max < 0 else min(x_max, n_fast - 1),
            max(y_min, 0),
            n_slow - 1 if y_max < 0 else min(y_max, n_slow - 1),
        )
        self._tiles: dict[int, list[Tile]] = {}  # by the pixels of each

    @property
    def count(self) -> int:
        """Pixels of the region of interest, masked or not."""
        x_min, x_max, y_min, y_max = self.roi
        return max(0, x_max - x_min + 1) * max(0, y_max - y_min + 1)

    def cover(self, slow: int, fast: int) -> bool:
        """Whether a pixel is computed: on the detector, in the region of interest, not masked."""
        x_min, x_max, y_min, y_max = self.roi
        if not (x_min <= fast <= x_max and y_min <= slow <= y_max):
            return False
        return self.mask is None or bool(self.mask[slow, fast])

    def tiles(self, pixels: int) -> Iterable[Tile]:
        """Tiles of up to that many pixels, whole rows where a row is no longer, in storage order.

        On a GPU they stay: lists of pixels take longer to make there than a small image.
        """
        if self.device.type == "cpu" or self.count > _KEPT_PIXELS:
            return self._new_tiles(pixels)
        if pixels not in self._tiles:
            self._tiles.clear()
            self._tiles[pixels] = list(self._new_tiles(pixels))
        return self._tiles[pixels]

    def regions(self, pixels: int) -> list[Region] | None:
        """Rectangles of whole rows, of up to that many pixels but at least one row, in storage order.

        None where a mask leaves so many pixels out that lists of the others are less work.
        """
        x_min, x_max, y_min, y_max = self.roi
        width = x_max - x_min + 1
        if width <= 0:
            return None
        masked: tuple[Any, ...] = ()
        if self.mask is not None:
            there = masks.on_device(self.mask, self.roi, self.device)
            if there is None:
                return None
            masked = there.mask, (there.visible % self.n_fast, there.visible // self.n_fast)
        rows = max(1, pixels // width)
        return [
            Region(x_min, first, width, min(rows, y_max + 1 - first), self.n_fast, *masked)
            for first in range(y_min, y_max + 1, rows)
        ]

    def numbered(self, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(fast, slow) of the pixels of the region of interest, counted in storage order."""
        x_min, x_max, y_min, _ = self.roi
        row = numbers.div(x_max - x_min + 1, rounding_mode="floor")
        return x_min + (numbers - row * (x_max - x_min + 1)), y_min + row

    def in_line(self, fast: torch.Tensor, slow: torch.Tensor) -> torch.Tensor:
        """Where pixels are in the image taken as one line."""
        return slow.long() * self.n_fast + fast

    def _new_tiles(self, pixels: int) -> Iterator[Tile]:
        x_min, x_max, y_min, y_max = self.roi
        width = max(0, x_max - x_min + 1)
        rows = min(pixels // width, y_max - y_min + 1) if 0 < width <= pixels else 0
        if not rows or self.mask is not None:
            yield from self._scattered_tiles(pixels)
            return
        fast = torch.arange(x_min, x_max + 1, dtype=torch.int32, device=self.device).repeat(rows)
        row = torch.arange(rows, dtype=torch.int32, device=self.device).repeat_interleave(width)
        for first in range(y_min, y_max + 1, rows):
            count = min(rows, y_max + 1 - first) * width
            columns_and_rows = fast[:count], row[:count] + first
            whole = slice(first * width, first * width + count)
            yield Tile(*columns_and_rows, whole if width == self.n_fast else self.in_line(*columns_and_rows))

    def _scattered_tiles(self, pixels: int) -> Iterator[Tile]:
        """Tiles of that many pixels wherever they begin and end, without those that are masked."""
        for first in range(0, self.count, pixels):
            fast, slow = self.numbered(torch.arange(first, min(first + pixels, self.count), device=self.device))
            if self.mask is not None:
                computed = self.mask.to(self.device)[slow, fast]
                fast, slow = fast[computed], slow[computed]
            if fast.shape[0]:
                yield Tile(fast, slow, self.in_line(fast, slow))
