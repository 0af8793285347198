"""From the units of the command line to those of `parameters`.

The order of the operations matters: it makes the doubles those of the C program.
"""

from __future__ import annotations

from nanobrag_torch.cli.tokens import Value
from nanobrag_torch.physics.constants import DEG_PER_RAD, HC_EV_A


def mm(value: Value) -> float:
    return float(value) / 1000.0


def micrometre(value: Value) -> float:
    return float(value) * 1e-6


def degree(value: Value) -> float:
    return float(value) / DEG_PER_RAD


def wavelength_from_A(value: Value) -> float:
    return float(value) / 1e10


def wavelength_from_eV(value: Value) -> float:
    return HC_EV_A / float(value) / 1e10


def same(value: Value) -> Value:
    return value


def negative(value: Value) -> int:
    return -int(value)


def spacing_from_A(value: Value) -> float:
    return float(value) * 1e-10


def mrad(value: Value) -> float:
    return float(value) / 1000.0


def fraction(value: Value) -> float:
    """From percent."""
    return float(value) / 100.0
