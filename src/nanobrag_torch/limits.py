"""Limits on the numbers of an experiment: one sentence each, for a flag of the command line or a field of Python.

`name` is what the user calls it: `-cell`, or `Crystal.cell_angles_deg`. Nothing here needs torch.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Sequence
from pathlib import Path

from nanobrag_torch.errors import ExperimentError

SHORTEST_M, LONGEST_M = 1e-30, 1e30
SHORTEST_AXIS_A, LONGEST_AXIS_A = 1e-6, 1e9
MAX_PIXELS = 2**31 - 1
MAX_CELLS = 1e15
MAX_SOURCES = 100_000  # each source is a pass over the pixels
MAX_ORIENTATIONS = 10_000_000  # of 72 bytes, three times while they are made
MAX_STEPS = 2.0**53  # a double represents every whole number up to here
_FLATTEST_CELL = 1e-12
_SHORTEST_DIRECTION, _LONGEST_DIRECTION = 1e-100, 1e100
_SMALLEST_AREA = 1e-9


def check_size(name: str, length_m: float) -> None:
    """Check a length: not 0, and possible in some experiment."""
    if not SHORTEST_M <= abs(length_m) <= LONGEST_M:
        raise ExperimentError(f"{name}: {length_m:g} m, expected {SHORTEST_M:g} to {LONGEST_M:g} m; check its unit")


def check_angles(name: str, angles_deg: Sequence[float]) -> None:
    """Check that three angles can be those of a unit cell."""
    alpha, beta, gamma = angles_deg
    half = (alpha + beta + gamma) / 2.0
    parts = (half, half - alpha, half - beta, half - gamma)
    if not math.prod(math.sin(math.radians(angle)) for angle in parts) > _FLATTEST_CELL:
        raise ExperimentError(
            f"{name}: no cell has the angles {alpha:g} {beta:g} {gamma:g}, "
            "expected a sum below 360 deg and each angle smaller than the other two together"
        )


def check_axes_of_cell(name: str, lengths_A: Sequence[float], hint: str = "") -> None:
    """Check that a unit cell can have these axes."""
    for axis, length_A in zip("abc", lengths_A, strict=True):
        if not SHORTEST_AXIS_A <= length_A <= LONGEST_AXIS_A:
            expected = f"expected from {SHORTEST_AXIS_A:g} to {LONGEST_AXIS_A:g} A"
            raise ExperimentError(f"{name} {axis} is {length_A:g} A long, {expected}{hint}")


def check_direction(name: str, vector: Sequence[float]) -> None:
    """Check that a vector gives a direction."""
    if not _SHORTEST_DIRECTION < math.hypot(*vector) < _LONGEST_DIRECTION:
        shown = " ".join(f"{component:g}" for component in vector)
        raise ExperimentError(f"{name} is {shown}, expected a direction: not zero, and of ordinary size")


def check_plane(fast_name: str, fast: Sequence[float], slow_name: str, slow: Sequence[float]) -> None:
    """Check that fast and slow span a plane."""
    (a, b, c), (x, y, z) = fast, slow
    area = math.hypot(b * z - c * y, c * x - a * z, a * y - b * x)
    if not area >= _SMALLEST_AREA * math.hypot(*fast) * math.hypot(*slow):
        raise ExperimentError(
            f"{fast_name} and {slow_name} are parallel, expected two directions that span the detector"
        )


def check_placement(close_m: float, distance_m: float, hint: str) -> None:
    """Check that the beam meets the detector's plane, and that this plane does not hold the sample."""
    if not (math.isfinite(distance_m) and math.isfinite(close_m) and close_m != 0.0 and distance_m != 0.0):
        raise ExperimentError(
            f"the detector's plane holds the sample or misses the beam (close distance {close_m:g} m, distance "
            f"{distance_m:g} m), so the detector cannot be placed: check {hint}"
        )


def check_exposure(name: str, flux_name: str, flux: float, exposure: float, beamsize: float) -> None:
    """Check that a flux has an exposure time and a beam size."""
    if flux and exposure > 0 and beamsize == 0:
        raise ExperimentError(f"{name}, expected above 0 with {flux_name} (fluence = flux exposure / beamsize^2)")


def check_cells(name: str, size_m: float, length_A: float) -> None:
    """Check that a sample has no more cells than can be counted."""
    if size_m / (1e-10 * length_A) > MAX_CELLS:
        raise ExperimentError(
            f"{name}: {size_m:g} m holds more than {MAX_CELLS:g} cells along an axis, expected at most that: "
            "check its unit"
        )


def check_region(name: str, region: Sequence[int]) -> None:
    """Check that the first pixel of a region is not behind its last."""
    x_min, x_max, y_min, y_max = region
    for low, high, axis in ((x_min, x_max, "x"), (y_min, y_max, "y")):
        if 0 <= high < low:
            raise ExperimentError(f"{name}: {axis}min {low} is above {axis}max {high}, expected xmin xmax ymin ymax")


def check_region_on_detector(name: str, region: Sequence[int], n_fast: int, n_slow: int) -> None:
    """Check that a region begins on the detector."""
    for low, n, axis in ((region[0], n_fast, "x"), (region[2], n_slow, "y")):
        if low >= n:
            raise ExperimentError(f"{name}: {axis}min is {low}, expected below {n}, the number of pixels")


def check_pixels(name: str, n_fast: int, n_slow: int) -> None:
    """Check that there are no more pixels than can be counted."""
    if n_fast * n_slow > MAX_PIXELS:
        raise ExperimentError(f"{name}: {n_fast} x {n_slow} pixels, expected at most {MAX_PIXELS} in all")


def check_mask(name: str, shape: Sequence[int], n_fast: int, n_slow: int) -> None:
    """Check that a mask has the detector's size."""
    if tuple(shape) != (n_slow, n_fast):
        has = " x ".join(str(n) for n in reversed(shape))
        raise ExperimentError(f"{name}: has {has} pixels, expected {n_fast} x {n_slow} as the detector has")


def check_sources(count: float) -> None:
    """Check that there are no more sources than a run can process in reasonable time."""
    if count > MAX_SOURCES:
        raise ExperimentError(
            f"divergence and dispersion, or the list of sources, make {count:g} sources, expected at most "
            f"{MAX_SOURCES}; use fewer steps"
        )


def check_orientations(phi_steps: int, domains: int) -> None:
    """Check that the orientations can be counted and fit into memory."""
    if phi_steps * domains > MAX_ORIENTATIONS:
        raise ExperimentError(
            f"{phi_steps} spindle steps of {domains} mosaic domains are too many, expected at most "
            f"{MAX_ORIENTATIONS} together; use fewer steps or domains"
        )
    matrix_bytes = 72
    check_memory(f"{phi_steps} x {domains} orientations", 3.0 * matrix_bytes * (phi_steps * domains + domains))


def check_steps(steps: float) -> None:
    """Check that there are no more steps than can be counted."""
    if steps > MAX_STEPS:
        raise ExperimentError(f"{steps:g} steps a pixel, expected at most {MAX_STEPS:g}; use fewer of each kind")


def check_memory(subject: str, needed_bytes: float) -> None:
    """Check that this machine has the memory, and that this process may use it."""
    room = room_bytes()
    if needed_bytes > room:
        raise ExperimentError(
            f"not enough memory: {subject} take {needed_bytes / 1e9:.3g} GB, "
            f"expected at most {max(room, 0.0) / 1e9:.3g} GB; make them fewer"
        )


def room_bytes() -> float:
    """Memory of the machine, or the address space that is left under `ulimit -v`; infinite where it is not known."""
    room = math.inf
    with contextlib.suppress(ValueError, OSError, AttributeError):
        room = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(ImportError, ValueError, OSError, IndexError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            used_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            room = min(room, float(limit - used_pages * os.sysconf("SC_PAGE_SIZE")))
    return room
