"""`docs/scenario.md`: every key of a scenario file, made from `scenario_model` and the table of flags."""

import json
import re
from collections.abc import Iterator
from typing import Any

from nanobragg_tables import flags
from trace_audit.config.scenario import schema_text
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.markdown import cell

_FLAGS = {flag.name: flag for flag in flags()}

INTRODUCTION = """# Scenario files

<!-- made by `python -m trace_audit schema`; change scenario_model.py or flags.json instead -->

One YAML file in `config/scenarios` is one experiment. Both programs get the same command line from it; a key that is a
flag has its meaning ([flags.md](flags.md)), the unit is in the key's name. A key that is left out is not given on the
command line, so the programs' own default counts, which is the one shown. A wrong key or value is refused in one line.
`config/scenarios/supervisor.yaml` is a full example; the JSON schema for editors is
`workflow/schemas/scenario.schema.json`.
"""


def scenario_document() -> str:
    """The page as text."""
    schema = json.loads(schema_text())
    parts = [INTRODUCTION, *_section("The file", schema, schema)]
    for name in _in_order(schema, schema):
        parts += _section(name, schema["$defs"][name], schema)
    return "\n".join(parts).rstrip("\n") + "\n"


def _in_order(model: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Kinds of sections in the order in which the file uses them."""
    names: dict[str, None] = {}
    for name in re.findall(r"'#/\$defs/(\w+)'", repr(model["properties"])):
        names |= dict.fromkeys([name, *_in_order(schema["$defs"][name], schema)])
    return list(names)


def _section(title: str, model: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    yield f"## {title}\n"
    used = sorted(_uses(title, schema))
    yield model["description"] + (f" In: {', '.join(f'`{key}`' for key in used)}." if used else "") + "\n"
    yield "| Key | Value | Default | Flag | Meaning |"
    yield "|---|---|---|---|---|"
    required = model.get("required", [])
    for key, field in model["properties"].items():
        default = "required" if key in required else _default(field)
        flag = f"`{field['flag']}`" if "flag" in field else ""
        meaning = field.get("description") or _target(field, schema)["description"]
        yield f"| `{key}` | {cell(_value(field))} | {cell(default)} | {flag} | {cell(meaning)} |"
    yield ""


def _uses(name: str, schema: dict[str, Any]) -> Iterator[str]:
    """Keys whose values are of this kind, as dotted names."""
    for section, model in (("", schema), *schema["$defs"].items()):
        for key, field in model["properties"].items():
            if f"#/$defs/{name}'" in repr(field):
                yield f"{section.lower()}.{key}" if section else key


def _target(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    target: dict[str, Any] = schema["$defs"][field["$ref"].rsplit("/", 1)[1]]
    return target


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None and "flag" in field:
        return _FLAGS[field["flag"]].default
    if default is None or isinstance(default, dict) or default == []:
        return ""
    return str(default).lower() if isinstance(default, bool) else f"{default}"


def _value(field: dict[str, Any]) -> str:
    """What may stand behind the key: `number above 0`, `3 integers, 1 or more`, `one of a, b`."""
    if "anyOf" in field:
        return " or ".join(_value(option) for option in field["anyOf"] if option.get("type") != "null")
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[1]
    if "enum" in field:
        return "one of " + ", ".join(map(str, field["enum"]))
    kind = {"boolean": "true or false", "string": "text"}.get(field["type"], field["type"])
    if kind == "array":
        count = field.get("minItems")
        number = f"{count} of: " if count == field.get("maxItems") and count else "list of: "
        return number + _value(field["items"])
    limits = [
        (field.get("exclusiveMinimum"), "above {}"),
        (field.get("minimum"), "{} or more"),
        (field.get("maximum"), "at most {}"),
    ]
    stated = [text.format(f"{limit:g}") for limit, text in limits if limit is not None]
    return ", ".join([kind, *stated])


def undescribed() -> list[str]:
    """Keys without a meaning; none, as the tests see to."""
    schema = json.loads(schema_text())
    sections = {Scenario.__name__: schema, **schema["$defs"]}
    return [
        f"{section}.{key}"
        for section, model in sections.items()
        for key, field in model["properties"].items()
        if not field.get("description") and not ("$ref" in field and _target(field, schema).get("description"))
    ]
