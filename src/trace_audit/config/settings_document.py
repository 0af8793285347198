"""`docs/config.md`: every key of the config file, made from `settings`."""

import json

from trace_audit.config import schema_document
from trace_audit.config.settings import Settings, schema_text

INTRODUCTION = """# The config file

<!-- made by `python -m trace_audit schema`; change settings.py and the files beside it instead -->

`config/config.yaml` of the working folder; a missing key has the default shown here. The shipped file is a full
example. A wrong key or value is refused in one line before any job runs. The JSON schema for editors is
`workflow/schemas/config.schema.json`.

A config needs at least:

```yaml
scenarios: [supervisor]
devices: [cpu]
dtypes: [float64]
```
"""


def settings_document() -> str:
    """The page as text."""
    lines = schema_document.tables("The file", json.loads(schema_text()), schema_document.plain_default, {})
    return "\n".join([INTRODUCTION, *lines]).rstrip("\n") + "\n"


def undescribed() -> list[str]:
    """Keys without a meaning; a test checks that there are none."""
    return schema_document.undescribed(Settings.__name__, json.loads(schema_text()))
