"""Runs one command line with the C program and with torch, and compares images, files and traces."""

import contextlib
import io
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nanobrag_torch import cli
from nanobrag_torch.trace import trace_lines
from tests.parity.command_lines import CommandLine
from trace_audit.compare.comparison import Comparison, compare
from trace_audit.trace.parse import is_trace_line, parse_trace

FLOAT_FILE = "float.bin"
LARGEST_DIFFERENCE = {torch.float64: 1e-7, torch.float32: 1e-5}  # of the peak


@dataclass(frozen=True)
class Run:
    """The output of one program: its image (slow, fast) as float64, and the bytes of every file."""

    image: np.ndarray
    files: dict[str, bytes]


class Pair:
    """Both programs on one command line, each in a folder of its own."""

    def __init__(self, binary: Path, line: CommandLine, folder: Path) -> None:
        self.binary, self.line, self.folder = binary, line, folder

    def run_c(self) -> Run:
        with self._fresh("c") as here:
            self._c(["-floatfile", FLOAT_FILE], here)
            return self._run(here)

    def run_torch(self, dtype: torch.dtype) -> Run:
        name = str(dtype).removeprefix("torch.")
        with self._fresh(name) as here:
            printed, complaints = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
                code = cli.main([*self.line.words, "-floatfile", FLOAT_FILE, "-dtype", name])
            assert code == 0, f"torch refuses what C computes: {complaints.getvalue()}{self.line}"
            return self._run(here)

    def compare_traces(self, slow: int, fast: int, dtype: torch.dtype) -> Comparison:
        """The traces of a pixel; checks that both programs print the same keys in the same order."""
        flags = ["-roi", *map(str, (fast, fast, slow, slow)), "-trace_pixel", str(slow), str(fast)]
        if "-printout_pixel" in self.line.words:
            flags += ["-printout_pixel", str(fast), str(slow)]
        with self._fresh(f"trace_{slow}_{fast}_{str(dtype).removeprefix('torch.')}") as here:
            c = [row for row in self._c(flags, here).splitlines() if is_trace_line(row)]
            invocation = cli.parse([*self.line.words, *flags])
            py = list(trace_lines(invocation.experiment, slow, fast, dtype=dtype))
        assert [_label(row) for row in c] == [_label(row) for row in py], f"other keys or another order: {self.line}"
        return compare(parse_trace(c), parse_trace(py))

    @contextlib.contextmanager
    def _fresh(self, name: str):
        here = self.folder / name
        here.mkdir()
        for file, content in self.line.files.items():
            (here / file).write_bytes(content)
        with contextlib.chdir(here):
            yield here

    def _c(self, flags: list[str], here: Path) -> str:
        command = [self.binary, *self.line.words, *flags]
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"the line is not valid: {done.stderr}{self.line}"
        return done.stdout

    def _run(self, here: Path) -> Run:
        made = {path.name: path.read_bytes() for path in here.iterdir() if path.name not in self.line.files}
        integers = next(made[name] for name in ("integers.img", "intimage.img") if name in made)
        n_fast, n_slow = (int(re.search(rf"SIZE{i}=(\d+)".encode(), integers)[1]) for i in (1, 2))
        image = np.frombuffer(made[FLOAT_FILE], np.float32).reshape(n_slow, n_fast)
        return Run(image.astype(float), made)


def _label(row: str) -> str:
    """A trace line without its program and its values; of a term or per-step line, with the indices."""
    row = row.replace("TRACE_PY", "TRACE_C", 1)
    if row.startswith(("TRACE_C_PHI", "TRACE_C: subpixel")):
        return row.split(" phi_deg")[0]
    if row.startswith("TRACE_C: term "):
        return " ".join(row.split()[:8])
    return re.split(r"[ =]", row.replace(": ", ":", 1))[0]


def difference(image: np.ndarray, reference: np.ndarray) -> float:
    """Largest |dI| over the peak of the reference, or of the image if that is higher."""
    assert image.shape == reference.shape
    assert np.isfinite(image).all() and np.isfinite(reference).all()
    peak = max(np.abs(reference).max(), np.abs(image).max())
    return np.abs(image - reference).max() / peak if peak else 0.0
