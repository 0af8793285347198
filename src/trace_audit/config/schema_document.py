"""Tables with every key of a JSON schema: allowed values, default, meaning."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from trace_audit.core.markdown import cell

Column = Callable[[Mapping[str, Any]], str]


def tables(title: str, schema: dict[str, Any], default: Column, more: Mapping[str, Column]) -> Iterator[str]:
    """Lines: a section for the file, then one for each group of keys in the order of use.

    `default` gives the default of a key from its field of the schema, `more` further columns by their heading.
    """
    yield from _section(title, schema, schema, default, more)
    for name in _in_order(schema, schema):
        yield from _section(name, schema["$defs"][name], schema, default, more)


def plain_default(field: Mapping[str, Any]) -> str:
    """The default that the schema states."""
    default = field.get("default")
    if default is None or isinstance(default, dict) or default in ([], ""):
        return ""
    if isinstance(default, list):
        return ", ".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else f"{default}"


def undescribed(title: str, schema: dict[str, Any]) -> list[str]:
    """Keys without a meaning; a test checks that there are none."""
    return [
        f"{section}.{key}"
        for section, model in {title: schema, **schema["$defs"]}.items()
        for key, field in model.get("properties", {}).items()
        if not field.get("description") and not ("$ref" in field and _target(field, schema).get("description"))
    ]


def _in_order(model: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Groups of keys in the order in which the file uses them."""
    names: dict[str, None] = {}
    for name in re.findall(r"'#/\$defs/(\w+)'", repr(model["properties"])):
        names |= dict.fromkeys([name, *_in_order(schema["$defs"][name], schema)])
    return list(names)


def _section(
    title: str, model: Mapping[str, Any], schema: Mapping[str, Any], default: Column, more: Mapping[str, Column]
) -> Iterator[str]:
    yield f"## {title}\n"
    used = sorted(_uses(title, schema))
    yield model["description"] + (f" In: {', '.join(f'`{key}`' for key in used)}." if used else "") + "\n"
    headings = ["Key", "Value", "Default", *more, "Meaning"]
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    required = model.get("required", [])
    for key, field in model["properties"].items():
        shown_default = "required" if key in required else default(field)
        meaning = field.get("description") or _target(field, schema)["description"]
        cells = [f"`{key}`", cell(_value(field)), cell(shown_default), *(column(field) for column in more.values())]
        yield f"| {' | '.join([*cells, cell(meaning)])} |"
    yield ""


def _uses(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Keys whose values are of this group, as dotted names."""
    for section, model in (("", schema), *schema["$defs"].items()):
        for key, field in model["properties"].items():
            if f"#/$defs/{name}'" in repr(field):
                yield f"{section.lower()}.{key}" if section else key


def _target(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Mapping[str, Any] = schema["$defs"][field["$ref"].rsplit("/", 1)[1]]
    return target


def _value(field: Mapping[str, Any]) -> str:
    """The allowed values of a key: `number above 0`, `3 integers, 1 or more`, `one of a, b`."""
    if "anyOf" in field:
        return " or ".join(_value(option) for option in field["anyOf"] if option.get("type") != "null")
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[1]
    if "const" in field:
        return str(field["const"])
    if "enum" in field:
        return "one of " + ", ".join(map(str, field["enum"]))
    if field["type"] == "object":
        return f"for each name: {_value(_of_each_name(field))}"
    kind = {"boolean": "true or false", "string": "text"}.get(field["type"], field["type"])
    if kind == "array":
        count = field.get("minItems")
        number = f"{count} of: " if count == field.get("maxItems") and count else "list of: "
        return number + _value(field["items"])
    return ", ".join([kind, *_limits(field)])


def _of_each_name(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a mapping's values, for any name or for names that match a pattern."""
    patterns: Sequence[Mapping[str, Any]] = list(field.get("patternProperties", {}).values())
    schema: Mapping[str, Any] = patterns[0] if patterns else field["additionalProperties"]
    return schema


def _limits(field: Mapping[str, Any]) -> list[str]:
    limits = [
        (field.get("exclusiveMinimum"), "above {}"),
        (field.get("minimum"), "{} or more"),
        (field.get("maximum"), "at most {}"),
    ]
    return [text.format(f"{limit:g}") for limit, text in limits if limit is not None]
