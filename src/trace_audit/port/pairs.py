"""Which two changes may give the port's numbers together, from what each gives alone.

Small changes add up, and factors multiply: for each pair both predictions are compared with the port's numbers, and the
pairs that come nearest are tried first. No pair is named for a prediction: each is run.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

_MOVES = 1e-9
_SAME = 9  # digits in which the numbers of two changes are the same change
Item = TypeVar("Item")


def most_promising(
    singles: Sequence[tuple[Item, Sequence[float]]], base: Sequence[float], aim: Sequence[float], most: int
) -> list[tuple[Item, Item]]:
    """Up to `most` pairs of changes, the nearest prediction first. The numbers of each are beside those of `aim`.

    Changes that move nothing are left out, and of several that give the same numbers the first stands for all.
    """
    start, wanted = np.asarray(base, dtype=float), np.asarray(aim, dtype=float)
    if not start.size:
        return []
    size = np.maximum(np.maximum(np.abs(start), np.abs(wanted)), 1e-300)
    chosen: dict[bytes, tuple[Item, np.ndarray]] = {}
    for item, values in singles:
        numbers = np.asarray(values, dtype=float)
        if not np.isfinite(numbers).all() or (np.abs(numbers - start) <= _MOVES * size).all():
            continue
        chosen.setdefault(np.round(np.clip(numbers / size, -1e6, 1e6), _SAME).tobytes(), (item, numbers))
    items = [item for item, _ in chosen.values()]
    if len(items) < 2:
        return []
    moved = np.stack([numbers for _, numbers in chosen.values()])
    rows, columns = np.triu_indices(len(items), 1)
    apart = [_distance(moved, row, start, wanted, size) for row in range(len(items) - 1)]
    order = np.argsort(np.concatenate(apart), kind="stable")[:most]
    return [(items[rows[i]], items[columns[i]]) for i in order]


def _distance(moved: np.ndarray, row: int, start: np.ndarray, wanted: np.ndarray, size: np.ndarray) -> np.ndarray:
    """How far each pair of change `row` and a later one is from the aim, by the better of the two predictions."""
    first, later = moved[row], moved[row + 1 :]
    with np.errstate(all="ignore"):
        added = np.abs(first + later - start - wanted) / size
        multiplied = np.abs(np.where(start == 0, np.inf, first * later / start) - wanted) / size
        nearest = np.minimum(np.median(added, axis=1), np.median(multiplied, axis=1))
    return np.where(np.isfinite(nearest), nearest, np.inf)
