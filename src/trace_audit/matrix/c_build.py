"""The C program built with given options; its objects are kept, so that objects of two builds can be mixed."""

import os
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from trace_audit.core.errors import InputError
from trace_audit.matrix.variants import CVariant

PROGRAM = "nanobragg"
LINK = "(linking)"  # options of the linking step count too: -ffast-math changes how the processor rounds


@dataclass(frozen=True)
class Build:
    """One built program: `objects` by the name of their source file."""

    variant: CVariant
    program: Path
    objects: Mapping[str, Path]


def build(source: Path, variant: CVariant, folder: Path) -> Build:
    """Make the program in `folder`. Raises InputError with the compiler's message."""
    command = ["make", "-s", "-C", str(source), f"BUILD={folder}", f"CC={variant.compiler}"]
    command += [f"CFLAGS={' '.join(variant.options)} -Wno-error", f"OPENMP={'-fopenmp' if variant.openmp else ''}"]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    program = folder / PROGRAM
    if done.returncode != 0 or not program.is_file():
        lines = (
            [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["nothing"]
        )
        raise InputError(f"{variant.name} does not build {source}: {lines[0][:300]}")
    objects = folder / f"{PROGRAM}.objects"
    return Build(
        variant, program, {str(p.relative_to(objects).with_suffix(".c")): p for p in sorted(objects.rglob("*.o"))}
    )


def mixed(strict: Build, fast: Build, from_fast: Collection[str], program: Path) -> Path:
    """Link `program` from the objects of `strict`, except those in `from_fast` (or LINK), from the other build."""
    objects = [str((fast if name in from_fast else strict).objects[name]) for name in strict.objects]
    variant = (fast if LINK in from_fast else strict).variant
    openmp = ["-fopenmp"] if variant.openmp else []
    command = [variant.compiler, *openmp, *variant.options, *objects, "-o", str(program), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError(f"{variant.name}: linking objects of two builds failed: {done.stderr.strip()[:300]}")
    return program
