"""`python -m trace_audit.report`: everything that an audit found as one HTML file that needs no network.

It is drawn from the ledger and the files that the ledger records. Every value reaches the page through a template that
escapes it; the page forbids itself to load anything.
"""

import argparse
import base64
import io
import math
import re
import shlex
from pathlib import Path
from typing import Any

from trace_audit import attempts
from trace_audit.campaign_report import campaign_sections
from trace_audit.chain import Entry, load
from trace_audit.errors import InputError, run_command
from trace_audit.files import printable, read_json, write_atomic
from trace_audit.rerun import environment_differences
from trace_audit.verdict import place_text
from trace_audit.verify import changed_inputs, verify

FOLDER = Path("report")
_SMALLEST = 1e-17  # left end of the bars: below the rounding of a double
_LARGEST = 10.0


def bar_percent(relative_difference: float) -> float:
    """Length of a bar on the logarithmic scale from 1e-17 to 10; 0 for exact agreement."""
    if not relative_difference > 0:
        return 0.0
    clipped = min(max(relative_difference, _SMALLEST), _LARGEST)
    return round(100 * math.log10(clipped / _SMALLEST) / math.log10(_LARGEST / _SMALLEST), 2)


def factor_rows(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a key: the component and place where its two sides are farthest apart."""
    worst: dict[str, dict[str, Any]] = {}
    for row in verdict["factors"]:
        known = worst.get(row["key"])
        rank = (row["verdict"] == "fail", row["relative_difference"])
        if known is None or rank > (known["verdict"] == "fail", known["relative_difference"]):
            worst[row["key"]] = row
    return [
        {
            **row,
            "place": place_text(row.get("context", {})),
            "bar": bar_percent(row["relative_difference"]),
            "root": row["key"] in verdict["root_causes"],
        }
        for row in worst.values()
    ]


def _number(value: Any) -> str:
    """A number as the traces show it."""
    return f"{value:.15g}" if isinstance(value, float) else printable(str(value))


def radial_profile(patch: dict[str, Any], pixel: list[int]) -> str:
    """Mean photons at each whole distance from the traced pixel, both programs, as an SVG picture."""
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure

    first_slow, first_fast = patch["first_slow_fast"]
    figure = Figure(figsize=(5, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for side, name, style in (("c", "C", "-"), ("py", "torch", "--")):
        image = np.array(patch[side], dtype=float)
        slow, fast = np.indices(image.shape)
        bins = np.hypot(slow + first_slow - pixel[0], fast + first_fast - pixel[1]).round().astype(int).ravel()
        count = np.bincount(bins)
        mean = np.bincount(bins, image.ravel()) / np.maximum(count, 1)
        axes.plot(np.arange(count.size)[count > 0], mean[count > 0], style, label=name)
    axes.set(xlabel="distance from the traced pixel (pixels)", ylabel="mean photons per pixel")
    axes.legend()
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "report", "svg.fonttype": "path"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return _picture(stream.getvalue().encode(), "svg+xml")


def _picture(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _colours() -> list[list[int]]:
    """The colour scale as 256 red, green, blue triples."""
    import matplotlib

    return [[round(255 * part) for part in matplotlib.colormaps["viridis"](i)[:3]] for i in range(256)]


def _folder_of(results: Path, record: dict[str, Any]) -> Path | None:
    """The folder below `results` with the comparison of an attempt, None if it is not there any more."""
    for name in record["artifacts"]:
        path = results / name if "\0" not in name else results
        inside = path.resolve().is_relative_to(results.resolve())
        if path.name == "compare_scaling_traces.json" and inside and path.is_file():
            return path.parent
    return None


def audit_section(results: Path, number: int, record: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """What the page shows of the latest attempt of one audit; `before` is the attempt before it."""
    folder = _folder_of(results, record)
    verdict = read_json(folder / "compare_scaling_traces.json", "comparison") if folder else None
    section = {
        "id": f"audit-{number}",
        "number": number,
        "record": record,
        "title": f"{record['scenario']}, pixel ({', '.join(map(str, record['pixel_slow_fast']))}), "
        f"{record['device']}, {record['dtype']}",
        "factors": factor_rows(verdict) if verdict else [],
        "tolerance_bar": bar_percent(record["tolerance_relative"]),
        "pictures": _pictures(folder) if folder else [],
        "environment": environment_differences({}, record.get("environment", {})),
        "environment_changes": _environment_changes(before, record),
        "previous": before["number"] if before else None,
        "commands": [" ".join(map(shlex.quote, command["arguments"])) for command in record["commands"]],
    }
    return {**section, **_image_parts(folder, record["pixel_slow_fast"])}


def _environment_changes(before: dict[str, Any] | None, record: dict[str, Any]) -> list[str] | None:
    if before is None or "environment" not in before or "environment" not in record:
        return None
    return environment_differences(before["environment"], record["environment"])


def _pictures(folder: Path) -> list[dict[str, str]]:
    """Pictures that other steps left beside the comparison, as data: shown as images, so that nothing in them runs."""
    files = [path for path in sorted(folder.glob("*.svg")) if path.is_file() and not path.is_symlink()]
    return [{"name": path.stem.replace("_", " "), "data": _picture(path.read_bytes(), "svg+xml")} for path in files]


def _image_parts(folder: Path | None, pixel: list[int]) -> dict[str, Any]:
    path = folder / "patch.json" if folder else None
    if path is None or not path.is_file():
        return {"patch": None, "patch_note": "No patch was simulated for this audit.", "profile": None}
    patch = read_json(path, "patch")
    if patch["failure"]:
        return {"patch": None, "patch_note": patch["failure"], "profile": None}
    return {"patch": {**patch, "pixel": pixel}, "patch_note": None, "profile": radial_profile(patch, pixel)}


def _latest(entries: list[Entry]) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """The latest trace attempt of each audit with the one before it, in the order of scenario, pixel, device, dtype."""
    found: dict[tuple, list[dict[str, Any]]] = {}
    for entry in entries:
        record = entry.record or {}
        if record.get("kind") == "attempt" and any(
            n.endswith("compare_scaling_traces.json") for n in record["artifacts"]
        ):
            key = (record["scenario"], tuple(record["pixel_slow_fast"]), record["device"], record["dtype"])
            found.setdefault(key, []).append(record)
    return [(rows[-1], rows[-2] if len(rows) > 1 else None) for _, rows in sorted(found.items())]


def _timeline(entries: list[Entry], shown: set[int]) -> list[dict[str, Any]]:
    rows = []
    for entry in entries:
        record = entry.record or {"kind": "unreadable", "summary": "not the JSON of a record"}
        number = record.get("number", int(entry.path.stem))
        pixel = record.get("pixel_slow_fast")
        what = [record.get("scenario"), f"({pixel[0]}, {pixel[1]})" if pixel else None]
        rows.append(
            {
                **{name: record.get(name, "") for name in ("kind", "time_utc", "status", "summary")},
                "number": number,
                "what": ", ".join(filter(None, [record.get("name"), *what, record.get("device"), record.get("dtype")])),
                "file": f"../audit/ledger/{entry.path.name}",
                "section": f"audit-{number}" if number in shown else None,
            }
        )
    return rows


def page(results: Path) -> str:
    """The whole page. Raises InputError if there is no ledger with an attempt below `results`."""
    import jinja2

    faults = [fault for fault in verify(results) if not re.match(r"report/|.*/patch\.json: (extra|changed)$", fault)]
    entries = load(results / attempts.LEDGER)
    latest = _latest(entries)
    if not latest:
        raise InputError(f"{results / attempts.LEDGER}: no attempt on record; run make audit first")
    sections = [audit_section(results, record["number"], record, before) for record, before in latest]
    failed = [section for section in sections if section["record"]["status"] != "pass"]
    loader = jinja2.PackageLoader("trace_audit", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "printable": printable}
    return environment.get_template("report.html.j2").render(
        sections=sections,
        campaigns=campaign_sections(results, entries),
        failed=failed,
        faults=faults,
        inputs=changed_inputs(results),
        timeline=_timeline(entries, {section["number"] for section in sections}),
        head=entries[-1].sha256,
        colours=_colours(),
        patches={section["id"]: section["patch"] for section in sections if section["patch"]},
    )


def main(argv: list[str]) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.report", description=__doc__, allow_abbrev=False)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"default: {FOLDER / 'index.html'} below results")
    options = parser.parse_args(argv)
    out = options.out or options.results / FOLDER / "index.html"
    write_atomic(out, page(options.results))
    print(out)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
