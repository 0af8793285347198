"""What the readers that use gemmi share: its errors as ours, and unit cells that can be used."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from nanobrag_torch.io.reading import ReaderError

_SHORTEST_A, _LONGEST_A = 0.5, 1e5
Result = TypeVar("Result")


def with_gemmi(path: str | Path, what: str, work: Callable[..., Result]) -> Result:
    """Call `work` with the module gemmi; whatever gemmi raises becomes a ReaderError that names the file."""
    import gemmi

    try:
        return work(gemmi)
    except ReaderError:
        raise
    except (RuntimeError, ValueError, OSError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReaderError(path, f"is no {what} that gemmi can read ({reason})") from None


def usable_cell(cell: Any) -> tuple[float, ...] | None:
    """The parameters (A, deg) of a gemmi unit cell; None for one that no crystal has."""
    parameters = tuple(cell.parameters)
    lengths, angles = parameters[:3], parameters[3:]
    sound = all(_SHORTEST_A <= length <= _LONGEST_A for length in lengths) and all(0 < angle < 180 for angle in angles)
    if not sound or parameters == (1.0, 1.0, 1.0, 90.0, 90.0, 90.0):
        return None
    return parameters if math.isfinite(cell.volume) and cell.volume > 1e-6 * math.prod(lengths) else None
