"""`-show_config`: the experiment as YAML that -config reads back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
import yaml

from nanobrag_torch.cli.invocation import Invocation

_LARGEST_SHOWN = 16


class _Dumper(yaml.SafeDumper):
    """Blocks for dicts, one line for lists."""


_Dumper.add_representer(list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, True))


def config_text(invocation: Invocation) -> str:
    """YAML: `command_line` (what -config reads), then the values it leads to, for the eye."""
    document = {
        "command_line": list(invocation.command_line),
        "device": invocation.device,
        "dtype": str(invocation.dtype).removeprefix("torch."),
        "defects": sorted(invocation.experiment.defects or ()),
        "outputs": _readable(asdict(invocation.outputs)),
    }
    if invocation.trace_pixel is not None:
        document["trace_pixel_slow_fast"] = list(invocation.trace_pixel)
    for name in ("crystal", "beam", "spindle", "detector", "structure_factors"):
        document[name] = _readable(vars(getattr(invocation.experiment, name)))
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100)


def _readable(value: Any) -> Any:
    """Plain numbers, words, lists and dicts; large arrays as their shape."""
    if isinstance(value, torch.Tensor):
        return value.tolist() if value.numel() <= _LARGEST_SHOWN else f"{' x '.join(map(str, value.shape))} numbers"
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_readable(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return _readable(vars(value))
    return value
