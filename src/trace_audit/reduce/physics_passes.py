"""The steps of a reduction that use physics: the detector reduced to the pixel, the reflections to one.

A detector of one pixel has that pixel at the same position: the beam centre is moved accordingly. Our program computes
the position of the pixel, which depends on the beam centre linearly in every convention.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from trace_audit.core.files import sha256_of_bytes, write_atomic
from trace_audit.port.changes import Variant
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.reduce.ddmin import ddmin
from trace_audit.reduce.experiment import Experiment
from trace_audit.reduce.passes import Search
from trace_audit.trace.parse import Context, Trace

_SIZES = ("-detpixels", "-detpixels_f", "-detpixels_s", "-detsize", "-detsize_f", "-detsize_s", "-roi")
_CENTRES = (("-Xbeam", "-Ybeam"), ("-Xclose", "-Yclose"), ("-ORGX", "-ORGY"))
_SAME_PLACE = 1e-9
_MOST_ROWS = 4096


def pixel_alone(search: Search) -> None:
    """Compute only the traced pixel."""
    slow, fast = search.best.pixel
    kept = search.best.only(lambda flag: search.language.name(flag) not in ("-roi", "-mask"))
    roi = ("-roi", str(fast), str(fast), str(slow), str(slow))
    if search.take(kept.plus(*roi), "the image to the traced pixel"):
        search.stays = {roi}


def detector_to_the_pixel(search: Search) -> None:
    """A detector of one pixel at the same position; if that does not fail, one that ends at the pixel."""
    for experiment in _detectors_of_one(search):
        if search.take(experiment, "the detector to one pixel at the same place"):
            search.stays = {("-detpixels", "1")}
            return
    side = str(max(search.best.pixel) + 1)
    sizes = tuple(name for name in _SIZES if name != "-roi")
    kept = search.best.only(lambda flag: search.language.name(flag) not in sizes)
    search.take(kept.plus("-detpixels", side), f"the detector to {side} x {side} pixels")


def _detectors_of_one(search: Search) -> Iterator[Experiment]:
    """The experiment on a detector of one pixel, for each kind of beam centre that can be moved."""
    best, name_of = search.best, search.language.name
    model = OurProgram((), best.pixel)
    wanted = _place_of_pixel(model, best)
    if wanted is None:
        return
    small = replace(best.only(lambda flag: name_of(flag) not in _SIZES), pixel=(0, 0)).plus("-detpixels", "1")
    names = {name_of(flag) for flag in best.flags}
    for pair in sorted(_CENTRES, key=lambda pair: -len(names.intersection(pair))):
        centred = small.only(lambda flag, pair=pair: name_of(flag) not in pair)  # type: ignore[misc]
        moved = _moved_to(model, centred, pair, wanted)
        if moved is not None:
            yield moved


def _place_of_pixel(model: OurProgram, experiment: Experiment) -> np.ndarray | None:
    """The position of the pixel in our program, in metres; None if it refuses the experiment."""
    model.pixel = experiment.pixel
    try:
        trace = model.trace(Variant(tuple(experiment.words)))
    except Refused:
        return None
    position = trace.values("pixel_pos_meters", Context(block=0))
    return None if position is None else np.array([float(value) for value in position])


def _moved_to(model: OurProgram, small: Experiment, pair: tuple[str, str], wanted: np.ndarray) -> Experiment | None:
    """`small` with the beam centre that puts its pixel at the wanted position."""

    def at(x: float, y: float) -> Experiment:
        return small.plus(pair[0], f"{x:.12g}").plus(pair[1], f"{y:.12g}")

    corners = [_place_of_pixel(model, at(x, y)) for x, y in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))]
    if any(corner is None for corner in corners):
        return None
    origin, by_x, by_y = (corner for corner in corners if corner is not None)
    slopes = np.stack([by_x - origin, by_y - origin], axis=1)
    solution, *_ = np.linalg.lstsq(slopes, wanted - origin, rcond=None)
    moved = at(float(solution[0]), float(solution[1]))
    position = _place_of_pixel(model, moved)
    if position is None or np.abs(position - wanted).max() > _SAME_PLACE * np.abs(wanted).max():
        return None
    return moved


def reflections_to_the_one(search: Search) -> None:
    """Reduce the table of structure factors to the reflection that counts; then to its amplitude for all."""
    index = next((i for i, flag in enumerate(search.best.flags) if search.language.name(flag) == "-hkl"), None)
    if index is None:
        return
    rows = _rows_of(Path(search.best.flags[index][1]))
    trace = _trace(search.best)
    if rows is None or trace is None:
        return
    near = _near(trace)
    looked_at = [row for row in rows if row[:3] in near]
    for part in ([row for row in looked_at if row[:3] == _of_the_pixel(trace)], looked_at):
        if part and len(part) < len(rows) and search.take(_with_rows(search, index, part), _told(rows, part)):
            rows = part
            break
    if 1 < len(rows) <= _MOST_ROWS:
        left = ddmin(rows, lambda part: bool(part) and search.fails(_with_rows(search, index, part)))
        if len(left) < len(rows):
            search.take(_with_rows(search, index, left), _told(rows, left))
            rows = left
    if len(rows) == 1:
        flags = tuple(flag for i, flag in enumerate(search.best.flags) if i != index)
        every = replace(search.best, flags=flags).only(lambda flag: search.language.name(flag) != "-default_F")
        search.take(every.plus("-default_F", rows[0][3]), "no table: the amplitude of the reflection for all")


def matrix_to_a_cell(search: Search) -> None:
    """A cube of 100 Angstrom along the axes instead of an orientation matrix from a file."""
    index = next((i for i, flag in enumerate(search.best.flags) if search.language.name(flag) == "-mat"), None)
    if index is not None:
        flags = tuple(flag for i, flag in enumerate(search.best.flags) if i != index)
        without_cell = replace(search.best, flags=flags).only(lambda flag: search.language.name(flag) != "-cell")
        search.take(without_cell.plus("-cell", "100"), "no matrix: a cube of 100 Angstrom")


Row = tuple[str, str, str, str]


def _rows_of(path: Path) -> list[Row] | None:
    """Lines h k l F of a text file; None for any other file."""
    try:
        numbers = path.read_text(encoding="ascii").split()
        rows = [(numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]) for i in range(0, len(numbers) - 3, 4)]
        for row in rows:
            int(row[0]), int(row[1]), int(row[2]), float(row[3])
    except (OSError, ValueError):
        return None
    return rows


def _with_rows(search: Search, index: int, rows: list[Row]) -> Experiment:
    text = "".join(" ".join(row) + "\n" for row in rows)
    path = search.trials.folder / "inputs" / f"{sha256_of_bytes(text.encode())[:12]}.hkl"
    if not path.exists():
        write_atomic(path, text)
    return search.best.with_value(index, 1, str(path))


def _told(before: list[Row], after: list[Row]) -> str:
    return f"the structure factors from {len(before)} to {len(after)}"


def _trace(experiment: Experiment) -> Trace | None:
    try:
        return OurProgram((), experiment.pixel).trace(Variant(tuple(experiment.words)))
    except Refused:
        return None


def _of_the_pixel(trace: Trace) -> tuple[str, ...]:
    values = trace.values("hkl_rounded", Context(block=0)) or ()
    return tuple(str(int(value)) for value in values)


def _near(trace: Trace) -> set[tuple[str, ...]]:
    """Reflections that the terms of the pixel use, and their neighbours, for programs that interpolate."""
    reflections = {tuple(int(v) for v in record.values) for record in trace.of("term.hkl_rounded")}
    reflections |= {tuple(int(v) for v in record.values) for record in trace.of("hkl_rounded")}
    reach = range(-2, 3)
    return {
        (str(h + i), str(k + j), str(l + m)) for h, k, l in reflections for i in reach for j in reach for m in reach
    }
