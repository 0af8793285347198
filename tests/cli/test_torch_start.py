"""What only torch's compilers need is put off in the program's own process, and there when something asks for it."""

import subprocess
import sys

import pytest

START = """
import sys
from nanobrag_torch.cli.torch_start import put_off_compilers
put_off_compilers()
import torch
put_off = ("torch.export", "torch._meta_registrations")
def unread():
    return [name for name in put_off if type(sys.modules[name]).__name__ == "_Unread"]
assert unread() == list(put_off) and not any(name in sys.modules for name in ("torch._decomp", "torch._refs"))
x = torch.linspace(0, 1, 50, dtype=torch.float64, requires_grad=True)
(x.sin() * torch.fft.rfft(x).abs()[0]).sum().backward()
assert unread() == list(put_off)
"""


def run(*lines: str) -> subprocess.CompletedProcess:
    program = START + "\n".join(lines)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "use",
    [
        "assert callable(torch.export.export)",
        "from torch.export import Dim",
        "import torch.export.unflatten as u; assert u.__spec__.name == 'torch.export.unflatten'",
        "import torch._prims as p; assert sys.modules['torch._prims'] is p and p.sin",
        "from torch._decomp import decompositions_for_jvp",
        "import torch._decomp as d; assert len(d.decomposition_table) > 500",
    ],
)
def test_each_is_read_when_it_is_asked_for(use):
    done = run(use, "assert len(unread()) < 2, unread()")
    assert done.returncode == 0, done.stderr


def test_compiling_works_afterwards():
    done = run(
        "f = torch.compile(lambda x: torch.sin(x) * 2 + x.cumsum(0), backend='aot_eager')",
        "assert torch.equal(f(x), torch.sin(x) * 2 + x.cumsum(0)) and unread() == []",
    )
    assert done.returncode == 0, done.stderr


def test_exporting_works_afterwards():
    done = run(
        "class Twice(torch.nn.Module):",
        "    def forward(self, x):",
        "        return 2 * x",
        "exported = torch.export.export(Twice(), (torch.ones(3),), strict=False)",
        "assert torch.equal(exported.module()(torch.ones(3)), 2 * torch.ones(3)) and unread() == []",
        "from torch._inductor import aoti_compile_and_package",
    )
    assert done.returncode == 0, done.stderr


def test_a_torch_that_is_there_already_is_left_alone():
    lines = [
        "import torch, sys",
        "from nanobrag_torch.cli.torch_start import put_off_compilers",
        "before = sys.meta_path[:]",
    ]
    lines += ["put_off_compilers()", "assert sys.meta_path == before"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
