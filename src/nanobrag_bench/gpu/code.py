"""The CUDA code as nvcc compiles it: registers, spills and instructions per step, as a table. No GPU is needed.

A step is one pass of the kernel's loop over orientations; its instructions are counted in the disassembly, those in
double precision, of which a processor does half as many, by themselves too.
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
from nanobrag_torch.backends.compiled.compiler import source_of
from nanobrag_torch.backends.compiled.cuda_text import THREADS_PER_BLOCK
from nanobrag_torch.backends.compiled.programs import PROGRAMS, TABLE
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
_DOUBLE = ("DADD", "DMUL", "DFMA", "DSETP")
_SPILLED = ("LDL", "STL")
_SMALLEST = 100  # instructions of a loop over orientations, around which there may be loops over samples and sources


class Kernel(NamedTuple):
    """Figures of one compiled kernel."""

    registers: int
    spilled_bytes: int
    step: int  # instructions
    of_double: int
    in_memory: int = 0  # instructions of the step that read or write what was spilled

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
                slopes = PROGRAMS["photons"].derivative((TABLE,))
                kernels[f"by amplitudes, {shape}, {kind}"] = source_of(slopes, model, device="cuda")[0]
                slopes, model = PROGRAMS["photons"].derivative(_BY), _model(dtype, flags, interpolate=True)
                kernels[f"derivatives, interpolated, {kind}"] = source_of(slopes, model, device="cuda")[0]
    return kernels


def read(report: str, disassembly: str) -> Kernel:
    """A kernel from the output of ptxas -v and from the disassembly."""
    registers = re.search(r"Used (\d+) registers", report)
    spilled = sum(map(int, re.findall(r"(\d+) bytes spill", report)))
    lines = re.findall(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);", disassembly, re.MULTILINE)
    code = [(int(address, 16), text) for address, text in lines]
    loops = _loops(code)
    large = [loop for loop in loops if len(loop) >= _SMALLEST]  # others are inside a function of the step
    step = min(large, key=len) if large else max(loops, key=len, default=[])
    if registers is None or not step:
        raise InputError(f"nvcc's report names no registers, or its code has no loop: {report.strip()[-200:]}")
    operations = [re.sub(r"^@!?U?P\w+\s+", "", text).split()[0].split(".")[0] for text in step]
    counts = (sum(operation in kinds for operation in operations) for kinds in (_DOUBLE, _SPILLED))
    return Kernel(int(registers.group(1)), spilled, len(step), *counts)


def _loops(code: Sequence[tuple[int, str]]) -> list[list[str]]:
    """The instructions between an earlier target and the last branch to it."""
    loops = {}
    for address, text in code:
        target = re.search(r"\bBRA\b.*?(0x[0-9a-f]+)", text)
        if target and int(target.group(1), 16) < address:
            first = int(target.group(1), 16)
            loops[first] = [operation for at, operation in code if first <= at <= address]
    return list(loops.values())


def compiled(text: str, nvcc: Path, architecture: str) -> Kernel:
    """One kernel. Raises InputError if it does not compile, OSError if there is no nvcc."""
    with tempfile.TemporaryDirectory(prefix="nvcc-") as folder:
        source, code = Path(folder) / "kernel.cu", Path(folder) / "kernel.cubin"
        source.write_text(text)
        made = _run([nvcc, "-w", f"-arch={architecture}", "-cubin", "-Xptxas", "-v", source, "-o", code])
        beside = nvcc.with_name("cuobjdump") if nvcc.parent != Path() else "cuobjdump"
        return read(made, _run([beside, "-sass", code]))


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout + done.stderr


def table(nvcc: Path, architectures: Sequence[str]) -> str:
    """The table of docs/compiled.md, and the version of the compiler below it."""
    lines = [
        "| kernel | card | registers | spilled bytes | occupancy | instructions a step | double | spills |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, text in texts().items():
        for architecture in architectures:
            kernel = compiled(text, nvcc, architecture)
            figures: list[object] = [kernel.registers, kernel.spilled_bytes, f"{kernel.occupancy:.0%}", kernel.step]
            figures += [kernel.of_double, kernel.in_memory]
            lines.append(f"| {name} | {architecture} | {' | '.join(map(str, figures))} |")
    version = _run([nvcc, "--version"]).strip().splitlines()[-2:]
    return "\n".join([*lines, "", version[0]])
