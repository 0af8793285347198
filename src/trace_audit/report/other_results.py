"""Sections about all results other than audits of traces: images, gradients, refinements, campaigns, ...

Each is made from the JSON file that its rule writes; without the file there is no section. Fields unknown to this code
are shown unchanged, so that a new kind of result needs no code.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trace_audit.core import result_documents as forms
from trace_audit.core.documents import Document, problem_of
from trace_audit.core.errors import InputError
from trace_audit.core.files import read_json
from trace_audit.report.audits import leaves
from trace_audit.report.campaigns import figures, frame_pictures
from trace_audit.report.pictures import png_data, svg_data
from trace_audit.report.wording import short_or_blank, signed

MOST_ROWS = 200
_IMAGES = "*/images/*/image_parity.json"
_LARGEST_FILE_BYTES = 5_000_000
Row = tuple[str, list[Any]]  # verdict of the row, cells


@dataclass
class Table:
    """A table with a caption; `left_out` rows did not fit."""

    caption: str
    headings: list[str]
    rows: list[Row]
    left_out: int = 0


@dataclass
class Block:
    """One section. `status` is pass, fail, skipped, or empty if there is no verdict."""

    title: str
    status: str
    summary: str
    reproduce: str
    source: str
    tables: list[Table] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)


Maker = Callable[[Path, list[tuple[Path, Any]]], list[Block]]


def other_results(results: Path, images: frozenset[str] | None = None) -> list[Block]:
    """All sections, in a fixed order. An unreadable file becomes a section that says so.

    Whole images count only if their folder is among `images`; None: all.
    """
    blocks: list[Block] = []
    for pattern, (maker, model) in _SECTIONS.items():
        documents, broken, unlike = _read(results, pattern, model)
        if pattern == _IMAGES and images is not None:
            documents = [
                (path, data) for path, data in documents if path.parent.relative_to(results).as_posix() in images
            ]
            unlike = [(path, data) for path, data in unlike if path.parent.relative_to(results).as_posix() in images]
        blocks += broken
        blocks += maker(results, documents) if documents else []
        blocks += _as_it_is(results, unlike)
    return blocks


Found = list[tuple[Path, Any]]


def _read(results: Path, pattern: str, model: type[Document] | None) -> tuple[Found, list[Block], Found]:
    """Files of the form known here, sections on those that cannot be read, and files of another form."""
    documents: Found = []
    broken: list[Block] = []
    unlike: Found = []
    for path in sorted(results.glob(pattern)):
        if not path.is_file() or not path.resolve().is_relative_to(results.resolve()):
            continue
        try:
            if path.stat().st_size > _LARGEST_FILE_BYTES:
                raise InputError(f"{path}: larger than {_LARGEST_FILE_BYTES} bytes, not shown here")
            data = read_json(path, "result")
            (unlike if model and problem_of(data, model) else documents).append((path, data))
        except InputError as error:
            broken.append(Block(_title(results, path), "", str(error), "", _link(results, path)))
    return documents, broken, unlike


def _link(results: Path, path: Path) -> str:
    return f"../{path.relative_to(results).as_posix()}"


def _title(results: Path, path: Path) -> str:
    return path.relative_to(results).parent.as_posix().replace("/", ": ")


def _status(statuses: list[str]) -> str:
    return "fail" if "fail" in statuses else "pass" if "pass" in statuses else "skipped"


def _cut(caption: str, headings: list[str], rows: list[Row]) -> Table:
    ordered = sorted(rows, key=lambda row: row[0] != "fail")  # failing rows come first and are never cut
    return Table(caption, headings, ordered[:MOST_ROWS], max(0, len(rows) - MOST_ROWS))


def _image_parity(results: Path, documents: list[tuple[Path, Any]]) -> list[Block]:
    rows: list[Row] = [
        (
            v["status"],
            [
                v["scenario"],
                v["device"],
                v["dtype"],
                v.get("backend", "eager"),
                "x".join(map(str, v.get("shape_slow_fast", []))),
                short_or_blank(v.get("worst_difference_of_peak")),
                short_or_blank(v["tolerance_relative"]),
                ", ".join(v["root_causes"]) or "none",
                v["status"],
            ],
        )
        for _, v in documents
    ]
    good, failed = sum(row[0] == "pass" for row in rows), sum(row[0] == "fail" for row in rows)
    headings = ["scenario", "device", "dtype", "backend", "slow x fast", "worst, of peak", "allowed", "root causes"]
    headings.append("verdict")
    table = _cut("Largest difference of any pixel, over the peak of the image.", headings, rows)
    text = f"{good} of {good + failed} whole images of both programs agree, and so does every factor traced in them."
    if failed:
        text = f"{failed} of {good + failed} whole images do not agree."
    status, source = _status([row[0] for row in rows]), _link(results, documents[0][0])
    return [Block("Whole images", status, text, "make parity", source, [table])]


def _pairs(results: Path, documents: list[tuple[Path, Any]]) -> list[Block]:
    """Audits of any two programs: one block each, with its causes and the keys that differ."""
    blocks = []
    for path, audit in documents:
        sides = audit["sides"]
        causes: list[Row] = [("fail", [c["side"], c["key"], c["role"], c["sentence"]]) for c in audit["causes"]]
        keys: list[Row] = [
            (
                "fail" if row["verdict"] == "differs" else "",
                [
                    row["key"],
                    row["reference"],
                    row["candidate"],
                    short_or_blank(row["relative_difference"]),
                    row["verdict"],
                ],
            )
            for row in audit["factors"]
            if row["verdict"] != "agrees"
        ]
        tables = [_cut("Causes", ["side", "key", "where", "cause"], causes)] if causes else []
        if keys:
            headings = ["key", sides["reference"], sides["candidate"], "relative", "verdict"]
            tables.append(_cut("Keys outside the tolerance", headings, keys))
        title = (
            f"{sides['candidate']} against {sides['reference']}: {_title(results, path).removesuffix(': candidate')}"
        )
        untraced = path.is_relative_to(results / "untraced")
        command = "NB_C_BIN=/path/nanoBragg make audit-untraced" if untraced else "make audit"
        blocks.append(Block(title, audit["status"], audit["summary"], command, _link(results, path), tables))
    return blocks


def _gradients(results: Path, documents: list[tuple[Path, Any]]) -> list[Block]:
    rows: list[Row] = [
        (
            row["status"],
            [
                summary["scenario"],
                row["parameter"],
                short_or_blank(row["best_agreement_of_peak"]),
                "" if row["fitted_slope"] is None else f"{row['fitted_slope']:.2f}",
                ", ".join(row["stages_to_blame"]) or row["reason"] or "none",
                row["status"],
            ],
        )
        for _, summary in documents
        for row in summary["parameters"]
    ]
    good = sum(row[0] == "pass" for row in rows)
    headings = ["scenario", "parameter", "best agreement, of peak", "error falls as step^", "to blame", "verdict"]
    table = _cut("Derivatives of the torch image against differences of the C program's images.", headings, rows)
    text = f"{good} of {len(rows)} derivatives agree with differences of the C program's images."
    status = _status([row[0] for row in rows])
    return [Block("Gradients", status, text, ".venv/bin/snakemake gradients", _link(results, documents[0][0]), [table])]


def _refinements(results: Path, documents: list[tuple[Path, Any]]) -> list[Block]:
    blocks = []
    for path, verdict in documents:
        rows: list[Row] = [
            ("", [row["name"], row["true"], row["start_off"], signed(row["off_sigma"])])
            for row in verdict["parameters"]
        ]
        headings = ["parameter", "hidden value", "start was off by", "off by (standard deviations)"]
        text = "; ".join(verdict["reasons"]) or f"Every hidden value is recovered, in {verdict['seconds']:.0f} s."
        title, command = f"Refinement: {path.parent.name}", ".venv/bin/snakemake refinement"
        table = _cut("Hidden values and what was recovered.", headings, rows)
        block = Block(title, verdict["status"], text, command, _link(results, path), [table])
        named = ((name, png_data(path.parent / f"{name}.png")) for name in ("convergence", "images"))
        block.pictures = [(name, data) for name, data in named if data]
        blocks.append(block)
    return blocks


def _selftest(results: Path, documents: list[tuple[Path, Any]]) -> list[Block]:
    path, result = documents[0]
    wrong = [row for row in result["injections"] if not row["as_expected"]]
    rows: list[Row] = [
        ("fail", [row["key"], row["component"], row["case"], row["status"], ", ".join(row["roots"])]) for row in wrong
    ]
    rows += [("", [name, "", "", "not tried", reason]) for name, reason in result["not_separable"].items()]
    rows += [("fail", [name, "", "", "not tried", "no reason stated"]) for name in result["untested"]]
    text = (
        f"{result['as_expected']} of {result['numbers']} numbers in {result['keys']} keys: an error of "
        f"{result['loud_relative_error']:.0e} put into that stage of torch is blamed on that key alone, one of "
        f"{result['quiet_relative_error']:.0e} passes."
    )
    headings = ["key", "component", "case", "verdict", "blamed, or why not tried"]
    status = "fail" if wrong or result["untested"] else "pass"
    table = _cut("Numbers that did not come out as they should, and keys not tried.", headings, rows)
    return [Block("The audit, audited", status, text, "make audit-selftest", _link(results, path), [table])]


def _campaigns(results: Path, documents: list[tuple[Path, Any]]) -> list[Block]:
    blocks = []
    for path, result in documents:
        rows: list[Row] = [
            (
                "fail",
                [
                    row["shard"],
                    row["frame"],
                    short_or_blank(row["worst_difference_of_peak"]),
                    "({}, {})".format(*row["worst_pixel_slow_fast"]),
                    row["c"],
                    row["stored"],
                ],
            )
            for row in result["failed"]
        ]
        headings = ["shard", "frame", "of the peak", "pixel (slow, fast)", "C", "stored"]
        table = _cut("Audited frames that differ from those of the C program.", headings, rows)
        title, source = f"Campaign: {result['name']}", _link(results, path)
        block = Block(title, result["status"], result["summary"], "make campaign", source, [table], figures(result))
        block.pictures = frame_pictures(path.parent / "master.h5")
        blocks.append(block)
    return blocks


def _as_it_is(results: Path, documents: list[tuple[Path, Any]]) -> list[Block]:
    """A result of any form: its status and summary if present, its values, its lists of records as tables."""
    blocks = []
    for path, data in documents:
        record = data if isinstance(data, dict) else {"values": data}
        tables = [
            _cut(
                name,
                list(rows[0]),
                [(str(row.get("status", "")), [_cell(row.get(key)) for key in rows[0]]) for row in rows],
            )  # fmt: skip
            for name, rows in record.items()
            if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
        ]
        shown = {table.caption for table in tables} | {"status", "summary"}
        facts = leaves({name: value for name, value in record.items() if name not in shown})[:MOST_ROWS]
        status = next((name for name in ("pass", "fail", "skipped") if name == record.get("status")), "")
        text = str(record["summary"]) if isinstance(record.get("summary"), str) else ""
        named = [] if path.name == "summary.json" else [path.stem]
        title = ": ".join([_title(results, path), *named]).capitalize()
        picture = svg_data(path.with_suffix(".svg"))
        pictures = [(path.stem, picture)] if picture else []
        blocks.append(Block(title, status, text, "", _link(results, path), tables, facts, pictures))
    return blocks


def _cell(value: Any) -> Any:
    return ", ".join(f"{name} {text}" for name, text in leaves(value)) if isinstance(value, (dict, list)) else value


_SECTIONS: dict[str, tuple[Maker, type[Document] | None]] = {
    _IMAGES: (_image_parity, forms.ImageVerdict),
    "*/*/candidate/port_audit.json": (_pairs, forms.PairVerdict),
    "untraced/*/port_audit.json": (_pairs, forms.PairVerdict),
    "selftest/selftest.json": (_selftest, forms.Selftest),
    "gradients/*/gradients.json": (_gradients, forms.GradientSummary),
    "refinement/*/verdict.json": (_refinements, forms.RefinementVerdict),
    "campaign/*/summary.json": (_campaigns, forms.CampaignSummary),
    "matrix/*/matrix.json": (_as_it_is, None),
    "bench/*.json": (_as_it_is, None),
}
