"""Unit vectors of a detector before any rotation: from its convention, or as stated. Section 6 of docs/physics.md.

(6.4)  O = unit(F x S) where |O| is not exactly 1 with normal_exact_length;  where no O is given without
       its sign so that b.O > 0 without normal_by_handedness
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch

from nanobrag_torch.hooks import Hook, watched
from nanobrag_torch.parameters import Convention, Detector
from nanobrag_torch.parameters.conventions import CONVENTIONS
from nanobrag_torch.physics.tensors import Array, cross, dot, exact_unit, number, vector

if TYPE_CHECKING:
    from jaxtyping import Float


class Basis(NamedTuple):
    """Unit vectors of beam, detector and axes before any rotation."""

    beam: Float[Array, "3"]
    fast: Float[Array, "3"]
    slow: Float[Array, "3"]
    normal: Float[Array, "3"]
    twotheta: Float[Array, "3"]
    polar: Float[Array, "3"]
    spindle: Float[Array, "3"]


def basis(detector: Detector, defects: frozenset[str], device: torch.device | None, hook: Hook | None = None) -> Basis:
    """Vectors of the convention, or in CUSTOM those given, normalised.

    A detector normal whose length is not exactly 1 gives way to unit(F x S); with the defect `normal_exact_length` off
    it does so only where no normal was given. Its sign points it downstream, unless by the defect
    `normal_by_handedness`. Numbers of a convention are worked out once.
    """
    if device is None and hook is None and detector.convention != "CUSTOM":
        return _of_convention(detector.convention, defects)
    return _basis(detector, defects, device, hook)


@lru_cache(maxsize=64)
def _of_convention(convention: Convention, defects: frozenset[str]) -> Basis:
    return _basis(Detector(convention=convention), defects, None, None)


def _basis(detector: Detector, defects: frozenset[str], device: torch.device | None, hook: Hook | None) -> Basis:
    table = CONVENTIONS[detector.convention]

    def choose(name: str) -> Array:
        chosen = getattr(detector, name) if detector.convention == "CUSTOM" else None
        return vector(getattr(table, name) if chosen is None else chosen, device)

    fast = watched(hook, "initial_fdet", exact_unit(choose("fdet_vector")))
    slow = watched(hook, "initial_sdet", exact_unit(choose("sdet_vector")))
    beam = watched(hook, "beam_vector", exact_unit(choose("beam_vector")))
    normal = detector_normal(detector, fast, slow, choose("odet_vector"), beam, defects)
    normal = watched(hook, "initial_odet", normal)
    twotheta = choose("twotheta_axis")
    if "axis_not_normalised" not in defects:
        twotheta = exact_unit(twotheta)
    twotheta = watched(hook, "twotheta_axis", twotheta)
    polar = watched(hook, "polar_vector", exact_unit(choose("polar_vector")))
    spindle = watched(hook, "spindle_axis", exact_unit(choose("spindle_axis")))
    return Basis(beam, fast, slow, normal, twotheta, polar, spindle)


def detector_normal(
    detector: Detector,
    fast: Float[Array, "3"],
    slow: Float[Array, "3"],
    stated: Float[Array, "3"],
    beam: Float[Array, "3"],
    defects: frozenset[str],
) -> Float[Array, "3"]:
    """The stated normal, or that of F and S: see `basis` (6.4)."""
    product = exact_unit(cross(fast, slow))
    if "normal_by_handedness" not in defects and dot(product, beam) < 0:
        product = -product
    if "normal_exact_length" in defects or detector.convention != "CUSTOM":
        return stated if _plain_length(stated) == 1.0 else product
    return product if detector.odet_vector is None else exact_unit(stated)


def _plain_length(v: Array) -> float:
    x, y, z = map(number, v)
    return math.sqrt(x * x + y * y + z * z)
