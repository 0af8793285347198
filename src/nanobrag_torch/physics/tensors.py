"""Numbers of an experiment in float64, and the small arithmetic of the set-up, without cutting a gradient.

An operation of torch on three numbers takes ten times as long as one of numpy, so the set-up takes either. What a
derivative is wanted by is a tensor, and so is all that is worked out from it (`alike` sees to that where the two
meet). Everything else is a number or an array of numpy, on which the same formulas do the same operations in the same
order: the bytes are the same. `Array` is either; a checker of types takes it for a tensor. With a `device` everything
is a tensor there. An experiment that holds `Sloped` numbers (`nanobrag_torch.physics.slopes`) goes through the same
formulas, which then give derivatives with the numbers. The notation of vectors is that of section 1 of docs/physics.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import torch

from nanobrag_torch.nests import mapped
from nanobrag_torch.parameters import number as number
from nanobrag_torch.parameters.tensors import is_differentiated
from nanobrag_torch.physics import slopes
from nanobrag_torch.physics.slopes import Sloped

GEOMETRY_DTYPE = torch.float64
HOST = torch.device("cpu")
_NEXT, _PREVIOUS = np.array([1, 2, 0]), np.array([2, 0, 1])
_OF_NUMPY = np.ndarray, np.float64
Part = TypeVar("Part")
if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    Array: TypeAlias = torch.Tensor
else:
    Array = torch.Tensor | np.ndarray | np.float64 | Sloped


def home(device: torch.device | None, *values: Any) -> torch.device | None:
    """Where tensors of these values belong: on the device, or the CPU if one is differentiated; else None: to numpy."""
    if device is None:
        for value in values:
            if isinstance(value, torch.Tensor) and is_differentiated(value):
                return HOST
    return device


def scalar(value: float | Float[Array, ""], device: torch.device | None = None) -> Float[Array, ""]:
    """A 0-d float64 tensor, which keeps its graph; without a device, and without a derivative, a number of numpy."""
    if isinstance(value, Sloped):
        return _plain(value)
    device = home(device, value)
    if device is not None:
        return torch.as_tensor(value, dtype=GEOMETRY_DTYPE, device=device)
    return _plain(np.float64(number(value)))


def vector(
    values: Sequence[float | Float[Array, ""]] | Float[torch.Tensor, "*shape"], device: torch.device | None = None
) -> Float[Array, "*shape"]:
    """A float64 tensor whose elements keep their graph; without a device or derivative an array of numpy.

    Numbers in a sequence become the elements of a vector; a tensor keeps its shape.
    """
    if isinstance(values, Sloped):
        return _plain(values)
    if isinstance(values, torch.Tensor):
        device = home(device, values)
        return _plain_of(values) if device is None else values.to(dtype=GEOMETRY_DTYPE, device=device)
    like = slopes.first_sloped(values)
    if like is not None:
        return _plain(slopes.stacked([v if isinstance(v, Sloped) else number(v) for v in values], like))
    device = home(device, *values)
    if device is None:
        return _plain(np.array([number(v) for v in values], dtype=np.float64))
    if not any(isinstance(v, torch.Tensor) for v in values):
        return torch.tensor([float(v) for v in values], dtype=GEOMETRY_DTYPE, device=device)
    return torch.stack([scalar(v, device) for v in values])


def matrix(values: Float[torch.Tensor, "*shape"], device: torch.device | None = None) -> Float[Array, "*shape"]:
    """A tensor in float64, or without a device or derivative its numbers in numpy."""
    return vector(values, device)


def _plain(value: Any) -> torch.Tensor:
    """Numbers of numpy, under the name that annotations have for both."""
    plain: torch.Tensor = value
    return plain


def _plain_of(tensor: torch.Tensor) -> torch.Tensor:
    return _plain(np.array(tensor.detach().tolist(), dtype=np.float64))  # one of torch.func's lends no memory to numpy


def as_tensor(value: float | Float[Array, "*shape"]) -> Float[torch.Tensor, "*shape"]:
    """Numbers of numpy as a tensor of their own; a tensor as it is."""
    return value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value, dtype=np.float64))


def underived(v: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The numbers alone, for decisions that no derivative follows."""
    return v.detach() if isinstance(v, torch.Tensor) else _plain(v.value if isinstance(v, Sloped) else v)


def as_tensors(part: Part) -> Part:
    """A nest with tensors for all numbers of numpy; their slopes stay behind."""
    return mapped(_leaf_as_tensor, part)


def _leaf_as_tensor(leaf: Any) -> Any:
    if isinstance(leaf, Sloped):
        leaf = leaf.value
    return as_tensor(_plain(leaf)) if isinstance(leaf, _OF_NUMPY) else leaf


def alike(*parts: Any) -> tuple[torch.Tensor, ...]:
    """The parts, all of them tensors if one is."""
    for part in parts:
        if isinstance(part, torch.Tensor):
            return tuple(map(as_tensor, parts))
    return parts


def stack(parts: Sequence[float | Float[Array, "*shape"]]) -> Float[Array, " parts *shape"]:
    """Parts of one shape along a new first dimension."""
    for part in parts:
        if isinstance(part, torch.Tensor):
            return torch.stack(list(map(as_tensor, parts)))
    like = slopes.first_sloped(parts)
    return _plain(np.array(parts) if like is None else slopes.stacked(parts, like))


def where(
    condition: Bool[Array, "*shape"] | np.bool_, value: float | Float[Array, ""], otherwise: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """`value` where the condition holds, else `otherwise`, for numbers and for arrays."""
    if isinstance(condition, torch.Tensor):
        return torch.where(condition, value, otherwise)
    like = slopes.first_sloped((value, otherwise))
    if like is not None:
        return _plain(slopes.chosen(condition, value, otherwise, like))
    if isinstance(condition, np.bool_):
        return _plain(value if condition else otherwise)
    return _plain(np.where(condition, value, otherwise))


def spread(v: Float[Array, "*shape"], shape: Sequence[int]) -> Float[Array, "*larger"]:
    """The same numbers, repeated over a larger `shape`."""
    if isinstance(v, Sloped):
        return _plain(slopes.spread_over(v, shape))
    return v.expand(*shape) if isinstance(v, torch.Tensor) else np.broadcast_to(v, shape)


def mean(v: Float[Array, " n"]) -> Float[Array, ""]:
    """The mean, with torch's order of additions."""
    if isinstance(v, Sloped):
        return _plain(Sloped(np.float64(mean(_plain(v.value))), v.slopes.mean(-1)))
    return v.mean() if isinstance(v, torch.Tensor) else _plain(np.float64(as_tensor(v).mean().item()))


def product(u: Float[Array, "3 3"], v: Float[Array, "3 3"]) -> Float[Array, "3 3"]:
    """The matrix product, with torch's order of additions; a tensor unless there are slopes."""
    like = slopes.first_sloped((u, v))
    if like is not None:
        return _plain(slopes.multiplied(u, v, like))
    return as_tensor(u) @ as_tensor(v)


def turned(
    matrices: Float[Array, "domains 3 3"], vectors: Float[Array, "steps 3 3"]
) -> Float[Array, "steps domains 3 3"]:
    """Each matrix times each row of the vectors, a tensor unless these have slopes."""
    if isinstance(vectors, Sloped):
        value = turned(matrices, _plain(vectors.value)).numpy()
        return _plain(slopes.contracted(as_tensor(matrices).numpy(), vectors, value))
    return torch.einsum("mxy,pvy->pmvx", as_tensor(matrices), as_tensor(vectors))


def following(v: Float[Array, "*vectors"], dimension: int = -1) -> Float[Array, "*vectors"]:
    """(y, z, x) of (x, y, z), along one dimension of length 3."""
    return v.roll(-1, dimension) if isinstance(v, torch.Tensor) else v.take(_NEXT, dimension)


def previous(v: Float[Array, "*vectors"], dimension: int = -1) -> Float[Array, "*vectors"]:
    """(z, x, y) of (x, y, z), along one dimension of length 3."""
    return v.roll(1, dimension) if isinstance(v, torch.Tensor) else v.take(_PREVIOUS, dimension)


def sine(angle_rad: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Sine with the value of the C library, from which torch's may differ in the last bit; the gradient is torch's."""
    return _valued(angle_rad, torch.sin, math.sin, lambda angle, _: np.cos(angle))


def cosine(angle_rad: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Cosine with the value of the C library; the gradient is torch's."""
    return _valued(angle_rad, torch.cos, math.cos, lambda angle, _: -np.sin(angle))


def square_root(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Square root correct to the last bit; torch's may not be, where a vector library computes it.

    Cell counts are rounded up from lengths, so the last bit counts. The gradient is torch's. The root of a negative
    number is not a number.
    """
    return _valued(x, torch.sqrt, _root, lambda _, root: 0.5 / root)


def _root(x: float) -> float:
    return math.sqrt(x) if x >= 0 else math.nan


def _valued(
    argument: torch.Tensor,
    by_torch: Callable[[torch.Tensor], torch.Tensor],
    function: Callable[[float], float],
    slope: Callable[[Any, Any], Any],
) -> torch.Tensor:
    """The function with the values of the C library and the gradient of torch; `slope` is of argument and value."""
    if isinstance(argument, Sloped):
        value = _valued(_plain(argument.value), by_torch, function, slope)
        return _plain(Sloped(value, argument.slopes * slope(argument.value, value)))
    if not isinstance(argument, torch.Tensor):
        if isinstance(argument, float):
            return _plain(np.float64(function(argument)))
        return _plain(np.array([function(x) for x in argument.ravel().tolist()]).reshape(argument.shape))
    result = by_torch(argument)
    if result.device.type == "meta":  # shapes alone, without values
        return result
    plain = [function(x) for x in argument.detach().reshape(-1).tolist()]
    if plain == result.detach().reshape(-1).tolist():
        return result
    exact = torch.tensor(plain, dtype=result.dtype, device=result.device).view(result.shape)
    return result + torch.where(exact == result.detach(), torch.zeros_like(exact), exact - result.detach())


def exact_norm(v: Float[Array, "*vectors 3"]) -> Float[Array, "*vectors"]:
    """|v|, correct to the last bit, for counts derived from it. Not used in the kernel."""
    return square_root(dot(v, v))


def unit(v: Float[torch.Tensor, "*vectors 3"]) -> Float[torch.Tensor, "*vectors 3"]:
    """v/|v|, the direction of each vector; a zero vector stays zero."""
    square = dot(v, v).unsqueeze(-1)
    return v / torch.where(square == 0, torch.ones_like(square), square).sqrt()


def exact_unit(v: Float[Array, "*vectors 3"]) -> Float[Array, "*vectors 3"]:
    """As `unit`, to the last bit. No part of a recorded kernel."""
    square = dot(v, v)
    return v / square_root(where(square == 0, 1.0, square))[..., None]


def dot(u: Float[Array, "*#vectors 3"], v: Float[Array, "*#vectors 3"]) -> Float[Array, "*vectors"]:
    """u.v, the scalar product over the last dimension, summed from x to z without fused operations.

    Step counts are rounded up from such numbers, so their last bit must be that of plain arithmetic.
    """
    if not isinstance(u, torch.Tensor) and not isinstance(v, torch.Tensor):
        product = u * v
        return product[..., 0] + product[..., 1] + product[..., 2]
    u, v = alike(u, v)
    x, y, z = (u * v).unbind(-1)
    return x + y + z


def along(v: Float[torch.Tensor, "3 *#rays"], rays: Float[torch.Tensor, "3 *#rays"]) -> Float[torch.Tensor, "*rays"]:
    """v.r for a vector v and component-first rays r: each ray's result depends on that ray alone.

    A matrix product or a reduction may add in another order for another number of rays, which would make an image
    depend on its tiles.
    """
    return v[0] * rays[0] + v[1] * rays[1] + v[2] * rays[2]


def length(rays: Float[torch.Tensor, " 3 *rays"]) -> Float[torch.Tensor, "*rays"]:
    """|r| of component-first vectors r, the same for each whatever their number."""
    return (rays[0] * rays[0] + rays[1] * rays[1] + rays[2] * rays[2]).sqrt()


def pairwise_sum(values: Float[torch.Tensor, " terms *columns"]) -> Float[torch.Tensor, "*columns"]:
    """Sum over the first dimension by halves: accurate, and the same for each column whatever their number.

    The last step is a sum of one row, which adds nothing. For a single row it is the only step, and compiled code turns
    it into a loop over that dimension.
    """
    while values.shape[0] > 1:
        half = values.shape[0] // 2
        folded = values[:half] + values[half : 2 * half]
        values = folded if values.shape[0] % 2 == 0 else torch.cat([folded, values[2 * half :]])
    return values.sum(0)


def cross(u: Float[Array, "*#vectors 3"], v: Float[Array, "*#vectors 3"]) -> Float[Array, "*vectors 3"]:
    """u x v, the vector product over the last dimension."""
    u, v = alike(u, v)
    return following(u) * previous(v) - previous(u) * following(v)
