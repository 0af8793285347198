"""What is wrong with a scenario file: all of it at once, each mistake with the form expected and an example to type."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trace_audit.config.scenario_model import Scenario

_EXAMPLE = Path(__file__).resolve().parents[3] / "config" / "scenarios" / "supervisor.yaml"


def complaints(errors: Sequence[Any]) -> list[str]:
    """One line for each error of pydantic's."""
    return [_complaint(error) for error in errors]


def in_lines(start: str, lines: Sequence[str]) -> str:
    """One mistake in one line; several below each other."""
    if len(lines) == 1:
        return f"{start}: {lines[0]}"
    return f"{start}: {len(lines)} mistakes:" + "".join(f"\n  {line}" for line in lines)


def _complaint(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "scenario"
    if error["type"] == "extra_forbidden":
        return f"unknown key {place!r}{_near_field(error['loc'])}"
    if error["type"] == "missing":
        return f"key {place!r} is missing{_example(error['loc'])}"
    message = error["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(error["input"], dict) else f" = {error['input']!r}"
    return f"{place}{shown}: {message[:1].lower()}{message[1:]}{_example(error['loc'])}"


def _near_field(location: Sequence[Any]) -> str:
    from difflib import get_close_matches

    model: Any = Scenario
    for part in location[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next((option for option in options if hasattr(option, "model_fields")), None)
        if model is None:
            return ""
    near = get_close_matches(str(location[-1]), list(model.model_fields), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(model.model_fields)}"


def _example(location: Sequence[Any]) -> str:
    """The key as the full example has it, as a line to type; nothing where it has none."""
    import yaml

    names = [part for part in location if isinstance(part, str)]
    try:
        value: Any = yaml.safe_load(_EXAMPLE.read_text(encoding="utf-8"))
        for name in names:
            value = value[name]
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return ""
    if not names or value is None:
        return ""
    text = yaml.safe_dump({names[-1]: value}, default_flow_style=None, width=1000, sort_keys=False).strip()
    if not isinstance(value, dict) and text.startswith("{"):
        text = text[1:-1]
    line = " ".join(text.split())
    return "" if len(line) > 120 or "\n" in line else f"; for example: {line}"
