"""Where a watched pass is, and how values are exchanged at the border of a stage."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Context, Value

Visit = Callable[[str, Context, list[Value]], Sequence[Value] | None]
Wrapper = Callable[..., Any]

WHOLE, FIRST = Context(), Context(block=0)


class Exchange:
    """The visitor, the place of the pass, and the exchange of a tensor, or of a part, for what the visitor returns."""

    def __init__(self, visit: Visit):
        self.visit = visit
        self.blocks = [0]
        self.source = self.first = 0
        self.domains = 1
        self.pivot_terms = ""
        self.placed: set[str] = set()
        self.axes: tuple[torch.Tensor, torch.Tensor] | None = None
        self.weights = torch.ones(1)

    def ask(self, key: str, context: Context, values: list[float]) -> Sequence[Value] | None:
        integer = registry()[key].kind == "integer"
        return self.visit(key, context, [int(v) for v in values] if integer else list(values))

    def swap(self, value: torch.Tensor, key: str, context: Context = WHOLE, scale: float = 1.0) -> torch.Tensor:
        """`value` as a whole is one key; `scale` turns it into the unit of the trace."""
        new = self.ask(key, context, (value.detach().double() * scale).reshape(-1).tolist())
        if new is None:
            return value
        numbers = torch.tensor([float(v) for v in new], dtype=torch.float64, device=value.device) / scale
        return numbers.to(value.dtype).view(value.shape)

    def swap_part(self, value: torch.Tensor, place: Any, key: str, context: Context) -> torch.Tensor:
        """A part of a tensor is one key."""
        old = value[place]
        new = self.swap(old, key, context)
        if new is old:
            return value
        value = value.clone()
        value[place] = new
        return value

    def swap_rays(self, value: torch.Tensor, key: str) -> torch.Tensor:
        """The last dimension runs over the rays, one a block."""
        for ray, block in enumerate(self.blocks[: value.shape[-1]]):
            value = self.swap_part(value, (..., ray), key, Context(block=block))
        return value

    def orientations(self, value: torch.Tensor) -> Iterator[tuple[tuple[Any, ...], Context]]:
        """Places (.., orientation, ray) of a tensor, with the context of the term that each belongs to."""
        for row in range(value.shape[-2]):
            step, domain = divmod(self.first + row, self.domains)
            for ray, block in enumerate(self.blocks[: value.shape[-1]]):
                yield (..., row, ray), Context(block, self.source, step, domain)

    def swap_terms(
        self, value: torch.Tensor, first_key: str, phi_key: str, term_key: str, phi_part: tuple[int, ...] = ()
    ) -> torch.Tensor:
        """A tensor that is printed for the first orientation, for each phi step and for each term ("": not there)."""
        for place, term in self.orientations(value):
            sample = self.source == 0 and term.mosaic_domain == 0
            if sample and term.phi_tic == 0 and first_key:
                value = self.swap_part(value, place, first_key, Context(block=term.block))
            if sample and phi_key:
                context = Context(block=term.block, phi_tic=term.phi_tic)
                value = self.swap_part(value, (*phi_part, *place[1:]) if phi_part else place, phi_key, context)
            if term_key:
                value = self.swap_part(value, place, term_key, term)
        return value

    def whole(self, keys: tuple[str, ...]) -> Wrapper:
        """Each value that a stage returns is one key. Calls after the first are not traced."""

        def wrapper(real: Callable[..., Any], *args: Any) -> Any:
            result = real(*args)
            if keys[0] in self.placed:
                return result
            self.placed.add(keys[0])
            parts = result if len(keys) > 1 else (result,)
            context = FIRST if registry()[keys[0]].where == "block" else Context()
            swapped = tuple(self.swap(v, k, context) for v, k in zip(parts, keys, strict=True))
            return swapped if len(keys) > 1 else swapped[0]

        return wrapper
