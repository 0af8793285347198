"""The port's image against ours: the scale between them, and how far the patterns are apart once it is taken out."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanobrag_torch.io.reading import open_plain
from trace_audit.core.errors import InputError
from trace_audit.port.our_program import OurProgram
from trace_audit.port.precision import MARGIN, spread
from trace_audit.trace.parse import Context
from trace_audit.trace.tolerances import relative_tolerance

MOST_PIXELS = 1200
_BRIGHT = 400
_NEAR = 40
_MOST_OF_OURS = 20_000
_ROUNDED_PIXELS = 5
_WORST_OF_PEAK = 1e-5  # of one pixel: ten times what a sum in single precision can be off
_STEEP = 10.0  # a pixel on a flank moves more than the bright ones
_PIXEL = ("floatimage_accumulated", Context())


@dataclass(frozen=True)
class Distance:
    """`scale`: port / ours, best fit; `pattern`: what is left of the port's image without it, 0 (none) to 1 (all).

    `worst`: what is left of a single pixel at most, over the port's brightest one.
    """

    scale: float
    pattern: float
    worst: float


@dataclass(frozen=True)
class Sample:
    """Pixels of the port's image on which the images are compared, each (pixels,)."""

    slow: np.ndarray
    fast: np.ndarray
    photons: np.ndarray
    is_whole: bool


# what zipfile, zlib and numpy raise for a file that is none of theirs
_OF_NUMPY = (OSError, ValueError, LookupError, TypeError, EOFError, RuntimeError, SyntaxError, ArithmeticError)
_UNREADABLE = (*_OF_NUMPY, AttributeError, zipfile.BadZipFile, zlib.error)


def read_port_image(
    path: Path,
    shape: tuple[int, int],
    roi: tuple[int, int, int, int] | None,
    *,
    form: str | None = None,
    name: str | None = None,
) -> np.ndarray:
    """Photons (slow, fast) of the whole detector, NaN where the port's image says nothing.

    `.npz` (one array, or `image`) and `.npy`, of the whole detector or of the region of interest (fast first, fast
    last, slow first, slow last); else raw float32, slow running slowest, as -floatfile writes it. `form`: that ending
    where the file has another one; `name`: whose image it is, for messages. Raises InputError.
    """
    form = path.suffix if form is None else form
    what = f"image {path}" if name is None else f"{name}: image {path}"
    try:
        with open_plain(path) as stream, np.errstate(invalid="ignore"):
            if form == ".npz":
                with np.load(stream, allow_pickle=False) as file:
                    image = np.asarray(file["image" if "image" in file.files else file.files[0]], dtype=np.float64)
            elif form == ".npy":
                image = np.load(stream, allow_pickle=False).astype(np.float64)
            else:
                flat = np.fromfile(stream, dtype=np.float32).astype(np.float64)
                image = flat.reshape(shape) if flat.size == shape[0] * shape[1] else flat
    except _UNREADABLE as error:
        raise InputError(f"{what}: {' '.join(str(error).split())}; expected .npz, .npy or raw float32") from error
    bad = int(np.isinf(image).sum() if form in (".npz", ".npy") else (~np.isfinite(image)).sum())
    if bad:
        raise InputError(f"{what}: {bad} pixels are not finite numbers, expected finite numbers in all pixels")
    if image.shape == shape:
        return image
    if roi is not None and image.shape == (roi[3] - roi[2] + 1, roi[1] - roi[0] + 1):
        whole = np.full(shape, np.nan)
        whole[roi[2] : roi[3] + 1, roi[0] : roi[1] + 1] = image
        return whole
    raise InputError(f"{what}: {image.shape} pixels (slow, fast), the experiment has {shape}; {_advice(image, shape)}")


def _advice(image: np.ndarray, shape: tuple[int, int]) -> str:
    """What may be the matter with an image of another shape, and what to do."""
    pixels = shape[0] * shape[1]
    if image.shape == shape[::-1]:
        return "write the slow axis first (transpose it)"
    if image.ndim > 2 and image.size == pixels:
        return "write it with two axes"
    if image.ndim == 1 and image.size == 2 * pixels:
        return "those are as many as float64 numbers would be; write raw float32, or .npy"
    if image.ndim == 1:
        return f"write raw float32, {4 * pixels} bytes without a header, or .npy"
    return "write the pixels of the whole detector, or of the region of interest"


def sample(image: np.ndarray, pixel: tuple[int, int], ours: OurProgram) -> Sample:
    """All pixels of a small image; of a large one the brightest of both images and an even grid of the others.

    Of an image larger than that by far, ours is looked at near the traced pixel and on the grid alone.
    """
    slow, fast = np.nonzero(np.isfinite(image))
    values = image[slow, fast]
    if slow.size <= MOST_PIXELS:
        return Sample(slow, fast, values, True)
    chosen = set(np.argsort(values)[-_BRIGHT:].tolist())
    chosen |= set(range(0, slow.size, max(1, slow.size // (MOST_PIXELS - 2 * _BRIGHT))))
    near = (np.abs(slow - pixel[0]) <= _NEAR) & (np.abs(fast - pixel[1]) <= _NEAR)
    looked_at = np.arange(slow.size) if slow.size <= _MOST_OF_OURS else np.nonzero(near)[0]
    bright = np.argsort(ours.photons(slow[looked_at], fast[looked_at]))[-_BRIGHT:]
    chosen |= set(looked_at[bright].tolist())
    order = np.array(sorted(chosen))
    return Sample(slow[order], fast[order], values[order], False)


def agree(apart: Distance, allowed: Distance) -> bool:
    """Whether two images are the same but for rounding."""
    return apart.pattern <= allowed.pattern and abs(apart.scale - 1.0) <= allowed.scale and apart.worst <= allowed.worst


def distance(port: np.ndarray, ours: np.ndarray) -> Distance:
    """How far two lists of pixels are apart."""
    ours_square, port_square = float(ours @ ours), float(port @ port)
    if ours_square == 0.0 or port_square == 0.0:
        same = ours_square == port_square
        apart = 0.0 if same else 1.0
        return Distance(1.0 if same else 0.0 if port_square == 0.0 else float("inf"), apart, apart)
    scale = float(port @ ours) / ours_square
    left = port - scale * ours
    pattern = float(np.sqrt((left @ left) / port_square))
    return Distance(scale, pattern, float(np.abs(port - scale * ours).max() / np.abs(port).max()))


def rounding_of(ours: OurProgram, chosen: Sample, eps: float) -> Distance:
    """How far rounding alone may move our image, from its brightest pixels, which make the distance of two images.

    Every stage of each of them is moved by up to eps, as `precision.spread` does; four times what comes out is allowed.
    """
    base = ours.photons(chosen.slow, chosen.fast)
    moved, whole, worst = 0.0, 0.0, 0.0
    for index in np.argsort(base)[-_ROUNDED_PIXELS:]:
        pixel = ours.changed(ours.variant, (int(chosen.slow[index]), int(chosen.fast[index])))
        relative = spread(pixel.trace(), pixel.watched, eps).get(_PIXEL, 0.0)
        moved, whole = moved + (relative * base[index]) ** 2, whole + base[index] ** 2
        worst = max(worst, relative * base[index] / base.max())
    share = MARGIN * float(np.sqrt(moved / whole)) if whole else 0.0
    floor = relative_tolerance()
    return Distance(max(floor, share), max(floor, share), max(_WORST_OF_PEAK, _STEEP * share, MARGIN * worst))
