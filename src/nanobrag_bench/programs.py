"""The compared programs: our C source built in three ways, an external binary, the torch program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from trace_audit.core.errors import InputError
from trace_audit.core.files import sha256_of_file
from trace_audit.programs.build import find_tool

DTYPES = ("float32", "float64")
DEFAULT, PLAIN, TUNED, EXTERNAL = "C make", "C -O3", "C fast-math", "external"
# Our source uses NaN for values that are not given, so -ffast-math must keep NaN and infinity.
FLAGS = {
    PLAIN: ["-O3", "-fopenmp"],
    TUNED: ["-O3", "-fopenmp", "-march=native", "-ffast-math", "-fno-finite-math-only"],
}


class Program(NamedTuple):
    """A C program: its name in tables, and its path."""

    name: str
    binary: Path


def build_all(source: Path, folder: Path, external: Path | None, compiler: str = "gcc") -> dict[str, Any]:
    """Build our source as its Makefile does and with both sets of flags into `folder`; a record of commands and hashes.

    Raises InputError without compiler or make, or where building fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    compiler_path = find_tool(compiler, f"{compiler} (Debian: apt install build-essential)")
    commands, binaries = _commands(source, folder, compiler, compiler_path)
    for name, command in commands.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            complaint = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"benchmark: building {name} failed with {done.returncode}: {complaint}")
    version = subprocess.run([compiler_path, "--version"], capture_output=True, text=True, check=True).stdout
    programs = {
        name: {
            "binary": str(binary),
            "flags": FLAGS.get(name, ["as src/nanobragg_c/Makefile says"]),
            "sha256": sha256_of_file(binary),
        }
        for name, binary in binaries.items()
    }
    if external is not None:
        programs[EXTERNAL] = {"binary": str(external), "flags": ["unknown"], "sha256": sha256_of_file(external)}
    return {"compiler": version.splitlines()[0], "programs": programs}


def _commands(
    source: Path, folder: Path, compiler: str, compiler_path: str
) -> tuple[dict[str, list[str]], dict[str, Path]]:
    """The command that builds each program, and the file it makes."""
    made = folder / "make"
    make = [find_tool("make", "make"), "-s", "-C", str(source), f"CC={compiler}", f"BUILD={made.resolve()}", "all"]
    commands, binaries = {DEFAULT: make}, {DEFAULT: made / "nanobragg"}
    sources = sorted(map(str, source.rglob("*.c")))
    for name, flags in FLAGS.items():
        binaries[name] = folder / ("nanobragg_O3" if name == PLAIN else "nanobragg_fast_math")
        commands[name] = [compiler_path, *flags, f"-I{source}", *sources, "-o", str(binaries[name]), "-lm"]
    return commands, binaries


def c_programs(record: dict[str, Any]) -> list[Program]:
    """The programs of a record of `build_all`."""
    return [Program(name, Path(entry["binary"]).resolve()) for name, entry in record["programs"].items()]


def torch_command(argv: list[str], dtype: str, device: str = "cpu") -> list[str]:
    """A whole process of the torch program."""
    return [sys.executable, "-m", "nanobrag_torch", *torch_words(argv, dtype, device)]


def torch_words(argv: list[str], dtype: str, device: str = "cpu") -> list[str]:
    """The flags of the torch program that choose device and type."""
    return [*argv, "-device", device, "-dtype", dtype]
