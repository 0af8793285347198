"""Photons of pixels and their derivatives by a few parameters: compiled where that pays, else by eager code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence

import torch

from nanobrag_torch import integrate, nests
from nanobrag_torch.backends import eager
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.compiled import selection
from nanobrag_torch.backends.compiled.tangent import Directions, TangentBackend
from nanobrag_torch.model import Model

Make = Callable[[Iterable[torch.Tensor]], Model]  # the model at parameter values, 0-d each, differentiable in them
_PROBED = 16  # pixels at which compiled derivatives are compared with eager ones
COMPILED = "compiled: it pays, and gives the kernel's numbers"


def jacobian(
    make: Make, values: torch.Tensor, fast: torch.Tensor, slow: torch.Tensor, amplitudes: Sequence[int] = ()
) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Photons (pixels,), their derivatives (pixels, parameters), and what made those, and why.

    `amplitudes`: which of the values are amplitudes that are looked up in a table.
    """
    with torch.no_grad():
        model = make(values)
    why = selection.why_not_changed(model, fast.shape[0], values.shape[0])
    if why is None:
        try:
            return *_compiled(make, values, fast, slow, amplitudes), COMPILED
        except Exception as error:  # a failing compiler does not prevent the refinement
            why = f"compiled derivatives are not used: {' '.join(str(error).split())[:200]}"
            if selection.NOT_BUILT not in why:
                selection.tell(why)
    return *_eager(make, values, fast, slow), f"eager: {why}"


def directions_of(make: Make, values: torch.Tensor) -> Directions:
    """The model, and how its tensors move with each of the values."""
    with torch.enable_grad():
        model = make(values.detach().requires_grad_())
    leaves = list(nests.leaves(model))
    positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    if any(leaf is model.amplitudes.padded for leaf in (leaves[i] for i in positions)):
        raise ValueError("a table of amplitudes moves, of which compiled code takes chosen elements alone")

    def moving(at: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values = list(nests.leaves(make(at)))
        return tuple(values[position] for position in positions)

    return Directions(model, positions, _forward(moving, values) if positions else ())


def _compiled(
    make: Make, values: torch.Tensor, fast: torch.Tensor, slow: torch.Tensor, amplitudes: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    smooth_parameters = [index for index in range(values.shape[0]) if index not in amplitudes]

    def by_others(at: Iterable[torch.Tensor]) -> Model:
        moving = dict(zip(smooth_parameters, at, strict=True))
        return make([moving.get(index, value) for index, value in enumerate(values)])

    directions = directions_of(by_others if amplitudes else make, values[smooth_parameters])
    if not (directions.count or amplitudes):
        raise ValueError("nothing that is simulated depends on the parameters")
    probe = torch.linspace(0, fast.shape[0] - 1, min(_PROBED, fast.shape[0]), dtype=torch.float64).long()
    probe = probe.to(fast.device)

    def derivatives(
        backend: TangentBackend, fast: torch.Tensor, slow: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        columns = values.new_zeros(fast.shape[0], values.shape[0])
        if directions.count:
            photons, columns[:, smooth_parameters] = _by_directions(backend, fast, slow)
        else:
            photons = _photons(backend.plain(directions.model), directions.model, fast, slow)
        for index in amplitudes:
            columns[:, index] = _by_amplitude(make, values, index, backend, fast, slow)
        return photons, columns

    def check(backend: TangentBackend) -> float:
        got = derivatives(backend, fast[probe], slow[probe])[1]
        photons, expected = _eager(make, values, fast[probe], slow[probe])
        largest = expected.abs().amax(0)
        if amplitudes:  # a difference is as accurate as the images, also where the reflection is not in these pixels
            least = photons.abs().amax() / _step(make, values)
            largest[list(amplitudes)] = largest[list(amplitudes)].clamp(min=float(least))
        return float(((got - expected).abs().amax(0) / torch.where(largest > 0, largest, 1.0)).max())

    return derivatives(selection.tangent_backend(directions, fast.shape[0], check), fast, slow)


def _by_directions(
    backend: TangentBackend, fast: torch.Tensor, slow: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Photons (pixels,), and their changes along the directions (pixels, directions)."""
    tiles = zip(fast.split(backend.pixels), slow.split(backend.pixels), strict=True)
    photons, columns = zip(*(backend.jacobian(*tile) for tile in tiles), strict=True)
    return torch.cat(photons), torch.cat(columns)


def _photons(backend: Backend, model: Model, fast: torch.Tensor, slow: torch.Tensor) -> torch.Tensor:
    tiles = zip(fast.split(backend.pixels), slow.split(backend.pixels), strict=True)
    with torch.no_grad():
        return torch.cat([integrate.photons(model, *tile, backend, torch.float64) for tile in tiles])


def _by_amplitude(
    make: Make, values: torch.Tensor, index: int, backend: TangentBackend, fast: torch.Tensor, slow: torch.Tensor
) -> torch.Tensor:
    """Derivative of the photons (pixels,) by an amplitude of a table.

    Photons are a polynomial of the second degree in it, so the difference of two images, as far below as above, is the
    derivative itself, whatever the distance.
    """

    def at(value: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            model = make(values.index_fill(0, torch.tensor(index, device=values.device), float(value)))
        return _photons(backend.plain(model), model, fast, slow)

    step = _step(make, values)
    return (at(values[index] + step) - at(values[index] - step)) / (2 * step)


def _step(make: Make, values: torch.Tensor) -> float:
    """The size of the amplitudes of the table."""
    table = make(values).amplitudes.padded
    assert table is not None  # an amplitude that is looked up is in it
    return float(table.detach().square().mean().sqrt()) or 1.0


def _eager(
    make: Make, values: torch.Tensor, fast: torch.Tensor, slow: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    def twice(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        model = make(x)
        step = eager.EagerBackend(model).pixels
        tiles = zip(fast.split(step), slow.split(step), strict=True)
        photons = torch.cat([integrate.integrate(model, *tile).photons for tile in tiles])
        return photons, photons

    columns, photons = _forward(twice, values, has_aux=True)
    return photons.detach(), columns.detach()


def _forward(function: Callable[..., object], values: torch.Tensor, has_aux: bool = False) -> tuple[torch.Tensor, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own rules use its deprecated script compiler
        derivatives: tuple[torch.Tensor, ...] = torch.func.jacfwd(function, has_aux=has_aux)(values)
    return derivatives
