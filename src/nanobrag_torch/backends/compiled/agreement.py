"""Whether compiled code gives the kernel's numbers: its images and derivatives at a few pixels by eager code too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from nanobrag_torch import integrate
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.model import Model

Numbered = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  # (fast, slow) of pixels by their numbers
Differentiate = Callable[[Backend, torch.Tensor, torch.Tensor], Sequence[torch.Tensor | None]]

_PROBE_STEPS = 1 << 19
_PROBE_PIXELS = (4, 64)
SLOPE_AGREEMENT = {torch.float64: 1e-9, torch.float32: 2e-5}  # of the largest derivative by the same tensor
_AGREEMENT = {torch.float64: 1e-10, torch.float32: 2e-6}  # of the probe's largest pixel
AGREED_DERIVATIVES: set[tuple[tuple[Path, int], ...]] = set()  # files of programs that were checked, and their times


def steps_of_pixel(model: Model) -> int:
    """How often the kernel is evaluated for a pixel: samples times sources times orientations."""
    return model.samples * model.source_count * model.real_m.shape[0]


class Disagreement(Exception):
    """Compiled code gives other numbers than the kernel."""


def check_once(files: list[Path], check: Callable[[], None]) -> None:
    """Check, once in this process, that these programs agree. Raises Disagreement."""
    key = tuple((file, file.stat().st_mtime_ns) for file in files)
    if key not in AGREED_DERIVATIVES:
        check()
        AGREED_DERIVATIVES.add(key)


def check_slopes(model: Model, compiled: Backend, pixels: int, numbered: Numbered, by: Differentiate) -> None:
    """Compare derivatives at a few pixels with those of eager code. Raises Disagreement."""
    fast, slow = _probe(model, pixels, numbered)
    for got, expected in zip(by(compiled, fast, slow), by(EagerBackend(model), fast, slow), strict=True):
        expected = torch.zeros_like(got) if expected is None and got is not None else expected
        if expected is None:
            continue
        got = torch.zeros_like(expected) if got is None else got.to_dense()
        off = _off(got, expected, SLOPE_AGREEMENT[model.dtype])
        if off is not None:
            raise Disagreement(f"they differ by {off:.1e} of the largest")


def _off(got: torch.Tensor, expected: torch.Tensor, limit: float) -> float | None:
    """The largest difference as a share of the largest expected number; None if it is within the limit."""
    difference, largest = (got - expected).abs().max(), expected.abs().max()
    return None if bool(difference <= limit * largest) else float(difference / largest)


def _probe(model: Model, pixels: int, numbered: Numbered) -> tuple[torch.Tensor, torch.Tensor]:
    """(fast, slow) of a few pixels spread over the image."""
    fewest, most = _PROBE_PIXELS
    count = min(max(_PROBE_STEPS // steps_of_pixel(model), fewest), most, pixels)
    return numbered(torch.linspace(0, pixels - 1, count, dtype=torch.float64, device=model.real_m.device).long())


def is_looked_at(image: int, device: torch.device) -> bool:
    """Whether an image by compiled code is held against eager code.

    On a CPU every one is. On a GPU the host would have to wait for each: of each structure the first is, the second,
    the fourth, ...
    """
    return device.type == "cpu" or image & (image - 1) == 0


def doubt(model: Model, fast: torch.Tensor, slow: torch.Tensor, got: torch.Tensor) -> str | None:
    """How these photons (pixels,) of compiled code differ from those of eager code; None where they do not.

    It is trusted with nothing that is not a finite number.
    """
    expected = integrate.integrate(model, fast, slow).photons.to(got.dtype)
    if _off(got, expected, _AGREEMENT[model.dtype]) is None:
        return None
    where = int(torch.nan_to_num((got - expected).abs(), nan=torch.inf).argmax())
    return (
        f"compiled code is not used: pixel (slow {int(slow[where])}, fast {int(fast[where])}) is "
        f"{float(got[where]):g}, and {float(expected[where]):g} by the kernel's own operations"
    )
