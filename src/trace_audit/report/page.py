"""The page as a whole: the verdict, then every section."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trace_audit.core.errors import InputError
from trace_audit.core.files import printable
from trace_audit.report.audits import audit_section, latest_attempts
from trace_audit.report.other_results import other_results
from trace_audit.report.pictures import colour_scales, overviews
from trace_audit.report.wording import number, prose, short
from trace_audit.trail import attempts
from trace_audit.trail.hash_chain import Entry, load
from trace_audit.trail.records import is_sound
from trace_audit.trail.verify import changed_inputs, verify

FOLDER = Path("report")
MOST_OPEN = 3  # audits and images that are open at first
Section = dict[str, Any]
# records made by the report itself, between two seals
_OF_THE_PAGE = re.compile(r"report/|.*/patch\.json: (extra|changed)$")


@dataclass(frozen=True)
class Counted:
    """Folders below results of the audits and images to count; None: all on record."""

    audits: frozenset[str] | None = None
    images: frozenset[str] | None = None


def page(results: Path, counted: Counted = Counted()) -> str:  # noqa: B008 - it is frozen
    """The whole page. Raises InputError if there is no ledger with an attempt below `results`."""
    entries = load(results / attempts.LEDGER)
    everything = [audit_section(results, record, before) for record, before in latest_attempts(entries)]
    if not everything:
        raise InputError(f"{results / attempts.LEDGER}: no attempt on record; run make audit first")
    sections, earlier = split(everything, counted.audits)
    images = overviews(results / FOLDER, sections)
    further_sections = other_results(results, counted.images)
    failed = [section for section in sections if section["record"]["status"] == "fail"]
    failed_others = [block for block in further_sections if block.status == "fail"]
    judged = [section for section in sections if section["record"]["status"] in ("pass", "fail")]
    causes = grouped(failed)
    changes = changed_inputs(results)
    text: str = _template().render(
        status="fail" if failed or failed_others else "pass",
        sections=sections,
        earlier=earlier,
        passed=len(judged) - len(failed),
        counted=len(judged),
        causes=causes,
        opened=[members[0]["id"] for _, members in causes[:MOST_OPEN]],
        most_images=MOST_OPEN,
        taken=list(dict.fromkeys(line for section in sections for line in section["taken"])),
        torch_changed=sum(line.startswith("src/nanobrag_torch/") for line in changes),
        others=further_sections,
        failed_others=failed_others,
        images=images,
        last=sections_newest(everything),
        faults=[fault for fault in verify(results) if not _OF_THE_PAGE.match(fault)],
        inputs=changes,
        timeline=timeline(entries, {section["number"] for section in sections}),
        head=entries[-1].sha256,
        colours=colour_scales(),
        pictures={part["id"]: part["picture"] for part in [*sections, *images] if part["picture"]},
    )
    return text


def split(sections: list[Section], folders: frozenset[str] | None) -> tuple[list[Section], list[Section]]:
    """The audits to count, failed ones first, and those that are no longer in the config."""
    counting = [section for section in sections if folders is None or section["folder"] in folders]
    earlier = [section for section in sections if section not in counting]
    return sorted(counting, key=lambda section: section["record"]["status"] != "fail"), earlier


def grouped(failed: list[Section]) -> list[tuple[str, list[Section]]]:
    """Failed audits by their cause, the most frequent first."""
    groups: dict[str, list[Section]] = {}
    for section in failed:
        groups.setdefault(section["cause"], []).append(section)
    return sorted(groups.items(), key=lambda item: -len(item[1]))


def sections_newest(sections: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of the newest of the audits shown."""
    return max((section["record"] for section in sections), key=lambda record: record["number"])


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trace_audit.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "printable": printable, "prose": prose, "short": short}
    return environment.get_template("report.html.j2")


def timeline(entries: list[Entry], shown: set[int]) -> list[dict[str, Any]]:
    """One row a record, newest first; `shown` are the numbers of those that have a section of their own."""
    rows = []
    for entry in reversed(entries):
        unreadable = {"kind": "unreadable", "summary": "not the JSON of a record"}
        record = entry.record if entry.record is not None and is_sound(entry.record) else unreadable
        number_of_it = int(entry.path.stem)
        pixel = record.get("pixel_slow_fast")
        names = [record.get("scenario") or record.get("name"), f"({pixel[0]}, {pixel[1]})" if pixel else None]
        rows.append(
            {
                **{name: record.get(name, "") for name in ("kind", "time_utc", "status", "summary")},
                "number": number_of_it,
                "what": ", ".join(filter(None, [*names, record.get("device"), record.get("dtype")])),
                "file": f"../audit/ledger/{entry.path.name}",
                "section": f"audit-{number_of_it}" if number_of_it in shown else None,
            }
        )
    return rows
