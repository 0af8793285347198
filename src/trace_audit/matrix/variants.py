"""The ways to compute one experiment: C by compiler and options, torch by backend, type and device."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COMPILERS = ("gcc", "clang")
# added to the Makefile's options; of two contradicting options the last counts
OPTIONS = (
    ("-O0",),
    ("-O2",),
    ("-O3",),
    ("-O3", "-march=native", "-ffp-contract=fast"),
    ("-O3", "-march=native", "-ffp-contract=fast", "-ffast-math"),
)
STRICTEST = OPTIONS[0]


@dataclass(frozen=True)
class CVariant:
    """The C program by one compiler with some options. `openmp` False: no OpenMP, so one thread runs."""

    compiler: str
    options: tuple[str, ...]
    openmp: bool = True

    @property
    def name(self) -> str:
        """The name in the table."""
        return f"{self.compiler} {' '.join(self.options)}"

    dtype = "float64"


@dataclass(frozen=True)
class TorchVariant:
    """The torch program by one backend, in one type, on one device."""

    backend: str
    dtype: str
    device: str

    @property
    def name(self) -> str:
        """The name in the table."""
        return f"torch {self.backend} {self.dtype} {self.device}"


Variant = CVariant | TorchVariant


@dataclass(frozen=True)
class Plan:
    """The variants to compute, the strictest first, and those left out, each with its reason."""

    variants: tuple[Variant, ...]
    left_out: tuple[tuple[str, str], ...]


def plan(compilers: Sequence[str] = COMPILERS, *, torch: bool = True) -> Plan:
    """The plan for this machine."""
    variants: list[Variant] = []
    left_out: list[tuple[str, str]] = []
    for compiler in compilers:
        lack, openmp = _compiler_lack(compiler)
        if lack:
            left_out.append((compiler, lack))
            continue
        if not openmp:
            left_out.append((f"{compiler} -fopenmp", "has no OpenMP here: one thread, same numbers"))
        for options in OPTIONS:
            variants.append(CVariant(compiler, options, openmp))
    if torch:
        for device in ("cpu", "cuda"):
            lack = _device_lack(device)
            if lack:
                left_out.append((f"torch {device}", lack))
                continue
            variants += _torch_variants(device)
    return Plan(tuple(variants), tuple(left_out))


def _torch_variants(device: str) -> Iterator[TorchVariant]:
    for backend in ("eager", "compiled"):
        for dtype in ("float64", "float32"):
            yield TorchVariant(backend, dtype, device)


def _compiler_lack(compiler: str) -> tuple[str, bool]:
    """Why a compiler cannot be used, empty if it can; and whether it has OpenMP."""
    if shutil.which(compiler) is None:
        return "not on PATH", False
    plain = _compiles(compiler, "int main(void) { return 0; }")
    if plain is not None:
        return f"does not compile a program: {plain}", False
    return "", _compiles(
        compiler, "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }", "-fopenmp"
    ) is None


def _compiles(compiler: str, text: str, *flags: str) -> str | None:
    """None if the text compiles and links, otherwise the last line of the compiler's output."""
    with tempfile.TemporaryDirectory(prefix="compiler-") as folder:
        source = Path(folder) / "a.c"
        source.write_text(text, encoding="utf-8")
        command = [compiler, "-std=c11", *flags, "-o", str(source.with_suffix("")), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it says nothing"])[-1][:200]


def _device_lack(device: str) -> str:
    from trace_audit.config.device import choose_device

    choice = choose_device(device, allow_missing=True)
    return "" if choice.used else choice.reason
