"""`pattern.py IMAGE SLOW FAST OUT`: the middle rows of a float image of SLOW x FAST pixels, drawn.

Each point is the brightest pixel of a block.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

from nanobrag_torch.faults import guarded

BLOCK = 3
COLOURS = 32
DECADES = 6.5
TOP, BOTTOM = 0.2, 0.78  # of the image


def main(source: str, slow: str, fast: str, out: str) -> None:
    photons = np.fromfile(source, np.float32).reshape(int(slow), int(fast))
    rows, columns = photons.shape[0] // BLOCK, photons.shape[1] // BLOCK
    blocks = photons[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).max(axis=(1, 3))
    blocks = blocks[int(TOP * rows) : int(BOTTOM * rows)]
    shown = np.clip(1.0 + np.log10(np.maximum(blocks, 1e-30) / blocks.max()) / DECADES, 0.0, 1.0)
    colours = mpl.colormaps["inferno"](np.round(shown * (COLOURS - 1)) / (COLOURS - 1), bytes=True)
    Image.fromarray(colours[..., :3]).quantize(COLOURS).save(Path(out), optimize=True)


if __name__ == "__main__":
    raise SystemExit(guarded("pattern", lambda: main(*sys.argv[1:]) or 0))
