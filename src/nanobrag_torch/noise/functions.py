"""Logarithm, exponential and normal quantile of float64 tensors from exactly rounded operations.

The libraries of two devices differ in the last bits of such functions; these do not, and are good to a few units in
the last place. `noise.c` has the same operations in the same order. No number divides a tensor here, nor a tensor a
number: on a GPU torch multiplies by the reciprocal then, which is another number.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

LN_2, PER_LN_2 = 0.6931471805599453, 1.4426950408889634
_SQRT_2 = 1.4142135623730951
_EXPONENT_BIAS, _FRACTION_BITS = 1023, 52
_FRACTION = (1 << _FRACTION_BITS) - 1
ODD_RECIPROCALS = tuple(1.0 / (2 * n + 1) for n in range(12))
EXPONENTIAL = tuple(1.0 / f for f in (1, 1, 2, 6, 24, 120, 720, 5040, 40320, 362880, 3628800, 39916800, 479001600))
# Wichura (1988), Algorithm AS 241, PPND16: numerators and denominators, constant term first
CENTRAL = (
    (
        *(3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4),
        *(4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    ),
    (
        *(1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3),
        *(2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
    ),
)
MIDDLE = (
    (
        *(1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0),
        *(1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    ),
    (
        *(1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1),
        *(1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
    ),
)
TAIL = (
    (
        *(6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1),
        *(2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    ),
    (
        *(1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2),
        *(7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
    ),
)


def polynomial(x: torch.Tensor, coefficients: Sequence[float]) -> torch.Tensor:
    """By Horner's rule; the constant term is the first."""
    total = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


def log(x: torch.Tensor) -> torch.Tensor:
    """Natural logarithm of normal numbers above 0: exponent, and artanh of the fraction by its series."""
    bits = x.view(torch.int64)
    exponent = ((bits >> _FRACTION_BITS) - _EXPONENT_BIAS).double()
    fraction = ((bits & _FRACTION) | (_EXPONENT_BIAS << _FRACTION_BITS)).view(torch.float64)
    upper = fraction > _SQRT_2
    fraction = torch.where(upper, fraction * 0.5, fraction)
    exponent = torch.where(upper, exponent + 1.0, exponent)
    t = (fraction - 1.0) / (fraction + 1.0)
    return exponent * LN_2 + 2.0 * t * polynomial(t * t, ODD_RECIPROCALS)


def exp_of_minus(x: torch.Tensor) -> torch.Tensor:
    """exp(-x) for 0 <= x < 700."""
    power = torch.floor(x * PER_LN_2 + 0.5)
    scale = ((_EXPONENT_BIAS - power.long()) << _FRACTION_BITS).view(torch.float64)
    return polynomial(power * LN_2 - x, EXPONENTIAL) * scale


def normal_quantile(u: torch.Tensor) -> torch.Tensor:
    """The number below which a standard normal deviate stays with probability u, 0 < u < 1."""
    q = u - 0.5
    central = q * _ratio(0.180625 - q * q, CENTRAL)
    nearer = torch.where(q < 0.0, u, 1.0 - u)
    r = torch.sqrt(-log(nearer))
    outer = torch.where(r <= 5.0, _ratio(r - 1.6, MIDDLE), _ratio(r - 5.0, TAIL))
    return torch.where(q.abs() <= 0.425, central, torch.where(q < 0.0, -outer, outer))


def _ratio(x: torch.Tensor, pair: tuple[Sequence[float], Sequence[float]]) -> torch.Tensor:
    return polynomial(x, pair[0]) / polynomial(x, pair[1])
