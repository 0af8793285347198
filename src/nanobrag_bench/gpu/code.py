"""The CUDA code as nvcc compiles it: registers, spills, instructions and cycles, as a table. No GPU is needed.

A step is one pass of the kernel's loop over orientations, for one ray. Its instructions are counted in the disassembly,
and so are the cycles that it takes of the two kinds of units which have fewer lanes: those for float64, and those for
conversions and special functions. What a step takes is at least the largest of the three.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from nanobrag_bench.gpu.times import LARGE
from nanobrag_torch.backends.compiled.cuda_text import THREADS_PER_BLOCK, image_of
from nanobrag_torch.backends.compiled.programs import PROGRAMS, TABLE
from nanobrag_torch.backends.compiled.recording import source_of
from nanobrag_torch.cli import parse
from nanobrag_torch.model import Model
from nanobrag_torch.parameters import ReflectionTable
from nanobrag_torch.simulator import Simulation
from trace_audit.core.errors import InputError

_BY = (
    *("real_m", "geometry.pix0_m", "geometry.fdet", "geometry.sdet", "geometry.odet"),
    *("geometry.close_distance_m", "geometry.distance_m"),
)
_SHAPES = {"square": [], "round": ["-round_xtal"], "gauss": ["-gauss_xtal"]}
_REGISTERS, _THREADS = 65536, 2048  # of a processor, for compute capability 8.0 and 9.0
_FP64, _CONVERSIONS = ("DADD", "DMUL", "DFMA", "DSETP"), ("F2F", "F2I", "I2F", "FRND")
_CYCLES_OF_FP64 = {"sm_80": 4, "sm_90": 2}  # of a scheduler, for an instruction of 32 threads
_SPILLED = ("LDL", "STL")
_SMALLEST = 100  # instructions of a loop over orientations, around which there may be loops over samples and sources


class Kernel(NamedTuple):
    """Figures of one compiled kernel; a step is of one ray and orientation."""

    registers: int
    spilled_bytes: int
    step: float  # instructions: a scheduler of a processor starts one for 32 threads in a cycle
    fp64: float  # cycles that the step's arithmetic of float64 takes
    conversions: float  # cycles that its conversions of 64-bit numbers, reciprocals and roots take
    in_memory: float = 0  # instructions of the step that read or write what was spilled
    around: float = 0  # instructions of a ray around its steps

    @property
    def occupancy(self) -> float:
        """Share of a processor's threads that can run at once."""
        of_block = -(-self.registers // 8) * 8 * THREADS_PER_BLOCK
        return _REGISTERS // of_block * THREADS_PER_BLOCK / _THREADS


def _model(dtype: torch.dtype, flags: Sequence[str], interpolate: bool = False) -> Model:
    """A crystal with a table of amplitudes, in ten orientations."""
    line = f"{LARGE} -detpixels 64 -phi 0 -osc 0.1 -phisteps 10"
    experiment = parse([*line.split(), *flags]).experiment
    table = ReflectionTable(torch.ones(17, 17, 17, dtype=torch.float64), -8, -8, -8)
    factors = replace(experiment.structure_factors, table=table, interpolate=interpolate)
    return Simulation(replace(experiment, structure_factors=factors), dtype=dtype).model


def texts() -> dict[str, str]:
    """CUDA of the kernels in the table, by name."""
    kernels = {}
    for dtype in (torch.float32, torch.float64):
        kind = str(dtype).removeprefix("torch.")
        for shape, flags in _SHAPES.items():
            model = _model(dtype, flags)
            kernels[f"image, {shape}, {kind}"] = source_of(PROGRAMS["photons"], model, device="cuda")[0]
            if shape == "square":
                several = source_of(PROGRAMS["photons_of_samples_and_sources"], model, device="cuda")[0]
                kernels[f"image, samples and sources, {kind}"] = several
                slopes = PROGRAMS["photons"].derivative(_BY)
                kernels[f"derivatives, {shape}, {kind}"] = source_of(slopes, model, device="cuda")[0]
                slopes = PROGRAMS["photons_of_samples_and_sources"].derivative(_BY)
                kernels[f"derivatives, samples and sources, {kind}"] = source_of(slopes, model, device="cuda")[0]
                slopes = PROGRAMS["photons"].derivative((TABLE,))
                kernels[f"by amplitudes, {shape}, {kind}"] = source_of(slopes, model, device="cuda")[0]
                slopes, model = PROGRAMS["photons"].derivative(_BY), _model(dtype, flags, interpolate=True)
                kernels[f"derivatives, interpolated, {kind}"] = source_of(slopes, model, device="cuda")[0]
    return kernels


def read(report: str, disassembly: str, rays: int | None = None, architecture: str = "sm_90") -> Kernel:
    """A kernel from the output of ptxas -v and from the disassembly.

    `rays`: how many a thread of an image has at once, in a loop over more of them; None where it has one in all.
    """
    registers = re.search(r"Used (\d+) registers", report)
    spilled = sum(map(int, re.findall(r"(\d+) bytes spill", report)))
    lines = re.findall(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);", disassembly, re.MULTILINE)
    code = [(int(address, 16), text) for address, text in lines]
    loops = sorted(_loops(code), key=len)
    large = [loop for loop in loops if len(loop) >= _SMALLEST]  # others are inside a function of the step
    step = large[0] if large else loops[-1] if loops else []
    if registers is None or not step:
        raise InputError(f"nvcc's report names no registers, or its code has no loop: {report.strip()[-200:]}")
    last = max((at for at, text in code if text.endswith("EXIT ")), default=code[-1][0])
    whole = [one for one in code if one[0] <= last]  # functions for special cases come after that
    over_rays = (loop for loop in reversed(loops) if rays and len(loop) > len(step) and set(step) <= set(loop))
    around = next(over_rays, whole)
    operations = [re.sub(r"^@!?U?P\w+\s+", "", text).split()[0] for _, text in step]
    fp64 = sum(operation.split(".")[0] in _FP64 for operation in operations) * _CYCLES_OF_FP64.get(architecture, 2)
    spills = sum(operation.split(".")[0] in _SPILLED for operation in operations)
    counts = len(step), fp64, sum(map(_conversion, operations)), spills, len(around) - len(step)
    return Kernel(int(registers.group(1)), spilled, *(count / (rays or 1) for count in counts))


def _conversion(operation: str) -> int:
    """Cycles that an operation takes of the units for conversions and special functions."""
    kind = operation.split(".")[0]
    if kind == "MUFU" or (kind in _CONVERSIONS and "64" in operation):
        return 8
    return 2 if kind in _CONVERSIONS else 0


def _loops(code: Sequence[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """The instructions between an earlier target and the last branch to it."""
    loops = {}
    for address, text in code:
        target = re.search(r"\bBRA\b.*?(0x[0-9a-f]+)", text)
        if target and int(target.group(1), 16) < address:
            first = int(target.group(1), 16)
            loops[first] = [one for one in code if first <= one[0] <= address]
    return list(loops.values())


def compiled(text: str, nvcc: Path, architecture: str) -> Kernel:
    """One kernel. Raises InputError if it does not compile, OSError if there is no nvcc."""
    with tempfile.TemporaryDirectory(prefix="nvcc-") as folder:
        source, code = Path(folder) / "kernel.cu", Path(folder) / "kernel.cubin"
        source.write_text(text)
        made = _run([nvcc, "-w", f"-arch={architecture}", "-cubin", "-Xptxas", "-v", source, "-o", code])
        beside = nvcc.with_name("cuobjdump") if nvcc.parent != Path() else "cuobjdump"
        image = image_of(text)
        rays = None if image is None else image.rays_at_once
        return read(made, _run([beside, "-sass", code]), rays, architecture)


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout + done.stderr


_COLUMNS = ("kernel", "card", "registers", "spilled bytes", "occupancy")
_OF_A_STEP = ("instructions a step", "float64", "conversions", "spills", "instructions a ray")


def table(nvcc: Path, architectures: Sequence[str]) -> str:
    """The table of docs/compiled.md, and the version of the compiler below it."""
    columns = (*_COLUMNS, *_OF_A_STEP)
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, text in texts().items():
        for architecture in architectures:
            kernel = compiled(text, nvcc, architecture)
            figures: list[object] = [kernel.registers, kernel.spilled_bytes, f"{kernel.occupancy:.0%}"]
            figures += [f"{figure:.0f}" for figure in kernel[2:]]
            lines.append(f"| {name} | {architecture} | {' | '.join(map(str, figures))} |")
    version = _run([nvcc, "--version"]).strip().splitlines()[-2:]
    return "\n".join([*lines, "", version[0]])
