"""Structure factor amplitudes: lookup at the nearest reflection, or tricubic interpolation.

Section 10 of docs/physics.md.

(10.1) F_cell = table(h0, k0, l0);  default_F outside the table
(10.2) F_cell = sum over i, j, k from -1 to 2 of w_i(x) w_j(y) w_k(z) table(H + i, K + j, L + k)
       H = floor(h), x = h - H;  K, y, L, z likewise
(10.3) w_-1(x) = -x (x - 1)(x - 2)/6,  w_0(x) = (x + 1)(x - 1)(x - 2)/2
       w_1(x) = -(x + 1) x (x - 2)/2,  w_2(x) = (x + 1) x (x - 1)/6
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from nanobrag_torch.parameters import Scalar, StructureFactors
from nanobrag_torch.parameters.tensors import is_differentiated
from nanobrag_torch.physics.tensors import GEOMETRY_DTYPE, along, number

if TYPE_CHECKING:
    from jaxtyping import Float

_STENCIL = (-1, 0, 1, 2)
_MARGIN = 2


class Amplitudes(NamedTuple):
    """The table with one plane of `default_F` around it, so that any index can be clamped into it.

    Without a table the first four are None: every amplitude is `default_F`.
    """

    padded: Float[torch.Tensor, "h k l"] | None  # electrons; h, k and l have 2 more than the table proper
    minimum: Float[torch.Tensor, "3"] | None  # smallest h, k, l of the table proper
    maximum: Float[torch.Tensor, "3"] | None
    strides: Float[torch.Tensor, "3"] | None
    default_F: Float[torch.Tensor, ""]  # electrons
    interpolate: bool

    @property
    def table(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor] | None:
        """Padded table, smallest and largest indices, and strides; None where there is no table."""
        if self.padded is None or self.minimum is None or self.maximum is None or self.strides is None:
            return None
        return self.padded, self.minimum, self.maximum, self.strides


def build(
    structure_factors: StructureFactors, interpolate: bool, dtype: torch.dtype, device: torch.device
) -> Amplitudes:
    """Bring the table to the device in `dtype` (float64 where it is interpolated)."""
    table = structure_factors.table
    dtype = GEOMETRY_DTYPE if interpolate else dtype
    default = torch.as_tensor(structure_factors.default_F, dtype=dtype, device=device)
    if table is None:
        return Amplitudes(None, None, None, None, default, False)
    n_h, n_k, n_l = table.F_electrons.shape
    padded = _kept_padded(table.F_electrons, default)
    low = torch.tensor([table.h_min, table.k_min, table.l_min], dtype=GEOMETRY_DTYPE, device=device)
    size = torch.tensor([n_h, n_k, n_l], dtype=GEOMETRY_DTYPE, device=device)
    strides = torch.tensor([(n_k + 2) * (n_l + 2), n_l + 2, 1], dtype=GEOMETRY_DTYPE, device=device)
    return Amplitudes(padded, low, low + size - 1, strides, default, interpolate)


_PADDED: MutableMapping[torch.Tensor, tuple[object, torch.Tensor]] = WeakTensorKeyDictionary()  # as last asked for
_MOST_KEPT = 1 << 25  # amplitudes: 256 MiB in float64


def _kept_padded(values: torch.Tensor, default: torch.Tensor) -> torch.Tensor:
    """The padded table, kept as long as the table of the user is there and as it was; not where it has a derivative."""
    if is_differentiated(values) or is_differentiated(default) or values.is_inference() or values.numel() > _MOST_KEPT:
        return _padded(values, default)
    key = (values._version, torch.is_inference_mode_enabled(), default.dtype, default.device, float(default))
    kept, padded = _PADDED.get(values, (None, default))
    if kept != key:
        padded = _padded(values.detach(), default.detach())
        _PADDED[values] = key, padded
    return padded


def _padded(values: torch.Tensor, default: torch.Tensor) -> torch.Tensor:
    n_h, n_k, n_l = values.shape
    padded = default.expand(n_h + 2, n_k + 2, n_l + 2).clone()
    padded[1:-1, 1:-1, 1:-1] = values.to(dtype=default.dtype, device=default.device)
    return padded


_ON_DEVICE: MutableMapping[torch.Tensor, tuple[object, torch.Tensor]] = WeakTensorKeyDictionary()


def on_device(padded: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The padded table on another device, kept there as long as it is kept here; nothing waits for its copy."""
    if padded.device.type == device.type:
        return padded
    kept, there = _ON_DEVICE.get(padded, (None, padded))
    if kept != device:
        waits = device.type == "cuda"
        there = (padded.pin_memory() if waits else padded).to(device, non_blocking=waits)
        _ON_DEVICE[padded] = device, there
    return there


def wants_interpolation(
    structure_factors: StructureFactors,
    n_cells_stated: Sequence[Scalar],
    n_cells_final: Sequence[Scalar],
    defects: frozenset[str],
) -> bool:
    """Whether amplitudes are interpolated: as stated, else if the crystal has two cells or fewer along any axis.

    With the defect `early_interpolation_choice` on, the stated cell counts decide, not those from the sample size.
    """
    if structure_factors.table is None:
        return False
    if structure_factors.interpolate is not None:
        return structure_factors.interpolate
    counts = n_cells_stated if "early_interpolation_choice" in defects else n_cells_final
    return any(number(n) <= 2 for n in counts)


def nearest(amplitudes: Amplitudes, rounded: Float[torch.Tensor, "3 orientations rays"]) -> Float[torch.Tensor, "..."]:
    """Amplitude at whole indices (3, orientations, rays); `default_F` outside the table (10.1)."""
    if amplitudes.table is None:
        return amplitudes.default_F
    padded, minimum, maximum, strides = amplitudes.table
    low, high = minimum.int() - 1, maximum.int() + 1
    whole = rounded.int()  # an index too large for the type, or NaN, becomes one beyond any table
    kind = torch.int32 if padded.numel() <= torch.iinfo(torch.int32).max else torch.int64
    index = torch.zeros((), dtype=kind, device=rounded.device)
    for axis in range(3):
        inside = torch.minimum(torch.maximum(whole[axis], low[axis]), high[axis])
        place = (inside - low[axis]).to(kind)
        index = index + (place * strides[axis].to(kind) if axis < 2 else place)  # the last stride is 1
    index = index.long().reshape(-1)
    return padded.reshape(-1).gather(0, index).view(rounded.shape[1:])


def interpolated(
    amplitudes: Amplitudes,
    hkl: Float[torch.Tensor, "3 orientations rays"],
    rounded: Float[torch.Tensor, "3 orientations rays"],
) -> Float[torch.Tensor, "..."]:
    """Tensor product of four-point cubic Lagrange polynomials through the 64 reflections around hkl (10.2).

    Where the neighbourhood leaves the table, the nearest reflection counts instead.
    """
    if amplitudes.table is None:
        return amplitudes.default_F
    padded, minimum, maximum, strides = amplitudes.table
    low, high = minimum.view(3, 1, 1), maximum.view(3, 1, 1)
    inside = ((hkl >= low + _MARGIN) & (hkl <= high - _MARGIN)).all(0)
    base = torch.where(inside, torch.floor(hkl.detach()), low + _MARGIN)
    weights = _lagrange_weights(torch.where(inside, hkl - base, torch.zeros_like(hkl)))
    origin = along(strides, base - low + 1).long()
    flat, steps = padded.reshape(-1), strides.long()
    first, last = torch.zeros_like(steps[0]), along(strides, maximum - minimum + 2).long()
    value: Scalar = 0.0
    for i, wh in zip(_STENCIL, weights, strict=True):
        plane: Scalar = 0.0
        for j, wk in zip(_STENCIL, weights, strict=True):
            line: Scalar = 0.0
            for k, wl in zip(_STENCIL, weights, strict=True):
                index = torch.minimum(torch.maximum(origin + (i * steps[0] + j * steps[1] + k), first), last)
                line = line + wl[2] * flat[index.reshape(-1)].view(inside.shape)
            plane = plane + wk[1] * line
        value = value + wh[0] * plane
    return torch.where(inside, value, nearest(amplitudes, rounded))


def _lagrange_weights(t: torch.Tensor) -> list[torch.Tensor]:
    """Weights of the nodes -1, 0, 1, 2 of the cubic through them, at t in [0, 1) (10.3)."""
    return [
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    ]
