"""Import torch in half the time: what only its compilers need is loaded when it is first touched.

`import torch` runs `torch.export` and `torch._meta_registrations` (with all decompositions) every time, though an image
worked out operation by operation, or by compiled code that is there already, uses neither. Both are read as soon as one
of their names is used or a compiler of torch is imported, so that nothing else can tell the difference.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_LATER = ("torch.export", "torch._meta_registrations")
_COMPILERS = ("torch._decomp", "torch._prims", "torch._refs", "torch._dynamo", "torch._inductor")


class _Unread(ModuleType):
    """A module whose file is run, with those of the others put off, when one of its names is first asked for."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        _read_all()
        return getattr(self, name)


def _read(module: ModuleType) -> None:
    if type(module) is not _Unread:
        return
    module.__class__ = ModuleType
    loader = module.__spec__.loader.real
    module.__spec__.loader = module.__loader__ = loader
    loader.exec_module(module)


def _read_all() -> None:
    """Together, since each may import the compilers, and those want the other in the midst of themselves."""
    for name in _LATER:
        if name in sys.modules:
            _read(sys.modules[name])


class _ReadLater(Loader):
    def __init__(self, real: Loader):
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Unread(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing yet."""


class _ReadAllFirst(Loader):
    """Reads what was put off, and then the module afresh: what was put off may import it in the midst of itself."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        del sys.modules[module.__name__]
        _read_all()
        import_module(module.__name__)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname in _LATER:
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _ReadLater(spec.loader)
            return spec
        needs_all = fullname in _COMPILERS or fullname.startswith("torch.export.")
        if needs_all and all(type(sys.modules.get(name)) is _Unread for name in _LATER):
            return ModuleSpec(fullname, _ReadAllFirst())
        return None


def put_off_compilers() -> None:
    """From now on `import torch` leaves out what only its compilers need; nothing where torch is imported already."""
    if "torch" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
