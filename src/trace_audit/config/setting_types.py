"""Types shared by all groups of the config file: names, paths, and the refusal of unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_PATH = r"^([^-{}<>\x00-\x1f\x7f][^{}<>\x00-\x1f\x7f]*)?$"
ScenarioName = Annotated[str, StringConstraints(pattern=_NAME)]
PathText = Annotated[str, StringConstraints(pattern=_PATH)]

PATTERN_HINTS = {
    _NAME: "a name of letters, digits, _ and - that starts with a letter or digit",
    _PATH: "a path without braces, angle brackets, control characters or a leading -",
}


class Strict(BaseModel):
    """A group of keys in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)  # numbers given by --config arrive as text


def without_repeats(values: list[str]) -> list[str]:
    """The values unchanged; ValueError if one is listed twice."""
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]} is listed twice; list it once")
    return values
