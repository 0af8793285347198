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
        return value if new is None else _like(value, new, scale)

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
        before = value
        for ray, old in enumerate(value.detach().double().reshape(-1, value.shape[-1]).T.tolist()):
            new = self.ask(key, Context(block=place.sample + ray), old)
            if new is not None:
                value = value.clone() if value is before else value
                value[..., ray] = _like(value[..., ray], new)
        return value

    def swap_terms(
        self,
        value: torch.Tensor,
        place: Place,
        first_key: str,
        phi_key: str,
        term_key: str,
        phi_part: tuple[int, ...] = (),
    ) -> torch.Tensor:
        """A tensor printed for the first orientation, each phi step and each term (empty name: not printed).

        All its numbers are read at once: to ask for each is what takes the time, most answers change nothing.
        """
        before, numbers = value, _numbers(value)
        for (row, ray), term in self._orientations(value, place):
            for key, context, part in self._names(term, first_key, phi_key, term_key, phi_part):
                old = numbers[row][ray]
                new = self.ask(key, context, [old[part[0]]] if part else old)
                if new is not None:
                    value = value.clone() if value is before else value
                    where = (*part, row, ray) if part else (..., row, ray)
                    value[where] = _like(value[where], new)
                    numbers[row][ray] = value[..., row, ray].detach().double().reshape(-1).tolist()
        return value

    def _orientations(self, value: torch.Tensor, place: Place) -> Iterator[tuple[tuple[int, int], Context]]:
        """(orientation, ray) of a tensor that ends with both, with the context of the term that each belongs to."""
        for row in range(value.shape[-2]):
            step, domain = divmod(place.orientation + row, self.domains)
            for ray in range(value.shape[-1]):
                yield (row, ray), Context(place.sample + ray, place.source, step, domain)

    @staticmethod
    def _names(
        term: Context, first_key: str, phi_key: str, term_key: str, phi_part: tuple[int, ...]
    ) -> Iterator[tuple[str, Context, tuple[int, ...]]]:
        """The keys that print a term's number, each with its context and its part of the number."""
        if term.source == 0 and term.mosaic_domain == 0:
            if term.phi_tic == 0 and first_key:
                yield first_key, Context(block=term.block), ()
            if phi_key:
                yield phi_key, Context(block=term.block, phi_tic=term.phi_tic), phi_part
        if term_key:
            yield term_key, term, ()


def _numbers(value: torch.Tensor) -> list[list[list[float]]]:
    """The numbers of a tensor (.., orientations, rays) by orientation and ray."""
    return value.detach().double().reshape(-1, *value.shape[-2:]).permute(1, 2, 0).tolist()


def _like(value: torch.Tensor, new: Sequence[Value], scale: float = 1.0) -> torch.Tensor:
    """Numbers in the unit of the trace as a tensor like `value`."""
    numbers = torch.tensor([float(v) for v in new], dtype=torch.float64, device=value.device) / scale
    return numbers.to(value.dtype).view(value.shape)
