"""The programs of an audit as its records name them, so that an image shows what was audited.

Scenario, device, dtype and backend come from `config_snapshot.json`; the C program is the one whose hash is in
`c_trace_run.json`. The caller's config and environment play no part. A missing program is reported, not replaced.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trace_audit.config.scenario_model import Scenario
from trace_audit.core.documents import Build, Run, Snapshot, read_document
from trace_audit.core.errors import InputError
from trace_audit.core.files import sha256_of_file


@dataclass(frozen=True)
class Audited:
    """What an audit ran. `gone` says why it cannot be run again; empty if it can."""

    scenario: Scenario
    pixel: tuple[int, int]
    device: str
    dtype: str
    backend: str
    program: str
    binary_sha256: str
    binary: Path | None
    whole_image: bool  # whether the C program computed all pixels, as a historic one needs
    hkl: Path | None
    gone: str

    def made_by(self) -> dict[str, Any]:
        """Who makes the two sides of a picture, JSON-ready."""
        import torch

        py = {"program": "nanobrag_torch", "backend": self.backend, "device": self.device, "dtype": self.dtype}
        return {
            "c": {"program": self.program, "sha256": self.binary_sha256},
            "py": {**py, "torch": torch.__version__},
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the records of an audit and the location of its files."""
    parser.add_argument("--snapshot", type=Path, required=True, metavar="FILE", help="config_snapshot.json")
    parser.add_argument("--c-run", type=Path, required=True, metavar="FILE", help="c_trace_run.json")
    parser.add_argument("--build", type=Path, required=True, metavar="FILE", help="build.json of the reference")
    parser.add_argument("--hkl", type=Path, metavar="FILE", help="prepared structure factors, hkl text")


def read_audited(options: argparse.Namespace) -> Audited:
    """The programs named in the records of an audit. Raises InputError for any other file."""
    from pydantic import ValidationError

    snapshot = read_document(options.snapshot, "configuration snapshot", Snapshot)
    c_run = read_document(options.c_run, "record of the reference run", Run)
    try:
        slow, fast = (int(at) for at in snapshot["pixel_slow_fast"])
        sha = str(c_run["binary_sha256"])
        binary = program_with(sha, options.build)
        gone = "" if binary else _gone(str(c_run["program"]), sha)
        gone = gone or _changed_hkl(snapshot.get("input_sha256", {}).get("hkl"), options.hkl)
        if "skipped" in snapshot:
            gone = f"The audit was skipped: {snapshot['skipped']}"
        return Audited(
            Scenario.model_validate(snapshot["scenario"]),
            (slow, fast),
            snapshot["device"],
            snapshot["dtype"],
            snapshot.get("backend", "eager"),
            str(c_run["program"]),
            sha,
            binary,
            "-roi" not in c_run["arguments"][-8:],
            options.hkl,
            gone,
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{options.snapshot}, {options.c_run}: no records of an audit ({reason}); audit anew"
        ) from None


def program_with(sha256: str, build: Path) -> Path | None:
    """The program with this hash: the one named in `build.json`, or the one built beside it; None for neither."""
    record = read_document(build, "record of the reference", Build) if build.is_file() else {}
    named = [Path(record["binary"])] if isinstance(record.get("binary"), str) else []
    for path in (*named, build.with_name("nanobragg")):
        if path.is_file() and sha256_of_file(path) == sha256:
            return path
    return None


def _gone(program: str, sha256: str) -> str:
    return (
        f"No picture: the program that was audited, {program} with SHA-256 {sha256[:16]}, is no longer where it was, "
        "and another would show other photons. Put it back, or audit anew."
    )


def _changed_hkl(sha256: str | None, hkl: Path | None) -> str:
    now = sha256_of_file(hkl) if hkl is not None and hkl.is_file() else None
    return "" if now == sha256 else "No picture: the structure factors changed since the audit. Audit anew."
