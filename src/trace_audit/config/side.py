"""The two sides of an audit, `reference` and `candidate` in the config: the same kind of thing, stated in the same way.

A side is one of ours (`program: c` or `torch`), a `binary`, a `source` to build, a `command`, or a recorded `log` and
`image`. With nothing stated the reference is our C program and the candidate our torch program.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from trace_audit.config.setting_types import PathText, Strict
from trace_audit.core.errors import InputError
from trace_audit.core.files import yaml_value

AnySide = TypeVar("AnySide", bound="Side")

SideName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.+-]{0,39})?$")]
CommandWord = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
PLACEHOLDERS = ("{flags}", "{slow}", "{fast}", "{image}")
FORMS = ("program", "binary", "source", "command", "log")


class Side(Strict):
    """One side of the audit."""

    name: SideName = Field("", description="Its name in tables and reports; empty: named after its kind.")
    program: Literal["", "c", "torch"] = Field("", description="Ours: c (src/nanobragg_c) or torch.")
    binary: PathText = Field("", description="A nanoBragg, already built.")
    source: PathText = Field("", description="A nanoBragg source to build: a folder with a Makefile, or one C file.")
    compiler: PathText = Field("gcc", min_length=1, description="C compiler for whatever is built.")
    backend: Literal["eager", "compiled"] = Field("eager", description="With program torch: what makes its numbers.")
    device: Literal["cpu", "cuda", "auto"] = Field("cpu", description="With program torch: where it runs.")
    dtype: Literal["float64", "float32"] = Field("float64", description="With program torch: its type.")
    command: list[CommandWord] = Field(
        [],
        description="Its arguments, without a shell. {flags}: the experiment's flags, {slow} and {fast}: "
        "the pixel, {image}: where it writes its image as raw float32.",
    )
    environment: dict[VariableName, str] = Field({}, description="Environment variables that it needs.")
    keys: PathText = Field("", description="Key file: its names for our trace keys, unit factors, keys to leave out.")
    log: PathText = Field("", description="Recorded output, instead of a run.")
    image: PathText = Field("", description="Recorded image beside `log`: .npz, .npy or raw float32.")
    time_limit_s: float = Field(300, gt=0, description="A run that takes longer is stopped, and fails.")
    memory_limit_GB: float = Field(0, ge=0, description="Address space of a run; 0: no limit, as GPU programs need.")
    confine: bool = Field(
        True, description="Runs without network and other folders; false for a command that needs them: srun, docker."
    )
    output_limit_MB: float = Field(256, gt=0, description="A run that prints more is stopped, and fails.")

    @property
    def form(self) -> str:
        """The form that is stated, one of FORMS; empty if none is."""
        return next((name for name in FORMS if getattr(self, name)), "")

    @property
    def is_set(self) -> bool:
        """Whether the config states this side."""
        return bool(self.form)

    @property
    def is_built(self) -> bool:
        """Whether it is built from a source: the user's, or ours."""
        return bool(self.source) or self.program == "c"

    @property
    def makes_image(self) -> bool:
        """Whether it makes an image as well as a trace."""
        if self.command:
            return any("{image}" in argument for argument in self.command)
        return bool(self.image) if self.log else True

    def label(self, role: str) -> str:
        """Its name in reports: as stated, or after its kind, or its role."""
        if self.name:
            return self.name
        if self.program == "torch":
            parts = ("torch", self.backend, self.device, self.dtype)
            return "-".join(part for part in parts if part not in ("eager", "cpu", "float64"))
        if self.program == "c":
            return "C" if self.compiler == "gcc" else f"C-{self.compiler.rsplit('/', 1)[-1]}"
        return role

    @field_validator("command")
    @classmethod
    def _known_placeholders(cls, command: list[str]) -> list[str]:
        for argument in command:
            for name in re.findall(r"\{\w*\}", argument):
                if name not in PLACEHOLDERS:
                    raise ValueError(f"{name} is not known; placeholders are {', '.join(PLACEHOLDERS)}")
            if "{flags}" in argument and argument != "{flags}":
                raise ValueError(f"{argument!r}: {{flags}} must be a word of its own, since it becomes many words")
        return command

    @model_validator(mode="after")
    def _one_kind(self) -> Side:
        stated = [f"`{name}`" for name in FORMS if getattr(self, name)]
        if len(stated) > 1:
            raise ValueError(f"give {stated[0]} or {stated[1]}, not both; leave the other one empty")
        if self.image and not self.log:
            raise ValueError("image goes with `log`; a command gets the name of the file in place of {image}")
        if self.command and "{flags}" not in self.command:
            raise ValueError("command: has no word {flags}, so the program would not know the experiment")
        return self


class Reference(Side):
    """The trusted side. By default our C program, src/nanobragg_c. NB_C_BIN names a `binary`."""

    @property
    def is_nanobragg(self) -> bool:
        """Whether it is a C program: ours, built from a source, or a binary; audits of our torch program need one."""
        return self.form in ("", "binary", "source") or self.program == "c"


class Candidate(Side):
    """The side under examination. By default our torch program, on every device, dtype and backend."""

    budget_s: float = Field(60, ge=0, description="Time to look for causes of a difference, per audit.")


def labels(reference: Side, candidate: Side) -> tuple[str, str]:
    """The names of the two sides in reports; if both are the same, the role is added."""
    names = reference.label("reference"), candidate.label("candidate")
    return names if names[0] != names[1] else (f"{names[0]}-reference", f"{names[1]}-candidate")


def require_side(role: str, side: Side, source: str) -> None:
    """Raise InputError if a side of the config file `source` names a missing file."""
    if side.binary and not (Path(side.binary).is_file() and os.access(side.binary, os.X_OK)):
        origin = "NB_C_BIN" if role == "reference" and os.environ.get("NB_C_BIN") else f"{source}: {role}.binary"
        raise InputError(f"{origin}: {side.binary!r} is no executable file; give the path of a built nanoBragg")
    if side.source and not _buildable(Path(side.source)):
        raise InputError(f"{source}: {role}.source: {side.source!r} is neither a folder with a Makefile nor a .c file")
    for key in ("keys", "log", "image"):
        path = getattr(side, key)
        if path and not Path(path).is_file():
            raise InputError(f"{source}: {role}.{key}: no such file {path!r}")


def _buildable(path: Path) -> bool:
    if path.is_dir():
        return any((path / name).is_file() for name in ("Makefile", "makefile", "GNUmakefile"))
    return path.suffix == ".c" and path.is_file()


def mapping_of(text: str, flag: str) -> dict[str, Any]:
    """The keys of a side on a command line. Raises InputError."""
    stated = yaml_value(text, flag)
    if isinstance(stated, dict):
        return stated
    raise InputError(f"{flag}: expected a side as in the config file, for instance '{{binary: /path/nanoBragg}}'")


def stated_side(model: type[AnySide], stated: dict[str, Any], flag: str) -> AnySide:
    """A side stated on a command line. Raises InputError for mistakes and missing files."""
    try:
        side = model.model_validate(stated)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = str(first.get("ctx", {}).get("error", first["msg"]))
        raise InputError(
            f"{flag}: {where + ': ' if where else ''}{message}; keys: {', '.join(model.model_fields)}"
        ) from None
    for key in ("binary", "source", "keys", "log", "image"):
        path = getattr(side, key)
        if path and not Path(path).exists():
            raise InputError(f"{flag}: {key}: no such file {path!r}")
    if not side.is_set:
        raise InputError(f"{flag}: says nothing of what it is; give program, binary, source, command or log")
    return side
