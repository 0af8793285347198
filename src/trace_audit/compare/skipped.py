"""An audit that was not made because its device is absent: recorded as skipped, which is neither pass nor fail."""

from pathlib import Path
from typing import Any

from trace_audit.compare.markdown_report import comparison_markdown, summary_markdown
from trace_audit.compare.pictures import write_pictures
from trace_audit.core.documents import Document, read_document
from trace_audit.core.errors import InputError
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.trace import tolerances

SKIPPED = "skipped"


class Skippable(Document):
    """A record that says why there was no run, if there was none."""

    skipped: str = ""


def why_skipped(record: Path) -> str:
    """The reason in the record of a torch run (`config_snapshot.json`, `py_image_run.json`); empty if it was made."""
    return str(read_document(record, "record of the torch run", Skippable).get(SKIPPED, ""))


def skipped_verdict(reason: str) -> dict[str, Any]:
    """The verdict of a skipped audit: the keys of `verdict`, with nothing compared."""
    return {
        "status": SKIPPED,
        "summary": f"Nothing was compared: {reason}.",
        "root_causes": [],
        "attribution": [],
        "first_divergence": None,
        "worst": None,
        "tolerance_relative": tolerances.relative_tolerance(),
        "tolerances_sha256": tolerances.file_sha256(),
        "counts": dict.fromkeys(("factors", "keys", "compared", "diverging", "problems", "identities"), 0),
        "problems": [],
        "context_differs": [],
        "only_in_c": [],
        "only_in_py": [],
        "roots": [],
        "suggestions": [],
        "substitution": [],
        "substitution_note": "",
        "attribution_trials": {"tried": 0, "explanations": []},
        "multiply_back": {"c": [], "py": []},
        "factors": [],
    }


def write_skipped(reason: str, json: Path, table: Path, summary: Path, pictures: Path) -> None:
    """Write the files of a comparison, each saying that it was skipped."""
    result = skipped_verdict(reason)
    write_atomic(json, readable_json(result))
    write_atomic(table, comparison_markdown(result))
    write_atomic(summary, summary_markdown(result))
    write_pictures(result, pictures)


def require_some_made(verdicts: dict[Path, dict[str, Any]]) -> dict[str, str]:
    """The skipped verdicts, folder to reason. Raises InputError if all are skipped."""
    skipped = {
        str(path.parent): verdict["summary"] for path, verdict in verdicts.items() if verdict["status"] == SKIPPED
    }
    if skipped and len(skipped) == len(verdicts):
        raise InputError(
            f"gate: every audit was skipped, so nothing is known: {next(iter(skipped.values()))} "
            "Run on a machine that has the device, or add another device to devices"
        )
    return skipped
