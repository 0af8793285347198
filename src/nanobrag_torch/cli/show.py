"""`-show_config`: the experiment as YAML that -config reads back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import yaml

from nanobrag_torch.cli.command_line import CommandLine
from nanobrag_torch.parameters import Crystal, Spindle, StructureFactors

_LARGEST_SHOWN = 16


class _Dumper(yaml.SafeDumper):
    """Blocks for dicts, one line for lists."""


_Dumper.add_representer(list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, True))


def config_text(line: CommandLine) -> str:
    """YAML: `command_line`, which -config reads, then the resulting values for the reader."""
    document: dict[str, Any] = {
        "command_line": list(line.words),
        "device": line.device,
        "dtype": line.dtype,
        "defects": sorted(line.defects),
        "outputs": _readable(asdict(line.outputs)),
    }
    if line.trace_pixel is not None:
        document["trace_pixel_slow_fast"] = list(line.trace_pixel)
    document.update(_readable(_sections(line)))
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100)


def _sections(line: CommandLine) -> dict[str, dict[str, Any]]:
    """The fields of the experiment, arrays as they were read."""
    settings, files, box = line.settings, line.files, line.files.amplitudes
    rows = files.sources
    sources = None if rows is None else {"position_m": rows[:, :3], "weight": rows[:, 3], "wavelength_m": rows[:, 4]}
    table = None if box is None else box._asdict()
    return {
        "crystal": vars(Crystal(**line.crystal)) | {"orientation_matrix": files.matrix},
        "beam": vars(line.beam) | {"sources": sources},
        "spindle": vars(Spindle(**settings.spindle)),
        "detector": vars(line.detector) | {"mask": files.mask},
        "structure_factors": vars(StructureFactors(**settings.structure_factors)) | {"table": table},
    }


def _readable(value: Any) -> Any:
    """Plain numbers, words, lists and dicts; large arrays as their shape."""
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= _LARGEST_SHOWN else f"{' x '.join(map(str, value.shape))} numbers"
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_readable(item) for item in value]
    return value
