"""A folder with one small file of every kind, and the least command line that makes an image."""

import numpy as np
import pytest

from nanobrag_torch.io.fdump import write_fdump
from nanobrag_torch.io.hkl import Box

BASE = ["-cell", "50", "60", "70", "-default_F", "10"]


def smv_bytes(pixels: np.ndarray, **keys: str) -> bytes:
    """An SMV image as other programs write it."""
    n_slow, n_fast = pixels.shape
    fields = {"HEADER_BYTES": "512", "DIM": "2", "BYTE_ORDER": "little_endian", "TYPE": "unsigned_short"}
    fields |= {"SIZE1": str(n_fast), "SIZE2": str(n_slow)} | keys
    order = ">" if fields["BYTE_ORDER"] == "big_endian" else "<"
    text = "{\n" + "".join(f"{key}={value};\n" for key, value in fields.items()) + "}\f"
    return text.ljust(int(fields["HEADER_BYTES"])).encode() + pixels.astype(order + "u2").tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder of the test, with input files."""
    (tmp_path / "a.mat").write_text("0.02 0 0\n0 0.02 0\n0 0 0.02\nfurther text\n")
    (tmp_path / "f.hkl").write_text("# comment\n1 0 0 10\n0 2 0 20\n0 0 -3 30\n1 0 0 11\n")
    (tmp_path / "g.cif").write_text(
        "data_x\n_symmetry.space_group_name_H-M 'P 1'\nloop_\n_refln.index_h\n_refln.index_k\n_refln.index_l\n"
        "_refln.F_meas\n_refln.F_calc\n0 0 2 5 7\n"
    )
    (tmp_path / "src.txt").write_text("-10 0 0 1 1e-10\n-10 0.01 0 2 1.1e-10\n")
    (tmp_path / "w.stol").write_text("0 2.57\n1 1.5\n")
    (tmp_path / "m.img").write_bytes(smv_bytes(np.ones((8, 8))))
    write_fdump(tmp_path / "F.bin", Box(np.full((2, 2, 2), 7.0), 0, 0, 0))
    monkeypatch.chdir(tmp_path)
    return tmp_path
