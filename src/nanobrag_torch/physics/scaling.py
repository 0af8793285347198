"""From the sum over all scatterers to photons in a pixel. Section 12 of docs/physics.md.

(12.3) photons = r_e^2 fluence I / steps cap polar omega
(12.4) water = 2.57^2 r_e^2 fluence W^3 1e6 N_A/18                        [photons/sr]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nanobrag_torch.physics.constants import (
    AVOGADRO_PER_MOL,
    WATER_AMPLITUDE_ELECTRONS,
    WATER_G_PER_M3,
    WATER_MOLAR_MASS_G,
)
from nanobrag_torch.physics.tensors import Array, alike

if TYPE_CHECKING:
    from jaxtyping import Float


def water_background(
    water_size_m: Float[Array, ""], fluence_photons_per_m2: Float[Array, ""], r_e_sqr_m2: float
) -> Float[Array, ""]:
    """Scattering of a cube of water: 2.57^2 r_e^2 fluence W^3 rho N_A / M, in photons / sr (12.4)."""
    water_size_m, fluence_photons_per_m2 = alike(water_size_m, fluence_photons_per_m2)
    molecules = water_size_m * water_size_m * water_size_m * WATER_G_PER_M3 * AVOGADRO_PER_MOL / WATER_MOLAR_MASS_G
    return WATER_AMPLITUDE_ELECTRONS**2 * r_e_sqr_m2 * fluence_photons_per_m2 * molecules


def photons(
    intensity: Float[Array, " pixels"],
    fluence_photons_per_m2: Float[Array, ""],
    steps: int,
    r_e_sqr_m2: float,
    factors: tuple[torch.Tensor, ...],
) -> Float[Array, " pixels"]:
    """r_e^2 fluence I / steps, times the factors that were not applied term by term (12.3)."""
    value = r_e_sqr_m2 * fluence_photons_per_m2 * intensity / steps
    for factor in factors:
        value = value * factor
    return value


def unscaled(
    photons_per_sr: Float[Array, ""],
    fluence_photons_per_m2: Float[Array, ""],
    steps: int,
    r_e_sqr_m2: float,
) -> Float[Array, ""]:
    """The intensity that `photons` turns into the given number: photons steps / (r_e^2 fluence)."""
    return photons_per_sr * steps / (r_e_sqr_m2 * fluence_photons_per_m2)
