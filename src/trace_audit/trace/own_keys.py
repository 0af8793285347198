"""Keys that only one program has: where they stand among the others, and what they are made of."""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError

from pydantic import BaseModel, ConfigDict, Field

from trace_audit.core.errors import InputError
from trace_audit.trace.keys import Key, KeyGraph, registry
from trace_audit.trace.parse import Trace

_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "abs": abs,
    "sin": math.sin,
    "cos": math.cos,
    "exp": math.exp,
    "log": math.log,
}
_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: math.pow(a, b),
}


class OwnKey(BaseModel):
    """A key that only the port has. It is compared with the other side's, or with its formula of our values."""

    model_config = ConfigDict(extra="forbid")

    parents: tuple[str, ...] = Field(default=(), description="keys that it is computed from, ours or its own")
    used_by: tuple[str, ...] = Field(default=(), description="keys that are computed from it, ours or its own")
    unit: str = ""
    meaning: str = ""
    formula: str = Field(default="", description="its value from our keys: F_cell * F_latt, hkl_frac[0]; optional")


def check_own_keys(own: Mapping[str, OwnKey], where: str) -> None:
    """Raise InputError for a parent, a user or a formula that cannot be, or for keys computed from each other."""
    known = {*registry(), *own}
    for name, key in own.items():
        if name in registry():
            raise InputError(f"{where}: own.{name}: this is one of our keys; map it under names")
        for relative in (*key.parents, *key.used_by):
            if relative not in known:
                raise InputError(f"{where}: own.{name}: {relative} is no key, neither of ours nor of its own")
        if key.formula:
            try:
                used = {node.id for node in ast.walk(ast.parse(key.formula, mode="eval")) if isinstance(node, ast.Name)}
            except SyntaxError as error:
                raise InputError(f"{where}: own.{name}.formula: {key.formula!r} is no formula ({error.msg})") from None
            strange = used - set(registry()) - set(_FUNCTIONS)
            if strange:
                raise InputError(f"{where}: own.{name}.formula: {min(strange)} is no key of ours")
    try:
        _ = graph_with(own).order
    except CycleError as error:
        raise InputError(f"{where}: own: {' <- '.join(error.args[1])} are computed from each other") from None


def graph_with(own: Mapping[str, OwnKey]) -> KeyGraph:
    """The keys of a nanoBragg with a port's own ones where they belong."""
    keys = dict(registry())
    for name, row in own.items():
        keys[name] = Key(
            name=name,
            kind="number",
            size=1,
            unit=row.unit,
            where="end",
            stage=f"own stage {name}",
            parents=row.parents,
            meaning=row.meaning,
            formula=row.formula or row.meaning,
            compared=True,
            required=False,
        )
    for name, row in own.items():
        for user in row.used_by:
            keys[user] = replace(keys[user], parents=(*keys[user].parents, name))
    return KeyGraph(keys)


def value_of(key: OwnKey, trace: Trace) -> tuple[float, ...] | None:
    """The value that the formula gives with the first values of a trace; None without one, or where it has none."""
    if not key.formula:
        return None
    try:
        return (_value(ast.parse(key.formula, mode="eval").body, trace),)
    except (ValueError, ArithmeticError, LookupError, TypeError):
        return None


def _value(node: ast.expr, trace: Trace) -> float:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return _first(trace, node.id)[0]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Constant):
        return _first(trace, node.value.id)[int(node.slice.value)]  # type: ignore[arg-type]
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left, trace), _value(node.right, trace))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, trace)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        return _FUNCTIONS[node.func.id](_value(node.args[0], trace))
    raise ValueError(f"{ast.unparse(node)} is no part of a formula")


def _first(trace: Trace, name: str) -> Sequence[float]:
    return [float(value) for value in next(iter(trace.records[name].values())).values]
