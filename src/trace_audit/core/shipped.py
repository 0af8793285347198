"""Files of the working folder; if it lacks one, the file of the checkout."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def own_or_shipped(path: Path | str) -> Path:
    """`path` in the working folder, else in the checkout; unchanged if neither has it."""
    path = Path(path)
    shipped = CHECKOUT / path
    if path.exists() or not shipped.exists():
        return path
    return Path(os.path.relpath(shipped))
