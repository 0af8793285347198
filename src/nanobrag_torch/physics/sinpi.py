"""sin(pi x) and cos(pi x) for |x| <= 1/2: most of the time of the lattice factor. Section 9 of docs/physics.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float

# sin(pi x)/x as a polynomial in x^2 on [-1/2, 1/2] with the smallest largest relative error (Remez exchange):
# 5.3e-9 for float32 and 1.4e-16 for float64, both below the rounding of the type.
_COEFFICIENTS = {
    torch.float32: (
        3.1415926368954117,
        -5.167709684799477,
        2.5500697263299963,
        -0.5982421263420936,
        0.07756038679079723,
    ),
    torch.float64: (
        3.1415926535897927,
        -5.167712780049753,
        2.5501640398597765,
        -0.599264528775711,
        0.08214587825656476,
        -0.00737036107174257,
        0.000465977617171053,
        -2.1122953126986152e-05,
    ),
}
# cos(pi x) as a polynomial in x^2 on [-1/2, 1/2] with the smallest largest error (Remez exchange): 4.7e-8 and 4e-18.
_COSINE = {
    torch.float32: (
        0.9999999530275123,
        -4.934792802489459,
        4.058410790762598,
        -1.331872972787485,
        0.21968242357537815,
    ),
    torch.float64: (
        1.0,
        -4.934802200544676,
        4.058712126416497,
        -1.335262768843447,
        0.23533063012953284,
        -0.025806888737002202,
        0.0019295562724817132,
        -0.00010456655338748738,
        4.149564353942586e-06,
    ),
}


def sinpi(x: Float[torch.Tensor, "*shape"]) -> Float[torch.Tensor, "*shape"]:
    """sin(pi x) of a pure number x in [-1/2, 1/2], float32 or float64: the sines of G (9.2).

    It is x times a polynomial in x^2, the same on every backend. The sines of torch and of the C library differ from
    each other in their last bit, and they look for a quadrant that is known here. Another type of number raises
    KeyError.
    """
    return x * _horner(x * x, _COEFFICIENTS[x.dtype])


def cospi(x: Float[torch.Tensor, "*shape"]) -> Float[torch.Tensor, "*shape"]:
    """cos(pi x) of a pure number x in [-1/2, 1/2], float32 or float64: a polynomial in x^2, for derivatives of (9.2).

    Another type of number raises KeyError.
    """
    return _horner(x * x, _COSINE[x.dtype])


def _horner(square: torch.Tensor, coefficients: tuple[float, ...]) -> torch.Tensor:
    value = square * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        value = value * square + coefficient
    return value
