"""The files that a command line writes; no two of them, nor one and an input, may be the same file."""

from __future__ import annotations

import os
from pathlib import Path

from nanobrag_torch.cli.invocation import Outputs
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.tokens import UsageError, one_line
from nanobrag_torch.io.writing import WriterError, check_target, left_by_a_kill


def outputs_of(settings: Settings) -> Outputs:
    """The files that will be written. Raises UsageError if one cannot be, is an input, or is named twice."""
    wanted = dict(settings.outputs)
    pgm, noise = wanted.pop("pgm", True), wanted.pop("noise", True)
    defaults = Outputs()
    wanted["pgm_file"] = wanted.get("pgm_file", defaults.pgm_file) if pgm else None
    wanted["noise_file"] = wanted.get("noise_file", defaults.noise_file) if noise else None
    if "-hkl" in settings.files and "-dumpfile" in settings.files:
        wanted["dump_file"] = settings.files["-dumpfile"]
    outputs = Outputs(**wanted)
    if settings.run.get("show_config"):
        return outputs
    taken: dict[Path, str] = {}
    for flag, path in outputs.files.items():
        try:
            check_target(path)
        except WriterError as error:
            raise UsageError(f"{flag} {one_line(str(error))}") from None
        target = Path(os.path.realpath(path))
        earlier = taken.setdefault(target, flag)
        if earlier != flag and (target.is_file() or not target.exists()):
            raise UsageError(f"{flag} {one_line(path)}: is the file of {earlier} too, expected different files")
    for flag, path in settings.files.items():
        writer = taken.get(Path(os.path.realpath(path)))
        if writer and flag != "-img" and not (flag == writer == "-dumpfile"):
            raise UsageError(f"{writer} {one_line(path)}: would overwrite the input of {flag}, expected another file")
    return outputs


def killed_warnings(outputs: Outputs) -> list[str]:
    """What runs that were killed amid giving their files names have left beside the files to write."""
    return [
        f"{flag} {one_line(path)}: a run was killed while its files got their names, so the files there may be of two "
        f"runs; {one_line(str(former))} is what was there before: rename it back, or remove it"
        for flag, path in outputs.files.items()
        for former in left_by_a_kill(path)
    ]
