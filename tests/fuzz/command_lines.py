"""Command lines for both programs: good ones, and copies with words changed, dropped, doubled or exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nanobragg_tables import Flag, flags
from tests.reference.program import write_smv

ORDINARY = ["0", "1", "2", "3", "-1", "0.5", "90", "120", "1e-3", "-7.25", "40", "7", "100", "180", "1e6", "1e30"]
STRANGE = ["1e-290", "1e300", "nan", "inf", "1.", ".5", "5e", "+1", "--1", "1_0", "0x10", "2147483648", "-2147483648"]
STRANGE += ["007", "", "abc", "-inf", "INF", "0.5.5"]
NAMES = ["random", "xrandy", "sample", "BEAM", "none", "list", "default,+bogus", "historic,-phi_carryover", "a.hkl"]
NAMES += ["b.mat", "s.txt", "t.stol", "m.img", "F.bin", "absent", ".", "-", "out/x", "x", "é", "b\x07"]
BOTH = [flag for flag in flags() if {"c", "torch"} <= set(flag.programs) and flag.name not in ("--help", "--version")]
# flags that make a run long when their value grows are left to the parsers' own tests
QUICK = ["-detpixels", "3", "-oversample", "1", "-nopgm", "-nonoise", "-noprogress"]
GOOD = [
    "-cell 50 60 70 80 95 100 -default_F 10 -N 3 -distance 100 -pixel 1 -lambda 1.1",
    "-hkl a.hkl -mat b.mat -sourcefile s.txt -stol t.stol -energy 12000 -fluence 1e20",
    "-cell 50 -dumpfile F.bin -interpolate -phi 1 -osc 2 -phisteps 3 -mosaic 1 -mosaic_dom 4 -misset 1 2 3",
    "-cell 50 -default_F 1 -beam_vector 0.1 0 1 -fdet_vector 1 0 0 -sdet_vector 0 1 0 -odet_vector 0 0 1 -pivot sample",
    "-cell 50 60 70 -default_F 1 -xds -ORGX 2 -ORGY 2 -twotheta 10 -detector_thick 300 -detector_abs inf",
    "-cell 50 -default_F 1 -divergence 3 -divsteps 3 -dispersion 2 -dispsteps 3 -flux 1e12 -beamsize 0.05 -roi 0 1 0 2",
]


def write_inputs(folder: Path) -> None:
    """The files that the lines name; `F.bin` is a dump of one reflection."""
    (folder / "a.hkl").write_text("0 0 0 10\n1 2 3 40\n-2 0 1 5\n")
    (folder / "b.mat").write_text("0.02 0 0\n0 0.016 0.001\n0 0 0.014\n")
    (folder / "s.txt").write_text("-10 0 0 1 1e-10\n-10 0.1 0 2 1.1e-10\n")
    (folder / "t.stol").write_text("0 2.57\n0.5 1\n")
    (folder / "m.img").write_bytes(write_smv(np.eye(3), "PIXEL_SIZE=0.2;\nPHI=3;\n"))
    (folder / "F.bin").write_bytes(b"0 0 0 0 0 0\n\f" + np.arange(8.0).tobytes())


def random_value(rng: np.random.Generator, kind: str) -> str:
    odd = rng.random() < 0.1
    values = (STRANGE if odd else ORDINARY) if kind in ("float", "int") else (STRANGE if odd else NAMES)
    return values[rng.integers(len(values))]


def random_flag(rng: np.random.Generator) -> list[str]:
    flag: Flag = BOTH[rng.integers(len(BOTH))]
    spelling = flag.spellings[rng.integers(len(flag.spellings))]
    return [spelling, *(random_value(rng, arg.type) for arg in flag.args)]


def changed(arguments: list[str], rng: np.random.Generator) -> list[str]:
    """A copy with one thing different."""
    arguments = list(arguments)
    position = int(rng.integers(len(arguments)))
    kind = rng.integers(6)
    if kind <= 1:
        return (
            arguments[:position] + random_flag(rng) + arguments[position:]
            if rng.random() < 0.2
            else arguments + random_flag(rng)
        )
    if kind == 2:
        del arguments[position]
    elif kind == 3:
        arguments[position] = random_value(rng, "float")
    elif kind == 4:
        arguments.insert(position, arguments[int(rng.integers(len(arguments)))])
    else:
        arguments[position] = (
            arguments[position][: int(rng.integers(len(arguments[position]) + 1))] + "e1"[int(rng.integers(2)) :]
        )
    return arguments


def command_lines(count: int, seed: int) -> Iterator[list[str]]:
    """`count` lines, the same for the same seed, each a good one with one or two changes."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        arguments = GOOD[index % len(GOOD)].split()
        for _ in range(int(rng.integers(1, 3))):
            arguments = changed(arguments, rng)
        yield arguments + QUICK
