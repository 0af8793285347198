"""A whole run needs memory for the float image and little else, however large the detector is."""

import sys
from pathlib import Path

from nanobrag_bench.measure import measure
from tests.cli.conftest import BASE

FILES = {
    "-floatfile": "floatimage.bin",
    "-intfile": "intimage.img",
    "-noisefile": "noiseimage.img",
    "-hdf5file": "x.h5",
}


def peak_bytes(arguments: list[str], folder: Path) -> float:
    """Largest resident memory of a run of the program that computes a corner of the detector and writes every file."""
    files = [argument for flag, name in FILES.items() for argument in (flag, str(folder / name))]
    command = [*BASE, *arguments, *files, "-seed", "1", "-roi", "10", "50", "10", "50"]
    return measure([sys.executable, "-m", "nanobrag_torch", *command]).peak_MiB * 2**20


def test_files_are_written_some_rows_at_a_time(tmp_path):
    pixels = 6144
    small, large = (peak_bytes(["-detpixels", str(side), "-pixel", "0.01"], tmp_path) for side in (64, pixels))
    image_bytes = 4 * pixels**2
    sizes = {name: (tmp_path / name).stat().st_size for name in ("floatimage.bin", "intimage.img", "noiseimage.img")}
    assert sizes.pop("floatimage.bin") == image_bytes
    for name, size in sizes.items():  # compiled code says more of itself than fits the usual 512 bytes
        header_bytes = size - image_bytes // 2
        assert header_bytes in (512, 1024)
        with (tmp_path / name).open("rb") as file:
            assert f"HEADER_BYTES={header_bytes};".encode() in file.read(64)
    # the image itself; the rest is a chunk of HDF5, which grows no further
    assert image_bytes < large - small < 2.5 * image_bytes
