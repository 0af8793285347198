"""From the units of the command line to those of `parameters`. Section 1 of docs/physics.md.

The order of the operations matters: it makes the doubles those of the C program.

(1.1)  lambda = 12398.42 / E                                              [A, E in eV]
"""

from __future__ import annotations

from nanobrag_torch.cli.tokens import Value
from nanobrag_torch.physics.constants import DEG_PER_RAD, HC_EV_A


def mm(value: Value) -> float:
    return float(value) / 1000.0


def um(value: Value) -> float:
    return float(value) * 1e-6


def deg(value: Value) -> float:
    return float(value) / DEG_PER_RAD


def mrad(value: Value) -> float:
    return float(value) / 1000.0


def percent(value: Value) -> float:
    return float(value) / 100.0


def spacing_A(value: Value) -> float:
    return float(value) * 1e-10


def wavelength_A(value: Value) -> float:
    return float(value) / 1e10


def energy_eV(value: Value) -> float:
    return HC_EV_A / float(value) / 1e10


def negative(value: Value) -> int:
    return -int(value)


# Functions that `convert` in flags.json names; the C program has functions of the same names.
CONVERSIONS = {
    function.__name__: function
    for function in (mm, um, deg, mrad, percent, spacing_A, wavelength_A, energy_eV, negative)
}
