"""Symmetry mates of reflections: which are the same reflection, and all of them in P1."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanobrag_torch.io.hkl import Reflections


def rotations(operations: Any) -> list[np.ndarray]:
    """The rotation (3, 3) of every symmetry operation of gemmi's, acting on the indices from the right."""
    return [np.array(operation.rot, dtype=np.int64) // operation.DEN for operation in operations.sym_ops]


def expand_to_P1(hkl: np.ndarray, amplitudes: np.ndarray, operations: Any) -> Reflections:
    """All symmetry mates and Friedel mates of reflections (n, 3), each once.

    |F(h R)| = |F(h)| for the rotation R of every symmetry operation, and |F(-h)| = |F(h)| without anomalous scattering.
    """
    turned = [hkl @ rotation for rotation in rotations(operations)]
    mates = [mate for each in turned for mate in (each, -each)]
    unique, first = np.unique(np.concatenate(mates), axis=0, return_index=True)
    return Reflections(unique, np.tile(amplitudes, len(mates))[first])


def representatives(hkl: np.ndarray, operations: Any, friedel: bool) -> np.ndarray:
    """One number (n,) for each reflection that all its symmetry mates share (and its Friedel mates, if `friedel`)."""
    base = 2 * int(np.abs(hkl).max(initial=0)) * 3 + 1  # a rotation adds up to three indices
    largest = np.full(len(hkl), np.iinfo(np.int64).min)
    for rotation in rotations(operations):
        turned = hkl @ rotation
        number = (turned[:, 0] * base + turned[:, 1]) * base + turned[:, 2]
        largest = np.maximum(largest, np.abs(number) if friedel else number)
    return largest


def count_distinct(hkl: np.ndarray) -> int:
    """How many of the indices (n, 3) differ."""
    if len(hkl) == 0:
        return 0
    low, high = hkl.min(axis=0), hkl.max(axis=0)
    extent = [int(size) for size in high - low + 1]
    if extent[0] * extent[1] * extent[2] >= 2**62:
        return len(np.unique(hkl, axis=0))
    h, k, l = (hkl - low).T
    numbers = np.sort((h * extent[1] + k) * extent[2] + l)  # np.unique would load numpy's masked arrays
    return 1 + int(np.count_nonzero(numbers[1:] != numbers[:-1]))
