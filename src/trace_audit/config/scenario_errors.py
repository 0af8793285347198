"""The mistakes in a scenario file, all at once, each with the expected form and an example to type."""

from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trace_audit.config.scenario_model import Scenario

MOST_SHOWN = 20
_EXAMPLE = Path(__file__).resolve().parents[3] / "config" / "scenarios" / "supervisor.yaml"


# sections that take more than one line in the full example
_SECTIONS: dict[str, Any] = {
    "crystal": {"cell": {"a_A": 50.0, "b_A": 60.0, "c_A": 70.0}, "N_cells": [5, 5, 5]},
    "detector": {"pixel_mm": 0.1, "pixels_fast": 1024, "pixels_slow": 1024, "distance_mm": 100.0},
}
NO_AMPLITUDES = (
    "structure_factors: expected synthetic, file or default_F_electrons, or structure_factors.file in the config; "
    "for example: structure_factors: { file: my.mtz }"
)


def checked(data: dict[str, Any]) -> tuple[Scenario | None, list[str]]:
    """The scenario, or None and every mistake.

    A section with a mistake in a key can be checked as a whole only if that key is right. So wrong keys are replaced by
    the values of the full example until no new mistake appears. Mistakes that depend on a replaced key do not count.
    """
    mistakes: dict[tuple[tuple[Any, ...], str], Any] = {}
    data = deepcopy(data)
    mended: set[tuple[Any, ...]] = set()
    while True:
        try:
            scenario = Scenario.model_validate(data)
            return (scenario, []) if not mistakes else (None, complaints(list(mistakes.values())))
        except ValidationError as error:
            fresh = [e for e in error.errors() if (e["loc"], e["msg"]) not in mistakes and not _depends(e, mended)]
        if not fresh:
            return None, complaints(list(mistakes.values()))
        mistakes |= {(e["loc"], e["msg"]): e for e in fresh}
        for each in fresh:
            mended.add(each["loc"])
            _mend(data, each["loc"], _near(each["loc"]) if each["type"] == "extra_forbidden" else None)


def _depends(error: Any, mended: set[tuple[Any, ...]]) -> bool:
    """Whether an error about pixels may be the result of a replaced detector or of replaced pixels."""
    about_pixels = "off the detector" in error["msg"] or "masked or outside roi" in error["msg"]
    return about_pixels and any(loc[:1] in (("detector",), ("pixels",)) for loc in mended)


def _mend(data: Any, location: tuple[Any, ...], meant: str | None) -> None:
    """Replace a wrong key by the example's value, or remove it; a misspelt key becomes `meant`.

    A list with a wrong item is replaced as a whole.
    """
    names = tuple(takewhile(lambda part: isinstance(part, str), location))
    right: Any = _example_values()
    for name in names[:-1]:
        data, right = data.get(name), right.get(name) if isinstance(right, dict) else None
        if not isinstance(data, dict):
            return
    if not names:
        return
    value = data.pop(names[-1], None)
    if meant is not None:
        data.setdefault(meant, value)
    elif isinstance(right, dict) and names[-1] in right:
        data[names[-1]] = right[names[-1]]


@cache
def _example_values() -> Any:
    import yaml

    try:
        return yaml.safe_load(_EXAMPLE.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}


def complaints(errors: Sequence[Any]) -> list[str]:
    """One line for each error of pydantic, and one for those beyond MOST_SHOWN."""
    more = len(errors) - MOST_SHOWN
    return [*map(_complaint, errors[:MOST_SHOWN]), *([f"{more} more"] if more > 0 else [])]


def in_lines(start: str, lines: Sequence[str]) -> str:
    """One mistake in one line; several mistakes below each other."""
    if len(lines) == 1:
        return f"{start}: {lines[0]}"
    number = "mistakes" if lines[-1].endswith(" more") else f"{len(lines)} mistakes"
    return f"{start}: {number}:" + "".join(f"\n  {line}" for line in lines)


def _complaint(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "scenario"
    if error["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_near_field(error['loc'])}"
    if error["type"] == "missing":
        return f"key {key!r} is missing{_example(error['loc'])}"
    message = error["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(error["input"], dict) else f" = {error['input']!r}"
    return f"{key}{shown}: {message[:1].lower()}{message[1:]}{_example(error['loc'])}"


def _near_field(location: Sequence[Any]) -> str:
    near, names = _near(location), _fields_beside(location)
    return f"; did you mean {near!r}?" if near else f"; known: {', '.join(names)}" if names else ""


def _near(location: Sequence[Any]) -> str | None:
    """The known key with the spelling closest to an unknown one."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(str(location[-1]), _fields_beside(location), n=1)), None)


def _fields_beside(location: Sequence[Any]) -> list[str]:
    """The keys of the section that contains a key."""
    model: Any = Scenario
    for part in location[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next((option for option in options if hasattr(option, "model_fields")), None)
        if model is None:
            return []
    return list(model.model_fields)


def _example(location: Sequence[Any]) -> str:
    """The key as a line to type, as in the full example; empty where the example lacks it."""
    import yaml

    names = [part for part in location if isinstance(part, str)]
    value: Any = _SECTIONS if len(names) == 1 and names[0] in _SECTIONS else _example_values()
    try:
        for name in names:
            value = value[name]
    except (KeyError, TypeError):
        return ""
    if not names or value is None:
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).removesuffix("...\n").strip()
    return "" if len(text) > 120 or "\n" in text else f"; for example: {names[-1]}: {text}"
