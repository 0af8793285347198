"""The part of the config that names somebody else's program as the candidate of the audit."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from trace_audit.config.setting_types import PathText, Strict

SideName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
CommandWord = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
PLACEHOLDERS = ("{flags}", "{slow}", "{fast}", "{image}")


class Candidate(Strict):
    """A port to audit: a command that is run, or a log and an image that it made. With neither, our torch program."""

    name: SideName = Field("candidate", description="What the port is called in tables and reports.")
    command: list[CommandWord] = Field(
        [],
        description="Words of its command line, without a shell. {flags}: the experiment's flags, {slow} and {fast}: "
        "the pixel, {image}: where it writes its image as raw float32.",
    )
    environment: dict[VariableName, str] = Field({}, description="Environment variables that it needs.")
    keys: PathText = Field("", description="Key file: its names for our trace keys, unit factors, keys to leave out.")
    log: PathText = Field("", description="Recorded output, instead of a command; {scenario}, {slow}, {fast} allowed.")
    image: PathText = Field("", description="Recorded image beside `log`: .npz, .npy or raw float32.")
    time_limit_s: float = Field(300, gt=0, description="A run that takes longer is ended, and fails.")
    memory_limit_GB: float = Field(0, ge=0, description="Address space of a run; 0: no limit, as GPU programs need.")
    output_limit_MB: float = Field(256, gt=0, description="A run that prints more is ended, and fails.")
    budget_s: float = Field(60, ge=0, description="Time to look for causes of a difference, per audit.")

    @property
    def is_set(self) -> bool:
        """Whether there is a port to audit."""
        return bool(self.command or self.log)

    @field_validator("command")
    @classmethod
    def _known_placeholders(cls, words: list[str]) -> list[str]:
        for word in words:
            for name in re.findall(r"\{\w*\}", word):
                if name not in PLACEHOLDERS:
                    raise ValueError(f"{name} is not known; placeholders are {', '.join(PLACEHOLDERS)}")
            if "{flags}" in word and word != "{flags}":
                raise ValueError(f"{word!r}: {{flags}} must be a word of its own, since it becomes many words")
        return words

    @model_validator(mode="after")
    def _one_kind(self) -> Candidate:
        if self.command and self.log:
            raise ValueError("give `command` or `log`, not both; leave the other one empty")
        if self.image and not self.log:
            raise ValueError("image goes with `log`; a command is told where to write by {image}")
        if self.command and "{flags}" not in self.command:
            raise ValueError("command: has no word {flags}, so the program would not know the experiment")
        return self
