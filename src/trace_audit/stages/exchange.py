"""The exchange of values with a visitor, in the units of the trace."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from nanobrag_torch.hooks import Place
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Context, Value

Visit = Callable[[str, Context, list[Value]], Sequence[Value] | None]

WHOLE, FIRST = Context(), Context(block=0)


class Exchange:
    """The visitor, and the replacement of a tensor, or of a part, by the visitor's values."""

    def __init__(self, visit: Visit):
        self.visit = visit
        self.domains = 1

    def ask(self, key: str, context: Context, values: list[float]) -> Sequence[Value] | None:
        """The visitor's answer for one key; whole numbers stay whole."""
        integer = registry()[key].kind == "integer"
        return self.visit(key, context, [int(v) for v in values] if integer else list(values))

    def swap(self, value: torch.Tensor, key: str, context: Context = WHOLE, scale: float = 1.0) -> torch.Tensor:
        """Treat `value` as one key; `scale` converts it to the unit of the trace."""
        new = self.ask(key, context, (value.detach().double() * scale).reshape(-1).tolist())
        if new is None:
            return value
        numbers = torch.tensor([float(v) for v in new], dtype=torch.float64, device=value.device) / scale
        return numbers.to(value.dtype).view(value.shape)

    def swap_part(
        self, value: torch.Tensor, where: Any, key: str, context: Context, scale: float = 1.0
    ) -> torch.Tensor:
        """Treat a part of a tensor as one key."""
        old = value[where]
        new = self.swap(old, key, context, scale)
        if new is old:
            return value
        value = value.clone()
        value[where] = new
        return value

    def swap_rays(self, value: torch.Tensor, key: str, place: Place) -> torch.Tensor:
        """Exchange a tensor whose last dimension runs over the rays, one per block."""
        for ray in range(value.shape[-1]):
            value = self.swap_part(value, (..., ray), key, Context(block=place.sample + ray))
        return value

    def orientations(self, value: torch.Tensor, place: Place) -> Iterator[tuple[tuple[Any, ...], Context]]:
        """Places (.., orientation, ray) of a tensor, with the context of the term that each belongs to."""
        for row in range(value.shape[-2]):
            step, domain = divmod(place.orientation + row, self.domains)
            for ray in range(value.shape[-1]):
                yield (..., row, ray), Context(place.sample + ray, place.source, step, domain)

    def swap_terms(
        self,
        value: torch.Tensor,
        place: Place,
        first_key: str,
        phi_key: str,
        term_key: str,
        phi_part: tuple[int, ...] = (),
    ) -> torch.Tensor:
        """A tensor printed for the first orientation, each phi step and each term (empty name: not printed)."""
        for where, term in self.orientations(value, place):
            sample = term.source == 0 and term.mosaic_domain == 0
            if sample and term.phi_tic == 0 and first_key:
                value = self.swap_part(value, where, first_key, Context(block=term.block))
            if sample and phi_key:
                context = Context(block=term.block, phi_tic=term.phi_tic)
                value = self.swap_part(value, (*phi_part, *where[1:]) if phi_part else where, phi_key, context)
            if term_key:
                value = self.swap_part(value, where, term_key, term)
        return value
