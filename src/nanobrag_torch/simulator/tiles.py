"""A tile, the pixels that are computed at once, and the explanation of how an image and its derivatives are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")
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


def in_order(function: Callable[[Part], Result], arguments: Iterable[Part], threads: int) -> Iterator[Result]:
    """function(a) for each a, computed on `threads` threads of one torch thread each, yielded in order."""
    inference = torch.is_inference_mode_enabled()  # a thread begins without it

    def worked_out(argument: Part) -> Result:
        with torch.inference_mode(inference):
            return function(argument)

    torch.set_num_threads(1)  # here too: torch's own threads would go on waiting for work beside them
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            waiting: deque[Future[Result]] = deque()
            try:
                for argument in arguments:
                    waiting.append(pool.submit(worked_out, argument))
                    if len(waiting) > 2 * threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
    finally:
        torch.set_num_threads(threads)
