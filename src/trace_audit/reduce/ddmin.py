"""Delta debugging: the smallest part of a list that still fails (Zeller and Hildebrandt, 2002)."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def ddmin(units: Sequence[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """The units, in order, that are all needed for the failure: without any one of them it disappears.

    `fails(units)` is assumed; only smaller parts are tested, the same part never twice.
    """
    known: dict[tuple[int, ...], bool] = {}

    def test(part: Sequence[int]) -> bool:
        if tuple(part) not in known:
            known[tuple(part)] = fails([units[index] for index in part])
        return known[tuple(part)]

    left = list(range(len(units)))
    pieces = 2
    if left and test(()):
        return []
    while len(left) >= 2:
        chunks = _chunks(left, pieces)
        kept = next((chunk for chunk in chunks if len(chunk) < len(left) and test(chunk)), None)
        if kept is not None:
            left, pieces = kept, 2
            continue
        rests = ([index for index in left if index not in chunk] for chunk in chunks)
        kept = next((rest for rest in rests if rest and test(rest)), None)
        if kept is not None:
            left, pieces = kept, max(pieces - 1, 2)
        elif pieces < len(left):
            pieces = min(2 * pieces, len(left))
        else:
            break
    return [units[index] for index in left]


def _chunks(indices: list[int], pieces: int) -> list[list[int]]:
    bounds = [len(indices) * number // pieces for number in range(pieces + 1)]
    return [indices[low:high] for low, high in zip(bounds, bounds[1:], strict=False) if low < high]
