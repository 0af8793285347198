"""`python -m trace_audit.images.overview`: the whole image by both programs, reduced to the size of a page.

Each block of pixels is shown by its brightest one, so that no reflection is lost, and by its largest difference. The
radial profile is about the beam centre, where the beam would meet the detector.
"""

import argparse
import base64
from pathlib import Path
from typing import Any

import numpy as np

from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.images.audited import add_options, read_audited
from trace_audit.images.two_images import TwoImages, simulate_both
from trace_audit.programs.reference import DEFAULT_TIME_LIMIT_S

MOST_BLOCKS = 320  # along either side of the picture


def block_size(shape: tuple[int, int]) -> int:
    """Side of a block in pixels, so that neither side of an image of `shape` has more than MOST_BLOCKS."""
    return -(-max(shape) // MOST_BLOCKS)


def by_block(image: np.ndarray, size: int) -> np.ndarray:
    """The value of largest magnitude in each block of `size` x `size` pixels, (slow blocks, fast blocks)."""
    slow, fast = (-(-length // size) * size for length in image.shape)
    padded = np.zeros((slow, fast), dtype=image.dtype)
    padded[: image.shape[0], : image.shape[1]] = image
    blocks = padded.reshape(slow // size, size, fast // size, size).swapaxes(1, 2).reshape(-1, size * size)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1, keepdims=True), axis=1)
    return largest.reshape(slow // size, fast // size)


def packed(values: np.ndarray) -> str:
    """Numbers as base64 of little-endian single precision, row by row."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def profile(image: np.ndarray, centre_slow_fast: tuple[float, float], width_pixels: float) -> dict[str, list[float]]:
    """Mean photons a pixel in rings of `width_pixels` about the centre: radii in pixels, means."""
    slow, fast = (np.arange(length) + 0.5 - at for length, at in zip(image.shape, centre_slow_fast, strict=True))
    ring = (np.hypot(slow[:, None], fast[None, :]) / width_pixels).astype(np.int64).ravel()
    count = np.bincount(ring)
    mean = np.bincount(ring, image.ravel().astype(float)) / np.maximum(count, 1)
    kept = np.flatnonzero(count)
    return {
        "radius_pixels": ((kept + 0.5) * width_pixels).tolist(),
        "mean_photons": mean[kept].tolist(),
    }


def overview(images: TwoImages) -> dict[str, Any]:
    """Both images and their difference by block, and their radial profiles, as JSON-ready data."""
    if images.c is None or images.py is None:
        raise InputError(f"no image to show: {images.failure}")
    c, py = images.c.astype(float), images.py.astype(float)
    difference = py - c
    size = block_size(c.shape)
    worst = np.unravel_index(np.abs(difference).argmax(), c.shape)
    peak = float(np.abs(c).max())
    centre = images.beam_centre_slow_fast
    reach = (
        0.0 if centre is None else max(np.hypot(*(max(at, n - at) for at, n in zip(centre, c.shape, strict=True))), 1)
    )
    return {
        "shape_slow_fast": list(c.shape),
        "block_pixels": size,
        "c": packed(by_block(c, size)),
        "py": packed(by_block(py, size)),
        "difference": packed(by_block(difference, size)),
        "peak_photons": peak,
        "peak_slow_fast": [int(i) for i in np.unravel_index(c.argmax(), c.shape)],
        "worst_difference_photons": float(difference[worst]),
        "worst_slow_fast": [int(i) for i in worst],
        "worst_of_peak": float(abs(difference[worst]) / peak) if peak else None,
        "beam_centre_slow_fast": centre,
        "profiles": None
        if centre is None
        else {side: profile(image, centre, max(1.0, reach / MOST_BLOCKS)) for side, image in (("c", c), ("py", py))},
    }


def main(argv: list[str]) -> int:
    """Simulate a whole image with both programs and write the page's data."""
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.images.overview", description=__doc__, allow_abbrev=False
    )
    add_options(parser)
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON")
    options = parser.parse_args(argv)
    audited = read_audited(options)
    images = simulate_both(audited, options.time_limit_s, [])
    shown = {} if images.failure else overview(images)
    about: dict[str, Any] = {"scenario": audited.scenario.name, "device": audited.device, "dtype": audited.dtype}
    about |= {"failure": images.failure, "made_by": audited.made_by()}
    write_atomic(options.out, readable_json({**about, **shown}))
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
