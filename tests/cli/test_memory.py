"""Memory of a whole run: the float image and little else, however large the detector is."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import BASE

EVERY_FILE = ["-hdf5file", "x.h5", "-seed", "1", "-roi", "10", "50", "10", "50"]


def peak_bytes(words: list[str], folder: Path) -> int:
    """Largest resident memory of a run of the program."""
    command = [sys.executable, "-m", "nanobrag_torch", *words]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (folder / "output").read_text()
    return usage.ru_maxrss * 1024


def test_files_are_written_some_rows_at_a_time(tmp_path):
    pixels = 6144
    small = peak_bytes([*BASE, "-detpixels", "64", "-pixel", "0.01", *EVERY_FILE], tmp_path)
    large = peak_bytes([*BASE, "-detpixels", str(pixels), "-pixel", "0.01", *EVERY_FILE], tmp_path)
    image_bytes = 4 * pixels**2
    sizes = {name: (tmp_path / name).stat().st_size for name in ("floatimage.bin", "intimage.img", "noiseimage.img")}
    assert sizes == {
        "floatimage.bin": image_bytes,
        **dict.fromkeys(("intimage.img", "noiseimage.img"), image_bytes // 2 + 512),
    }
    # the image itself; the rest is a chunk of HDF5, which grows no further
    assert image_bytes < large - small < 2.5 * image_bytes
