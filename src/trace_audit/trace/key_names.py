"""The key file of a port: its names for our trace keys, unit factors, keys to leave out, keys of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trace_audit.core.errors import InputError
from trace_audit.core.files import printable, read_yaml
from trace_audit.trace.keys import find, registry
from trace_audit.trace.own_keys import OwnKey, check_own_keys

_MOST_SHOWN = 20


class KeyNames(BaseModel):
    """How to read the lines of a port. All parts are optional."""

    model_config = ConfigDict(extra="forbid")

    prefixes: tuple[str, ...] = Field(
        default=(), description="prefixes of its trace lines besides TRACE_C and TRACE_PY; '' reads every line"
    )
    names: Mapping[str, str] = Field(default_factory=dict, description="its name of a key: our name")
    factors: Mapping[str, float] = Field(
        default_factory=dict, description="its name or ours: factor that converts its values to our unit"
    )
    leave_out: tuple[str, ...] = Field(default=(), description="its names or ours that are not compared")
    own: Mapping[str, OwnKey] = Field(default_factory=dict, description="keys of its own, with their parents")


def in_one_line(errors: Sequence[Any]) -> str:
    """What pydantic found wrong, the first of it."""
    shown = [f"{printable('.'.join(map(str, error['loc'])))[:80]}: {error['msg']}" for error in errors[:_MOST_SHOWN]]
    more = len(errors) - len(shown)
    return "; ".join([*shown, *([f"{more} more"] if more else [])])


def read_key_names(path: Path | None) -> KeyNames:
    """The key file at `path`; an empty one for None. Raises InputError with every mistake of the file in one line."""
    if path is None:
        return KeyNames()
    document = read_yaml(path, "key file") or {}
    if not isinstance(document, dict):
        raise InputError(f"key file {path}: expected the parts {', '.join(KeyNames.model_fields)}")
    try:
        names = KeyNames(**document)
    except (ValidationError, TypeError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else []
        complaint = in_one_line(faults) or str(error)
        raise InputError(f"key file {path}: {complaint}; the parts are {', '.join(KeyNames.model_fields)}") from None
    for theirs, ours in names.names.items():
        if ours not in registry():
            raise InputError(f"key file {path}: names.{theirs}: {_unknown(ours)}")
    check_own_keys(names.own, f"key file {path}")
    return names


def _unknown(name: str) -> str:
    try:
        return f"use the name {find(name).name}"
    except InputError as error:
        return str(error)
