"""Modules that are imported now and read later: their files are run when one of their names is first used.

This is for a large package of which a short process needs little. What is left unread while the package is imported is
read together as soon as one of its names is used, or a module of the package is imported that was not imported with it,
so that nothing can tell the difference but by the time it takes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import MappingProxyType, ModuleType
from typing import Any


class PutOff:
    """Leaves `modules` and their submodules, but for those `needed`, unread while `package` is imported.

    What the import wants of them all the same (each a `module.name`):
    stand_ins: what modules that are read keep under a name of theirs, to be looked up at its first use;
    registrations: functions that it calls for their effect alone, which has time until all is read;
    elsewhere: what can be had from another module, by the name of that module.
    A module of which it wants anything else is read there and then, by itself.
    """

    def __init__(
        self,
        package: str,
        modules: Collection[str],
        needed: Collection[str] = (),
        stand_ins: Collection[str] = (),
        registrations: Collection[str] = (),
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ):
        self.package = package
        self.modules, self.needed = frozenset(modules), frozenset(needed)
        self.stand_ins, self.registrations, self.elsewhere = stand_ins, registrations, elsewhere
        self.complete = False  # the package is imported
        self._unread: dict[str, _Unread] = {}  # in the order of importing
        self._reading = threading.RLock()
        self._reading_all = False
        self._calls: list[tuple[str, tuple, dict[str, Any]]] = []

    @property
    def unread(self) -> list[str]:
        """Names of the modules that are imported and not read."""
        return list(self._unread)

    def find_spec(self, fullname: str, path, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname == self.package:
            return _specified(fullname, path, target, lambda real: _ThePackage(real, self))
        if self.complete:
            inside = fullname.startswith(f"{self.package}.") and not self._reading_all
            return ModuleSpec(fullname, _OnceAllIsRead(self)) if inside else None
        if fullname not in self.needed and (fullname in self.modules or fullname.rpartition(".")[0] in self._unread):
            return _specified(fullname, path, target, lambda real: _Later(real, self))
        return None

    def leave_unread(self, name: str) -> _Unread:
        """The module of that name, without the names that its file gives it."""
        self._unread[name] = _Unread(name)
        self._unread[name].__dict__["__put_off__"] = self
        return self._unread[name]

    def package_is_imported(self) -> None:
        self.complete = True

    def value(self, module: _Unread, name: str):
        """What stands for a name of an unread module: a stand-in where one will do, else the module is read for it."""
        full = f"{module.__name__}.{name}"
        if full in self.elsewhere:
            return getattr(import_module(self.elsewhere[full]), name)
        if full in self.stand_ins and not self.complete:
            return _StandIn(lambda: _named(full), self)
        if full in self.registrations and not self._reading_all:
            return lambda *args, **kwargs: self._calls.append((full, args, kwargs))
        if any(known.startswith(f"{full}.") for known in self.registrations) and not self.complete:
            return import_module(full)
        self.read_for(module)
        return ModuleType.__getattribute__(module, name)

    def read_for(self, module: _Unread) -> None:
        """Read what has to be, now that something of this module is needed."""
        with self._reading:
            if self.complete and not self._reading_all:
                self.read_all()
            else:
                self._read(module)

    def read_all(self) -> None:
        """Read what is unread, in the order of importing, and leave no trace."""
        with self._reading:
            if self._reading_all or not self.complete:
                return
            self._reading_all = True
            while self._unread:
                self._read(next(iter(self._unread.values())))
            sys.meta_path.remove(self)
            self._settle()

    def _settle(self) -> None:
        """Put what is meant where stand-ins are, and make up for calls."""
        for module in [module for name, module in sys.modules.items() if f"{name}.".startswith(f"{self.package}.")]:
            names = vars(module)
            names.update({name: known.meant for name, known in names.items() if type(known) is _StandIn})
        for full, args, kwargs in self._calls:
            _named(full)(*args, **kwargs)

    def _read(self, module: _Unread) -> None:
        """Run the file of a module, unless that has begun: modules may want each other in the midst of themselves."""
        if self._unread.pop(module.__name__, None) is None:
            return
        loader = module.__spec__.loader.real
        module.__spec__.loader = module.__loader__ = loader
        loader.exec_module(module)
        del module.__dict__["__put_off__"]
        module.__class__ = ModuleType  # not before, so that another thread waits for the end


class _Unread(ModuleType):
    """A module whose file is run when one of its names is first asked for."""

    def __getattr__(self, name: str):
        if name.startswith("__") and name != "__all__":  # what the import system and inspect look for
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        put_off = self.__dict__.get("__put_off__")  # None where another thread has just read the module
        return put_off.value(self, name) if put_off else ModuleType.__getattribute__(self, name)

    def __setattr__(self, name: str, value) -> None:
        if not (name.startswith("__") or isinstance(value, ModuleType)):  # the import system sets submodules
            self.__put_off__.read_for(self)
        ModuleType.__setattr__(self, name, value)  # by now it may be one

    def __dir__(self):
        self.__put_off__.read_for(self)
        return ModuleType.__dir__(self)


class _StandIn:
    """A function or table of an unread module, or what such a function returns: looked up when it is used."""

    def __init__(self, find: Callable[[], Any], put_off: PutOff):
        self._find, self._put_off = find, put_off

    @cached_property
    def meant(self):
        return self._find()

    def __call__(self, *args, **kwargs):
        if self._put_off.complete:
            return self.meant(*args, **kwargs)
        return _StandIn(lambda: self.meant(*args, **kwargs), self._put_off)

    def __getattr__(self, name: str):
        return getattr(self.meant, name)

    def __or__(self, other):
        return self  # in an annotation

    def __contains__(self, key) -> bool:
        return key in self.meant

    def __delitem__(self, key) -> None:
        del self.meant[key]


def _named(full: str):
    module, _, name = full.rpartition(".")
    return getattr(import_module(module), name)


def _specified(fullname: str, path, target, loader: Callable) -> ModuleSpec | None:
    """How a module is found on the path, with another loader around its own; None where it is not there."""
    spec = PathFinder.find_spec(fullname, path, target)
    if spec is not None and spec.loader is not None:
        spec.loader = loader(spec.loader)
    return spec


class _ThePackage:
    def __init__(self, real, put_off: PutOff):
        self.real, self.put_off = real, put_off

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__.loader = module.__loader__ = self.real
        self.real.exec_module(module)
        self.put_off.package_is_imported()


class _Later:
    def __init__(self, real, put_off: PutOff):
        self.real, self.put_off = real, put_off

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.put_off.leave_unread(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing yet."""


class _OnceAllIsRead:
    """Reads what was put off, then imports the module afresh: what was put off may import it too."""

    def __init__(self, put_off: PutOff):
        self.put_off = put_off

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        del sys.modules[module.__name__]
        self.put_off.read_all()
        import_module(module.__name__)
