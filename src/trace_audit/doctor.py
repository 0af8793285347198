"""`python -m trace_audit doctor`: the tools of this machine, the effect of each missing one, and what to type.

Exit status 0 if an audit has everything it needs, else 1. Nothing is changed; torch is imported.
"""

import importlib.metadata
import importlib.util
import locale
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trace_audit.core.commands import command_parser
from trace_audit.core.errors import run_command

OURS = "nanobragg-audit"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DISK_WANTED_GB = 2.0
_OPENMP = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


@dataclass(frozen=True)
class Finding:
    """One check: `costs` and `remedy` say what a missing tool means and what to type."""

    name: str
    there: bool
    what: str
    costs: str = ""
    remedy: str = ""
    needed: bool = False


def compilers() -> Iterator[Finding]:
    """The compiler that builds the reference, and its OpenMP."""
    path = shutil.which(os.environ.get("CC") or "gcc")
    install = "apt install build-essential, or NB_C_BIN=/path/to/nanoBragg"
    yield Finding("compiler", bool(path), path or "none", "the reference cannot be built", install, needed=True)
    works = False
    if path:
        command = [path, "-fopenmp", "-x", "c", "-fsyntax-only", "-"]
        works = subprocess.run(command, input=_OPENMP, text=True, capture_output=True, check=False).returncode == 0
    yield Finding("OpenMP", works, "works" if works else "none", "the reference cannot be built", install, needed=True)
    make = shutil.which("make")
    yield Finding("make", bool(make), make or "none", "the reference cannot be built", install, needed=True)


def packages() -> Iterator[Finding]:
    """Whether another distribution also installs a package called nanobrag_torch."""
    owners = set(importlib.metadata.packages_distributions().get("nanobrag_torch", ()))
    other_distributions = sorted(owners - {OURS})
    costs = "files of the two stand in one folder, whichever came last"
    remedy = f"pip uninstall {' '.join([*other_distributions, OURS])}; pip install {OURS} in an environment of its own"
    owner = f"nanobrag_torch of {' and '.join(sorted(owners)) or Path(__file__).parents[1]}"
    yield Finding("package", not other_distributions, owner, costs, remedy, needed=True)


def torch_and_gpu() -> Iterator[Finding]:
    """The build of torch, and whether it sees a GPU."""
    if importlib.util.find_spec("torch") is None:
        yield Finding("torch", False, "none", "nothing can be simulated in torch", "make setup", needed=True)
        return
    import torch

    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    yield Finding("torch", True, f"{torch.__version__}, {build}")
    has_gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name(0) if has_gpu else "none that torch can use"
    yield Finding(
        "GPU", has_gpu, name, "audits and images on the CPU alone", "keep devices: [cpu] in config/config.yaml"
    )


def programs() -> Iterator[Finding]:
    """Optional programs: a cluster, a browser, signing."""
    sbatch = shutil.which("sbatch")
    yield Finding("Slurm", bool(sbatch), sbatch or "none", "no PROFILE=slurm", "start on a login node of a cluster")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    skipped = "tests of the report are skipped; the report itself needs none here"
    yield Finding("browser", bool(browser), browser or "none", skipped, "apt install chromium")
    keygen = shutil.which("ssh-keygen")
    yield Finding("ssh-keygen", bool(keygen), keygen or "none", "records are not signed", "apt install openssh-client")


def surroundings(folder: Path) -> Iterator[Finding]:
    """Disk, the right to write, and the locale."""
    free_gb = shutil.disk_usage(folder).free / 1e9
    enough = free_gb >= DISK_WANTED_GB
    yield Finding("disk", enough, f"{free_gb:.1f} GB free in {folder}", "long runs may end half-way", "make clean")
    may = os.access(folder, os.W_OK)
    elsewhere = "snakemake -s /path/to/checkout/Snakefile --directory mine"
    yield Finding("writable", may, str(folder), "no audit can be made in this folder", elsewhere, needed=True)
    encoding = locale.getpreferredencoding(False)
    utf8 = encoding.lower().replace("-", "") == "utf8"
    yield Finding("locale", utf8, encoding, "names with accents may be printed wrongly", "export LC_ALL=C.UTF-8")


def findings(folder: Path) -> list[Finding]:
    """All checks, in the order of a first run."""
    version = sys.version.split()[0]
    python = Finding("python", sys.version_info >= (3, 11), version, "nothing runs", "make PYTHON=python3.12", True)
    return [python, *packages(), *compilers(), *torch_and_gpu(), *programs(), *surroundings(folder)]


def report(rows: list[Finding]) -> str:
    """The findings as text; a missing tool comes with its effect and remedy."""
    lines = []
    for row in rows:
        state = "ok" if row.there else "MISSING" if row.needed else "absent"
        lines.append(f"{state:8s} {row.name:10s} {row.what}")
        if not row.there:
            lines += [f"{'':19s} costs: {row.costs}", f"{'':19s} type:  {row.remedy}"]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    """Check, print, and return 0 if an audit can be made."""
    parser = command_parser("python -m trace_audit.doctor", __doc__)
    parser.parse_args(argv)
    rows = findings(Path.cwd())
    print(report(rows), end="")
    return 1 if any(row.needed and not row.there for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
