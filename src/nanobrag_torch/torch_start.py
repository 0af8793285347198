"""Import torch in a third of the time: its library is loaded beside other work, and what an image needs not is put off.

`import torch` loads a library of 400 MB and runs a thousand files every time: neural networks, graph tracing,
quantization, TorchScript, fake tensors, `torch.export`. An image worked out operation by operation, or by compiled code
that is there already, uses a third of these.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from nanobrag_torch.unread import PutOff

# What can be put off was found by trying, with this release; others are imported as they are.
_RELEASE = "2.13."
_OF_GPUS = ("cuda", "hip", "xpu")
_MODULES = (
    "torch.nn torch.jit torch.fx torch.ao torch.quantization torch.distributions torch.optim torch.masked "
    "torch.testing torch.profiler torch.nested torch.xpu torch.hub torch.package torch.func torch.export "
    "torch.utils.data torch.distributed._meta_registrations torch._meta_registrations torch._higher_order_ops "
    "torch._subclasses torch._guards torch._logging torch._lobpcg "
    "torch._strobelight torch._native torchgen.model unittest difflib tarfile"
)
# The library looks this up by itself, at a moment when nothing else may be read.
_NEEDED = "torch.fx.experimental.sym_node"
_STAND_INS = (
    "torch._higher_order_ops.cond torch._higher_order_ops.while_loop torch.func.vmap torch._lobpcg.lobpcg "
    "torch._higher_order_ops.invoke_subgraph.NestedCompileRegionOptions torch._logging.dtrace_structured "
    "torch._logging.getArtifactLogger torch.fx.operator_schemas._SCHEMA_TO_SIGNATURE_CACHE "
    "torch._strobelight.compile_time_profiler.StrobelightCompileTimeProfiler"
)
_REGISTRATIONS = "torch.jit._builtins._register_builtin torch._logging._init_logs"
_ELSEWHERE = {"torch.jit.is_scripting": "torch._jit_internal"}

# As torch loads them: first what is to be seen by every library, then the library that takes the time.
_LIBRARIES = (("libtorch_global_deps.so", os.RTLD_GLOBAL), ("libtorch_cpu.so", os.RTLD_LOCAL))
# Libraries that are needed in the meantime: none can be loaded while another is.
_LOADED_BEFORE = (
    "numpy _json zlib _bz2 _lzma _bisect _random _sha512 _csv fcntl _posixsubprocess select grp array _heapq _socket "
    "_hashlib _blake2 mmap binascii"
)
# Loading takes 40 MB in small pieces. Blocks are as large as glibc takes from its heap, and a heap holds 64 MB.
_BLOCKS, _BLOCK_BYTES = 480, 120_000
# What torch imports that is no part of it.
_IMPORTED_MEANWHILE = (
    "typing_extensions inspect importlib.metadata hashlib concurrent.futures multiprocessing.reduction"
)


def prepare() -> None:
    """Begin to load torch's library, and let `import torch` leave out what it can.

    Nothing where torch is imported already or is not the release and the kind that this was tried with.
    """
    folder = None if {"torch", "numpy"} & set(sys.modules) else _folder()
    if folder is None or not all((folder / "lib" / name).exists() for name, _ in _LIBRARIES):
        return
    _import_those_there(_LOADED_BEFORE)
    threading.Thread(target=_load, args=(folder / "lib",), name=_load.__name__, daemon=True).start()
    put_off()


def use_the_wait() -> None:
    """Import what torch will, as long as its library is not there; for when there is nothing better to do."""
    if any(thread.name == _load.__name__ for thread in threading.enumerate()):
        _import_those_there(_IMPORTED_MEANWHILE)


def put_off() -> PutOff:
    """From now on `import torch` leaves unread what an image does not need."""
    finder = PutOff(
        "torch",
        modules=_MODULES.split(),
        needed=_NEEDED.split(),
        stand_ins=_STAND_INS.split(),
        registrations=_REGISTRATIONS.split(),
        elsewhere=_ELSEWHERE,
    )
    sys.meta_path.insert(0, finder)
    return finder


def _import_those_there(names: str) -> None:
    for name in names.split():
        with suppress(ImportError):
            import_module(name)


def _folder() -> Path | None:
    """Where torch is, if it is the release that was tried, in a build for CPUs."""
    found = find_spec("torch")
    if found is None or not found.origin:
        return None
    folder = Path(found.origin).parent
    try:
        tried = f"__version__ = '{_RELEASE}" in (folder / "version.py").read_text()
        return (
            folder
            if tried and not any((folder / "lib" / f"libtorch_{kind}.so").exists() for kind in _OF_GPUS)
            else None
        )
    except OSError:
        return None


def _load(folder: Path) -> None:
    """Load the libraries of a torch for CPUs, without Python's lock, which `ctypes.CDLL` may hold all the while."""
    _set_memory_aside()
    load = ctypes.CDLL(None).dlopen
    load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name, scope in _LIBRARIES:
        if not load(os.fsencode(folder / name), os.RTLD_NOW | scope):
            return


def _set_memory_aside() -> None:
    """Grow this thread's heap, in which glibc would otherwise have every page granted by itself while torch loads."""
    c = ctypes.PyDLL(None)
    c.malloc.argtypes, c.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    c.free.argtypes, c.free.restype = (ctypes.c_void_p,), None
    blocks = [c.malloc(_BLOCK_BYTES) for _ in range(_BLOCKS)]
    for block in blocks[:-1]:  # the last one stays, so that the heap does not shrink again
        c.free(block)
