"""`make package-check`: build sdist and wheel, install the wheel in an empty environment, use all of it.

The empty environment gets what the wheel's metadata asks for, at the versions of the lock, from where pip is set to
look. There, away from the checkout: both commands, every command of the audit (with the extra `audit`), the Python
interface, and an image that is the one of the checkout, byte for byte.
"""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = "import sys, setuptools.build_meta as backend; print(getattr(backend, 'build_' + sys.argv[1])(sys.argv[2]))"
FLAGS = "-cell 50 60 70 90 90 90 -lambda 1 -N 5 -default_F 100 -detpixels 64 -distance 50 -floatfile"
USE = """
import torch, nanobrag_torch
from nanobrag_torch import Beam, Crystal, Detector, Experiment, StructureFactors, simulate
experiment = Experiment(
    crystal=Crystal(cell_lengths_A=(50.0, 60.0, 70.0), n_cells=(5, 5, 5)), beam=Beam(wavelength_m=1e-10),
    detector=Detector(n_fast=24, n_slow=16, distance_m=0.05, oversample=1),
    structure_factors=StructureFactors(default_F=100.0))
image = simulate(experiment, device="cpu", dtype=torch.float64)
assert image.shape == (16, 24) and float(image.sum()) > 0
assert all(hasattr(nanobrag_torch, name) for name in nanobrag_torch.__all__)
print(nanobrag_torch.__file__)
"""


def run(*command: object, **options: object) -> str:
    """Standard output; any other exit status than 0 stops the check and shows all output."""
    done = subprocess.run(
        [str(argument) for argument in command], capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        raise SystemExit(f"error: package-check: exit status {done.returncode} of: {' '.join(map(str, command))}")
    return done.stdout


def built(folder: Path) -> Path:
    """The wheel, built from the unpacked sdist of the files that git knows."""
    sources = folder / "sources"
    for name in run("git", "ls-files", "-z", cwd=REPOSITORY).split("\0"):
        if name and not (REPOSITORY / name).is_symlink() and (REPOSITORY / name).is_file():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            (sources / name).write_bytes((REPOSITORY / name).read_bytes())
    sdist = folder / run(sys.executable, "-c", BUILD, "sdist", folder, cwd=sources).splitlines()[-1]
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return folder / run(sys.executable, "-c", BUILD, "wheel", folder, cwd=unpacked).splitlines()[-1]


def uv_install(python: Path, *arguments: object) -> None:
    """Install with the uv of this environment into that of `python`, at the locked versions."""
    spec = importlib.util.spec_from_file_location("install", REPOSITORY / "envs/install.py")
    install = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(install)
    command, environment = install.uv_command(install.pip_settings())
    command[command.index(sys.executable)] = str(python)
    if not Path(command[0]).exists():
        command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    torch = importlib.metadata.version("torch")
    parts = [(install.LOCK / f"{name}.txt").read_text() for name in ("wheels", "source", "torch")]
    pins = python.parent / "pins.txt"
    pins.write_text("\n".join(re.findall(r"^(?!torch=)[a-z][^\\\n]*", "".join(parts), re.MULTILINE)))
    arguments = [*map(str, [*command, "--constraint", pins, f"torch=={torch}", *arguments])]
    if torch.endswith("+cpu"):
        offered = subprocess.run([*arguments, "--dry-run"], env=environment, capture_output=True, check=False)
        arguments += ["--extra-index-url", install.CPU_INDEX] if offered.returncode else []
    run(*arguments, env=environment)


def used(folder: Path, bin_folder: Path) -> None:
    """Both commands and the interface, in an empty folder, with nothing of this environment or checkout in reach."""
    plain = {"PATH": f"{bin_folder}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    here = {"cwd": folder, "env": plain}
    run(bin_folder / "nanobrag-torch", *FLAGS.split(), "wheel.bin", **here)
    run(sys.executable, "-m", "nanobrag_torch", *FLAGS.split(), "checkout.bin", cwd=folder)
    if (folder / "wheel.bin").read_bytes() != (folder / "checkout.bin").read_bytes():
        raise SystemExit("error: package-check: the wheel and the checkout make different images")
    if str(bin_folder.parent) not in run(bin_folder / "python", "-c", USE, **here):
        raise SystemExit("error: package-check: python took nanobrag_torch from somewhere else")
    if "F_cell" not in run(bin_folder / "nanobrag-audit", "explain", "F_cell", **here):
        raise SystemExit("error: package-check: nanobrag-audit explain F_cell does not explain it")
    run(bin_folder / "nanobrag-audit", "doctor", **here)
    print("  nanobrag-torch, nanobrag-audit and the Python interface work without extras")


def commands(folder: Path, bin_folder: Path) -> None:
    """Every command of the audit starts, with the extra that it is declared to need."""
    code = "from trace_audit.__main__ import FOR_PEOPLE, FOR_RULES; print(*FOR_PEOPLE, *FOR_RULES)"
    names = run(bin_folder / "python", "-c", code, cwd=folder).split()
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module('trace_audit.' + name)"
    run(bin_folder / "python", "-c", script, *names, cwd=folder)
    run(bin_folder / "nanobrag-audit", "--help", cwd=folder)
    print(f"  with the extra audit: {len(names)} commands start")


def main() -> int:
    """Build, install, use; 0 when all of it worked."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = built(folder)
        print(f"  built {wheel.name} and its sdist")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "empty"], check=True)
        bin_folder = folder / "empty/bin"
        (folder / "work").mkdir()
        uv_install(bin_folder / "python", wheel)
        used(folder / "work", bin_folder)
        uv_install(bin_folder / "python", f"{wheel}[audit]")
        commands(folder / "work", bin_folder)
    print("package-check: 4 passed, 0 failed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
