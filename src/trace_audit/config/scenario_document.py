"""`docs/scenario.md`: every key of a scenario file, made from `scenario_model` and the table of flags."""

import json
from collections.abc import Mapping
from typing import Any

from nanobragg_tables import flags
from trace_audit.config import schema_document
from trace_audit.config.scenario import schema_text
from trace_audit.config.scenario_model import Scenario

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
    lines = schema_document.tables("The file", json.loads(schema_text()), _default, {"Flag": _flag})
    return "\n".join([INTRODUCTION, *lines]).rstrip("\n") + "\n"


def _flag(field: Mapping[str, Any]) -> str:
    return f"`{field['flag']}`" if "flag" in field else ""


def _default(field: Mapping[str, Any]) -> str:
    """The flag's default, if it has one; a key that is left out is not put on the command line."""
    if field.get("default") is None and "flag" in field:
        return _FLAGS[field["flag"]].default
    return schema_document.plain_default(field)


def undescribed() -> list[str]:
    """Keys without a meaning; a test checks that there are none."""
    return schema_document.undescribed(Scenario.__name__, json.loads(schema_text()))
