"""Build the reference program and record what it was built from, or record one that is already built.

    python -m trace_audit.programs.build make --source FOLDER_OR_C_FILE --binary OUT --record OUT.json [--compiler gcc]
    python -m trace_audit.programs.build record --binary PROGRAM --record OUT.json

The record holds the compiler and its version, the commands, and the sha256 of every source file and of the binary. It
holds no time, so building twice gives the same record.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import (
    canonical_json,
    printable,
    readable_json,
    sha256_of_bytes,
    sha256_of_file,
    write_atomic,
)

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
BINARY_NAMES = ("nanobragg", "nanoBragg")
SINGLE_FILE_FLAGS = ["-O2", "-ffp-contract=off", "-fno-fast-math", "-fopenmp"]
SCRATCH = "$BUILD"


def source_files(source: Path) -> list[Path]:
    """Every regular file below `source` except hidden ones, sorted; or the C file itself."""
    if source.is_file():
        return [source]
    files = (path for path in source.rglob("*") if path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(source).parts))


def find_tool(name: str, package: str) -> str:
    """Full path of a program. Raises InputError naming what to install."""
    path = shutil.which(name)
    if path is None:
        raise InputError(f"{name} not found on PATH, needed to build the reference; install {package}")
    return path


def hashes(source: Path) -> dict[str, str]:
    """sha256 of each source file by its path below `source`."""
    base = source if source.is_dir() else source.parent
    return {str(path.relative_to(base)): sha256_of_file(path) for path in source_files(source)}


def make(source: Path, compiler: str, jobs: int, binary: Path, record: Path) -> None:
    """Build `source` in a scratch copy, then put the binary and its record in place, each complete or not at all."""
    compiler_path = find_tool(compiler, f"{compiler} (Debian: apt install build-essential)")
    before = hashes(source)
    with tempfile.TemporaryDirectory(prefix="nanobragg-build-") as scratch:
        built, commands = _build(source, compiler, jobs, Path(scratch))
        content = built.read_bytes()
    described = {
        "kind": "built",
        "binary_sha256": sha256_of_bytes(content),
        "source": os.path.relpath(source),
        "source_sha256": sha256_of_bytes(canonical_json(before).encode()),
        "sources": before,
        "compiler": {"command": compiler, "path": compiler_path, "version": _version(compiler_path)},
        "commands": commands,
    }
    write_atomic(binary, content)
    binary.chmod(0o755)
    write_atomic(record, readable_json(described))


def record_external(binary: Path, record: Path) -> None:
    """Record a program that was built elsewhere: only its path and hash are known."""
    if not (binary.is_file() and os.access(binary, os.X_OK)):
        raise InputError(f"reference binary {binary} is no executable file; give the path of a built nanoBragg")
    described = {"kind": "external", "binary": str(binary.resolve()), "binary_sha256": sha256_of_file(binary)}
    write_atomic(record, readable_json(described))


def _build(source: Path, compiler: str, jobs: int, scratch: Path) -> tuple[Path, list[str]]:
    """Path of the program built in `scratch`, and the commands that made it, with the scratch path written $BUILD."""
    if source.is_file():
        built = scratch / "nanobragg"
        command = [compiler, *SINGLE_FILE_FLAGS, "-o", str(built), str(source.resolve()), "-lm"]
        _run(command, scratch)
        return built, [" ".join(command).replace(str(scratch), SCRATCH).replace(str(source.resolve()), source.name)]
    if not any((source / name).is_file() for name in MAKEFILES):
        raise InputError(f"reference source {source}: no Makefile in that folder; give a folder with one, or a .c file")
    tree, output = scratch / "source", scratch / "build"
    shutil.copytree(source, tree, ignore=shutil.ignore_patterns(".*"))
    output.mkdir()
    command = [find_tool("make", "make (Debian: apt install build-essential)"), f"CC={compiler}", f"BUILD={output}"]
    planned = _run([*command, "-n"], tree)
    started = tree.stat().st_mtime_ns
    _run([*command, f"-j{jobs}"], tree)
    lines = [line.strip().replace(str(output), SCRATCH).replace(str(tree), ".") for line in planned.splitlines()]
    return _find_binary([output, tree], started), [line for line in lines if compiler in line.split()]


def _run(command: list[str], folder: Path) -> str:
    """Standard output of a command; its diagnostics go to stderr. Raises InputError when it fails."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    output, diagnostics = (stream.decode(errors="backslashreplace") for stream in (done.stdout, done.stderr))
    for line in diagnostics.splitlines() + (output.splitlines() if done.returncode else []):
        print(printable(line), file=sys.stderr)
    if done.returncode != 0:
        raise InputError(f"building the reference failed with exit code {done.returncode}: {' '.join(command)}")
    return output


def _find_binary(folders: list[Path], started_ns: int) -> Path:
    """The program that make has just written: by name, else the only new executable."""
    new = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and os.access(path, os.X_OK) and path.stat().st_mtime_ns >= started_ns
    ]
    named = [path for path in new if path.name in BINARY_NAMES]
    chosen = named or new
    if len(chosen) != 1:
        names = ", ".join(path.name for path in chosen) or "none"
        raise InputError(f"make wrote no program called {' or '.join(BINARY_NAMES)}; executables found: {names}")
    return chosen[0]


def _version(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], text=True, capture_output=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.programs.build", description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    building = actions.add_parser("make", help="build a source")
    building.add_argument("--source", type=Path, required=True, help="folder with a Makefile, or one C file")
    building.add_argument("--compiler", default="gcc")
    building.add_argument("--jobs", type=int, default=1)
    recording = actions.add_parser("record", help="record a program that is already built")
    for action in (building, recording):
        action.add_argument("--binary", type=Path, required=True)
        action.add_argument("--record", type=Path, required=True)
    options = parser.parse_args(argv)
    if options.action == "make":
        make(options.source, options.compiler, options.jobs, options.binary, options.record)
    else:
        record_external(options.binary, options.record)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
