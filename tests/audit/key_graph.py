"""Measures which key is computed from which: one key is changed where a program computes it, all others are held.

A test build of a program reports each traced value where it computes it, and can use another value instead. All keys
are held at their undisturbed values, and one key is moved. Then every stage computes what it did before, except the
stages that read the moved key. A value that comes out different, before it is set back, is therefore computed directly
from the moved key.

Some keys print one number under two names (the indices of the first orientation are also those of phi step 0). Such a
number is moved and held under its first name; the second name follows, and so does everything that reads it.
"""

import math
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trace_audit.trace.keys import registry

Place = tuple[str, tuple[int, int, int, int]]  # key; block, source, phi step, mosaic domain, -1 where there is none
Values = dict[Place, list[float]]
Run = Callable[[Values], Values]

PIXEL = (11, 16)
CELL = "-cell 5 9 7 80 95 105"
COMMON = f"""{CELL} -misset 81 27 34 -N 2 -lambda 1 -distance 10 -detpixels 24 -pixel 0.3 -polar 0.8 -hkl f.hkl
 -detector_rotx 3 -detector_roty -4 -detector_rotz 5 -twotheta 6 -phi 20 -osc 30 -phisteps 2 -water 0.003 -oversample 1
 -detector_thick 300 -detector_abs 400 -detector_thicksteps 2 -nointerpolate -nonoise -nopgm"""
TWO_SOURCES = "-hdivrange 2 -hdivsteps 2"
PER_TERM = "-oversample_thick -oversample_polar -oversample_omega"
CASES = {
    "sample pivot": f"{COMMON} -xds -mosaic 0.1 -mosaic_dom 2 {TWO_SOURCES}",
    "sample pivot, factors per term, interpolated": f"{COMMON} -xds {TWO_SOURCES} {PER_TERM} -interpolate",
    "beam pivot": f"{COMMON} -oversample 2",
    "beam pivot, factors per term": f"{COMMON} -oversample 2 {PER_TERM}",
    "one ray": f"{COMMON} -xds -phisteps 1 -osc 0.1 -detector_thick 0",
    "orientation matrix": f"{COMMON.replace(CELL, '-mat a.mat')}",
    "GAUSS": f"{COMMON} -gauss_xtal",
    "ROUND": f"{COMMON} -round_xtal",
    "computed normal": f"{COMMON} -fdet_vector 0 0 1 -sdet_vector 0 -1 0.1 -odet_vector 1 0 0.1",
    "curved": f"{COMMON} -xds -curved_det",
    "near point": f"{COMMON} -defects none -pivot beam -close_distance 9.5 -Xclose 3.1 -Yclose 3.3",
    "no defects, sources": f"{COMMON} -xds -defects none {TWO_SOURCES} -fdet_vector 1 0 0 -sdet_vector 0 1 0.1",
    "water scaled once": f"{COMMON} -oversample 2 {PER_TERM} -defects default,-water_rescaled",
}

SECOND_NAMES = {
    "hkl_frac": ("TRACE_PHI.k_frac",),
    "hkl_rounded": ("term.hkl_rounded",),
    "F_latt_b": ("TRACE_PHI.F_latt_b",),
    "F_latt": ("TRACE_PHI.F_latt", "term.F_latt"),
    "TRACE_PHI.F_latt": ("term.F_latt",),
    "F_cell": ("term.F_cell",),
}
_COUNTS = ("oversample", "steps", "phi_steps", "thick_steps", "mosaic_domains", "N_cells", "pixel_slow_fast")
_RELEASED = {  # keys that are not held while one is moved: values change places, of which other rays' would be put in
    **dict.fromkeys(("sources", "thick_steps", "oversample"), "cos_2theta"),  # which ray is the last
    "oversample_omega": "omega_pixel_sr",  # whether each ray has a solid angle of its own
}
_SIGNIFICANT = 1e-9


def write_inputs(folder: Path) -> None:
    """Reflections of uneven amplitude, and an orientation matrix."""
    indices = [(h, k, l) for h in range(-6, 7) for k in range(-7, 8) for l in range(-6, 7)]
    rows = (f"{h} {k} {l} {50 + (7 * h + 3 * k + 5 * l) % 31 + 0.1 * h * h}\n" for h, k, l in indices)
    (folder / "f.hkl").write_text("".join(rows))
    (folder / "a.mat").write_text("0.19 0.01 0.02\n0.005 0.12 -0.01\n0.01 0.02 0.14\n")


@dataclass(frozen=True)
class CProgram:
    """The test build of the C program, in a folder that has the inputs."""

    binary: Path
    folder: Path
    case: str

    def __call__(self, replaced: Values) -> Values:
        told, replacements = self.folder / "told", self.folder / "given"
        lines = (
            f"{key} {' '.join(map(str, place))} {len(values)} {' '.join(float(v).hex() for v in values)}\n"
            for (key, place), values in replaced.items()
        )
        replacements.write_text("".join(lines))
        slow, fast = map(str, PIXEL)
        arguments = [*shlex.split(CASES[self.case]), "-trace_pixel", slow, fast, "-roi", fast, fast, slow, slow]
        arguments += ["-threads", "1", "-floatfile", "/dev/null", "-intfile", "/dev/null"]
        environment = os.environ | {"NANOBRAGG_SEAM_OUT": str(told), "NANOBRAGG_SEAM_IN": str(replacements)}
        done = subprocess.run(
            [self.binary, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        result: Values = {}
        for line in told.read_text().splitlines():
            key, *rest = line.split()
            values = [float.fromhex(text) for text in rest[5:]]
            result.setdefault((key, tuple(map(int, rest[:4]))), values)
        return result


@dataclass
class TorchProgram:
    """The torch program with `visit` at every stage."""

    folder: Path
    case: str

    def __post_init__(self) -> None:
        from nanobrag_torch.cli import parse

        before = Path.cwd()
        os.chdir(self.folder)
        try:
            self.invocation = parse(shlex.split(CASES[self.case]))
        finally:
            os.chdir(before)

    def __call__(self, replaced: Values) -> Values:
        from trace_audit.stages.intervene import watched_trace

        result: Values = {}

        def visit(key, context, values):
            fields = (context.block, context.source, context.phi_tic, context.mosaic_domain)
            place = key, tuple(-1 if index is None else index for index in fields)
            result.setdefault(place, values)
            held = replaced.get(place)
            return None if held == values else held  # what is there already need not be put there

        invocation = self.invocation
        watched_trace(invocation.experiment, PIXEL, device="cpu", dtype=invocation.dtype, visit=visit)
        return result


def is_second_name(place: Place, values: Values) -> bool:
    """Whether the number is also printed under an earlier name."""
    key, (block, source, step, domain) = place
    if key in ("TRACE_PHI.k_frac", "TRACE_PHI.F_latt_b", "TRACE_PHI.F_latt"):
        return step == 0
    if key in ("term.hkl_rounded", "term.F_cell"):
        return (source, step, domain) == (0, 0, 0)
    if key == "term.F_latt":
        of_step = ("TRACE_PHI.F_latt", (block, -1, step, -1)) in values
        return (source, domain) == (0, 0) and (step == 0 or of_step)
    return False


def moves(key: str) -> Iterator[Callable[[list[float]], list[float] | None]]:
    """Ways to move the values of a key: a little, then as far as the next whole number or two."""
    row = registry()[key]
    if row.kind == "word":
        return
    if key.startswith("oversample_"):
        yield lambda values: [1 - value for value in values]
    elif key == "sources":
        yield lambda values: [values[0] - 1] if values[0] > 1 else None
    elif key in _COUNTS:
        yield lambda values: [value + 1 for value in values]
    else:
        for size in (1e-4, 0.7, -0.4, 2.3):
            yield lambda values, size=size: _shifted(values, size)


def _shifted(values: list[float], size: float) -> list[float]:
    """Each number is moved by another share of the length of all, so that nothing cancels."""
    length = math.hypot(*values) or 1e-3
    return [value + length * size * (1 + 0.37 * i) for i, value in enumerate(values)]


def _differ(before: list[float], after: list[float]) -> bool:
    """Whether two values differ beyond rounding; NaN differs from every number."""
    for a, b in zip(before, after, strict=True):
        if a != b and not (math.isnan(a) and math.isnan(b)) and not abs(a - b) <= _SIGNIFICANT * max(abs(a), abs(b)):
            return True
    return False


class Measured:
    """Edges parent -> child that one case of a program shows."""

    def __init__(self, run: Run):
        self.run, self.undisturbed = run, run({})
        self.keys = {key for key, _ in self.undisturbed}
        word_keys = {key for key in self.keys if registry()[key].kind == "word"}
        self.held = {
            place: values
            for place, values in self.undisturbed.items()
            if place[0] not in word_keys and not is_second_name(place, self.undisturbed)
        }

    def moved_when_held(self) -> set[str]:
        """Keys that come out different although nothing was moved."""
        return {key for key, _ in self._changed(self.held)}

    def children(self, parent: str) -> set[str]:
        """Keys that move with `parent`, in any of its moves."""
        moving: set[str] = set()
        for move in moves(parent):
            moved = {place: move(values) for place, values in self.held.items() if place[0] == parent}
            if not moved or any(values is None for values in moved.values()):
                continue
            held = {place: values for place, values in self.held.items() if place[0] != _RELEASED.get(parent)}
            changed = self._changed({**held, **moved})
            moving |= {key for key, place in changed if not (parent == "oversample" and place[0] > 0)} - {parent}
        return moving

    def _changed(self, replaced: Values) -> Iterator[Place]:
        told = self.run(replaced)
        return (p for p, values in self.undisturbed.items() if p in told and _differ(values, told[p]))
