"""Damaged input files for both programs: a result or one line, exit status 0 or 2, within seconds."""

import contextlib
import io
import os
import random
import subprocess
import time
import unicodedata
from pathlib import Path

from nanobrag_torch.cli.run import main as torch_program
from tests.fuzz.damage import damaged
from tests.fuzz.run_targets import CORPUS

FIELD = Path(__file__).resolve().parents[1] / "field" / "files"
C_PROGRAM = "NB_FUZZ_C"  # names the C program; without it that one is left out
SLOWEST_S = 30.0
_CELL = ["-cell", "50", "60", "70", "80", "95", "100", "-N", "2"]
_SMALL = ["-detpixels", "2", "-oversample", "1", "-nopgm", "-nonoise", "-noprogress", "-roi", "0", "0", "0", "0"]
_IMAGE = ["-oversample", "1", "-nopgm", "-nonoise", "-noprogress", "-roi", "0", "0", "0", "0"]
LINE_OF = {
    "hkl": [*_CELL, *_SMALL, "-hkl"],
    "matrix": ["-default_F", "1", *_SMALL, "-mat"],
    "sourcefile": [*_CELL, "-default_F", "1", *_SMALL, "-sourcefile"],
    "stol": [*_CELL, "-default_F", "1", *_SMALL, "-stol"],
    "mask": [*_CELL, "-default_F", "1", *_IMAGE, "-mask"],
    "img": [*_CELL, "-default_F", "1", *_IMAGE, "-img"],
    "fdump": [*_CELL, *_SMALL, "-dumpfile"],
}
_KIND_OF = {".mtz": "hkl", ".cif": "hkl", ".pdb": "hkl", ".ent": "hkl", ".gz": "hkl", ".hkl": "hkl", ".mat": "matrix"}


def any_input(rng: random.Random, of_torch: bool) -> tuple[str, str, bytes]:
    """Its reader, its name, and a damaged copy of a kept input."""
    if of_torch and rng.random() < 0.5:
        path = rng.choice(sorted(FIELD.iterdir()))
        kind = _KIND_OF.get(path.suffix, "img")
    else:
        kind = rng.choice(sorted(LINE_OF))
        path = rng.choice(sorted((CORPUS / kind).iterdir()))
    return kind, f"input{path.suffix}", damaged(rng, path.read_bytes())


def fuzz_torch_program(rng: random.Random, base: Path, folder: Path) -> None:
    """One input file of the torch program."""
    kind, name, data = any_input(rng, of_torch=True)
    (folder / name).write_bytes(data)
    out, error = io.StringIO(), io.StringIO()
    started = time.monotonic()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        status = torch_program([*LINE_OF[kind], name])
    _check("nanobrag_torch", status, out.getvalue() + error.getvalue(), error.getvalue(), time.monotonic() - started)
    if status:
        assert [path.name for path in folder.iterdir()] == [name], "a refused input left files"


def fuzz_c_program(rng: random.Random, base: Path, folder: Path) -> None:
    """One input file of the C program."""
    program = os.environ.get(C_PROGRAM)
    if program is None:
        return
    kind, name, data = any_input(rng, of_torch=False)
    (folder / name).write_bytes(data)
    started = time.monotonic()
    done = subprocess.run(
        [program, *LINE_OF[kind], name], cwd=folder, capture_output=True, timeout=SLOWEST_S, check=False
    )
    said, error = (stream.decode(errors="replace") for stream in (done.stdout + done.stderr, done.stderr))
    _check("nanobragg", done.returncode, said, error, time.monotonic() - started)


def _check(program: str, status: int, said: str, error: str, seconds: float) -> None:
    assert status in (0, 2), f"exit status {status}: {error}"
    assert seconds < SLOWEST_S, f"{seconds:.1f} s"
    strange = [char for char in said if char != "\n" and unicodedata.category(char) in ("Cc", "Cs", "Co", "Zl", "Zp")]
    assert not strange, f"control character {strange[0]!r} on the terminal"
    if status == 2:
        last = error.splitlines()[-1] if error else ""
        assert last.startswith(f"{program}: error: ") and error.count(": error: ") == 1, f"no one line: {error!r}"
