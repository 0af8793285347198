"""Every continuous parameter of an experiment, and whether the image can be differentiated by it."""

from __future__ import annotations

from difflib import get_close_matches

from nanobrag_torch.gradients.parameter import Parameter
from nanobrag_torch.gradients.table import ROWS

__all__ = ["Parameter", "parameter", "parameters"]


def parameter(name: str) -> Parameter:
    """The parameter called `name`. Raises KeyError naming near ones."""
    known = parameters()
    if name not in known:
        near = ", ".join(get_close_matches(name, known, n=3)) or ", ".join(known)
        raise KeyError(f"no parameter {name!r}; did you mean: {near}")
    return known[name]


def parameters() -> dict[str, Parameter]:
    """All parameters by name, in the order of docs/gradients.md."""
    return {row.name: row for row in ROWS}
