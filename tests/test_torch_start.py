"""The program starts torch without what an image does not need, and nothing else can tell the difference."""

import subprocess
import sys
from pathlib import Path

import pytest

LEAN = """
import sys
from nanobrag_torch.torch_start import put_off
put_off = put_off()
import torch
assert len(put_off.unread) > 20 and "torch.nn" in put_off.unread and "torch._decomp" not in sys.modules
x = torch.linspace(0, 1, 50, dtype=torch.float64, device=torch.device("cpu"))
(x.sin() * torch.fft.rfft(x).abs()[0]).sum()
torch.ops.aten.cos.default
assert not torch.compiler.is_compiling()
assert len(put_off.unread) > 20
"""
CELL = ["-cell", "50", "60", "70", "90", "90", "90", "-default_F", "100", "-N", "5", "-lambda", "1"]
CELL += ["-detpixels", "20", "-nonoise"]


def run(*lines: str, before: str = LEAN, folder: Path | None = None) -> subprocess.CompletedProcess:
    program = before + "\n".join(lines)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=300)


@pytest.mark.parametrize(
    "use",
    [
        "assert torch.nn.Linear(3, 2)(torch.ones(3)).shape == (2,)",
        "y = x.clone().requires_grad_(); (y * y).sum().backward(); assert torch.equal(y.grad, 2 * x)",
        "assert callable(torch.export.export)",
        "from torch.export import Dim",
        "import torch.export.unflatten as u; assert u.unflatten and u.__spec__.name == 'torch.export.unflatten'",
        "from torch.nn import *; assert Linear",
        "assert 'Linear' in dir(torch.nn)",
        "torch.nn.modules_of_mine = 3; assert torch.nn.modules_of_mine == 3",
        "import torch._prims as p; assert sys.modules['torch._prims'] is p and p.sin",
        "from torch._decomp import decompositions_for_jvp",
        "import torch._decomp as d; assert len(d.decomposition_table) > 500",
        "import torch._dynamo",
        "import torch._functorch.aot_autograd",
        "assert torch.equal(torch.vmap(lambda x: 2 * x)(torch.ones(3)), 2 * torch.ones(3))",
        "assert torch.equal(torch.func.grad(lambda x: (x * x).sum())(torch.ones(3)), 2 * torch.ones(3))",
        "assert abs(float(torch.lobpcg(torch.diag(torch.arange(1.0, 21)), k=1)[0]) - 20) < 1e-3",
        "assert torch.cond.__name__ == 'cond'",
        "torch.nn.Linear; assert hasattr(torch.fx.experimental.sym_node.sym_node_log, 'handlers')",
    ],
)
def test_each_is_read_when_it_is_asked_for(use):
    done = run(use, "assert put_off.unread == [], put_off.unread", "assert put_off not in sys.meta_path")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_once_read_all_is_as_if_nothing_had_been_put_off():
    tell = """
import types
torch.nn.Linear
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] in ("torch", "torchgen") and isinstance(module, types.ModuleType):
        print(name, type(module).__name__, type(module.__spec__ and module.__spec__.loader).__name__, end=" ")
        print(*sorted(f"{key}:{type(value).__name__}" for key, value in vars(module).items() if key[:2] != "__"))
"""
    plain, lean = run(tell, before="import sys, torch"), run(tell)
    assert plain.returncode == lean.returncode == 0, plain.stderr + lean.stderr
    theirs, ours = (dict(line.split(" ", 1) for line in out.stdout.splitlines()) for out in (plain, lean))
    assert {name for name in theirs if name not in ours} == set()
    assert {name: (theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]} == {}


def test_compiling_works_afterwards():
    done = run(
        "f = torch.compile(lambda x: torch.sin(x) * 2 + x.cumsum(0), backend='aot_eager')",
        "assert torch.equal(f(x), torch.sin(x) * 2 + x.cumsum(0)) and put_off.unread == []",
    )
    assert done.returncode == 0, done.stderr


def test_exporting_works_afterwards():
    done = run(
        "class Twice(torch.nn.Module):",
        "    def forward(self, x):",
        "        return 2 * x",
        "exported = torch.export.export(Twice(), (torch.ones(3),), strict=False)",
        "assert torch.equal(exported.module()(torch.ones(3)), 2 * torch.ones(3)) and put_off.unread == []",
        "from torch._inductor import aoti_compile_and_package",
    )
    assert done.returncode == 0, done.stderr


def test_threads_that_need_the_same_wait_for_each_other():
    done = run(
        "from concurrent.futures import ThreadPoolExecutor",
        "with ThreadPoolExecutor(8) as pool:",
        "    made = list(pool.map(lambda n: torch.nn.Linear(n, n).weight.shape[0], range(1, 9)))",
        "assert made == list(range(1, 9)) and put_off.unread == []",
    )
    assert done.returncode == 0, done.stderr


def test_the_library_is_loaded_beside_and_is_the_one_that_torch_uses():
    done = run(
        "import sys, threading",
        "from nanobrag_torch import torch_start",
        "torch_start.prepare()",
        "for thread in threading.enumerate():",
        "    thread is threading.current_thread() or thread.join()",
        "maps = open('/proc/self/maps').read()",
        "assert 'torch' not in sys.modules and 'libtorch_cpu.so' in maps and 'libtorch_python' not in maps",
        "import torch, ctypes",
        "assert float(torch.ones(3).sum()) == 3 and 'torch.nn' in [f for f in sys.meta_path][0].unread",
        "assert not hasattr(ctypes.CDLL(None), 'aoti_torch_device_type_cpu')  # seen by torch alone, as ever",
        before="",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "otherwise",
    [
        "import torch",
        "torch_start._RELEASE = '2.0.'",
        "torch_start.find_spec = lambda name: None",
        "torch_start._folder = lambda: None",
    ],
)
def test_another_torch_is_left_alone(otherwise):
    done = run(
        "import sys, threading",
        "from nanobrag_torch import torch_start",
        otherwise,
        "before = sys.meta_path[:]",
        "torch_start.prepare()",
        "assert sys.meta_path == before and threading.active_count() == 1",
        before="",
    )
    assert done.returncode == 0, done.stderr


def test_libraries_that_are_not_where_they_are_expected_are_not_loaded(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libtorch_global_deps.so").write_bytes(b"no library")
    done = run(
        "import threading",
        "from pathlib import Path",
        "from nanobrag_torch import torch_start",
        f"torch_start._folder = lambda: Path({str(tmp_path)!r})",
        "torch_start.prepare()",
        "assert threading.active_count() == 1",
        "torch_start._load(torch_start._folder() / 'lib')",
        "import torch",
        before="",
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["cuda", "hip", "xpu"])
def test_a_torch_for_gpus_is_left_alone(kind, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "version.py").write_text("__version__ = '2.13.0'\n")
    for name in ("libtorch_global_deps.so", "libtorch_cpu.so", f"libtorch_{kind}.so"):
        (tmp_path / "lib" / name).touch()
    done = run(
        "import sys, threading, types",
        "from nanobrag_torch import torch_start",
        f"torch_start.find_spec = lambda name: types.SimpleNamespace(origin={str(tmp_path / '__init__.py')!r})",
        "before = sys.meta_path[:]",
        "torch_start.prepare()",
        "assert sys.meta_path == before and threading.active_count() == 1",
        before="",
    )
    assert done.returncode == 0, done.stderr


def test_an_image_needs_nothing_of_what_is_put_off(tmp_path):
    done = run(
        "from nanobrag_torch.cli import main",
        f"status = main({CELL!r})",
        "assert status == 0 and len(put_off.unread) > 20",
        "too_much = {'rich', 'h5py', 'gemmi', 'yaml', 'torch._dynamo', 'unittest.mock', 'asyncio', 'sympy'}",
        "assert not too_much & set(sys.modules), too_much & set(sys.modules)",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_the_program_gives_the_same_files_as_a_plain_start(tmp_path):
    made = []
    for name, start in (
        ("lean", ["-m", "nanobrag_torch"]),
        ("plain", ["-c", "from nanobrag_torch.cli import main; main()"]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run([sys.executable, *start, *CELL], cwd=folder, check=True, capture_output=True)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1] and len(made[0]) == 3


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["-defects", "list"]])
def test_a_text_needs_no_torch(words):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nanobrag_torch", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout and "| torch\n" not in done.stderr and " torch\n" not in done.stderr
