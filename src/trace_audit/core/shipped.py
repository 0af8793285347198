"""Files of the working folder, and those that come with the checkout where the working folder has none of its own."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def own_or_shipped(path: Path | str) -> Path:
    """`path` in the working folder, or else in the checkout; as it is where neither has it."""
    path = Path(path)
    shipped = CHECKOUT / path
    if path.exists() or not shipped.exists():
        return path
    return Path(os.path.relpath(shipped))
