"""`python -m nanobrag_bench.trend`: parity and speed over commits, one page, results/trend/index.html.

Parity comes from the ledger: of each commit the last attempt of every audit, and the worst relative difference by
precision. Speed is measured now, for the commit that is checked out: whole processes of both programs in turn, one
image of 512 x 512 pixels without input files. Points are kept in results/trend/points.json, one for each commit; `make
clean` leaves that folder.
"""

from __future__ import annotations

import html
import io
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nanobrag_bench.documents import Points
from nanobrag_bench.machine import in_words, machine
from nanobrag_bench.measure import measure
from nanobrag_bench.series import Figures, in_turn
from trace_audit.core.commands import command_parser
from trace_audit.core.documents import read_document
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import printable, readable_json, write_atomic
from trace_audit.report.pictures import data_address
from trace_audit.trail import attempts
from trace_audit.trail.hash_chain import load
from trace_audit.trail.records import is_sound
from trace_audit.trail.statements import name_of

FOLDER = Path("trend")
FLAGS = "-cell 50 60 70 90 80 90 -default_F 100 -N 8 -lambda 1 -distance 100"
FLAGS += " -detpixels 512 -oversample 2 -nopgm -nonoise"
REPEATS = 5
_SPEEDS = {"C_s": "C, s", "torch_own_s": "torch, s", "import_s": "import torch, s", "torch_own_over_C": "torch / C"}
_WORST = "worst relative difference, {}"

Point = dict[str, Any]


def parity(results: Path) -> dict[str, Point]:
    """What the ledger says of each commit, in the order of their first records."""
    worst: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in load(results / attempts.LEDGER):
        record = entry.record or {}
        if record.get("kind") == "attempt" and record.get("git_commit") and is_sound(record):
            worst.setdefault(record["git_commit"], {})[name_of(record)] = record
    return {commit: _point_of(commit, list(records.values())) for commit, records in worst.items()}


def _point_of(commit: str, records: list[dict[str, Any]]) -> Point:
    worst: dict[str, float] = {}
    for record in records:
        difference = record["metrics"].get("worst_relative_difference")
        if difference is not None:
            worst[record["dtype"]] = max(worst.get(record["dtype"], 0.0), difference)
    return {
        "commit": commit,
        "time_utc": max(record["time_utc"] for record in records),
        "audits": len(records),
        "passed": sum(record["status"] == "pass" for record in records),
        "worst_relative_difference": worst,
    }


def speed(binary: Path, repeats: int = REPEATS) -> dict[str, Any]:
    """Median seconds of a process of each program; torch's own are those beyond `import torch`, in the same turn."""
    with tempfile.TemporaryDirectory(prefix="trend-") as folder:
        argv = [*FLAGS.split(), "-floatfile", f"{folder}/image.bin", "-intfile", f"{folder}/image.img"]
        torch = [sys.executable, "-m", "nanobrag_torch", *argv, "-dtype", "float32"]
        commands = {"C": [str(binary), *argv], "torch": torch, "import": [sys.executable, "-c", "import torch"]}
        actions: dict[str, Callable[[], Figures]] = {
            name: partial(_seconds, command) for name, command in commands.items()
        }
        runs = {name: [run["wall_s"] for run in figures] for name, figures in in_turn(actions, repeats).items()}
    own = [max(0.0, whole - start) for whole, start in zip(runs["torch"], runs["import"], strict=True)]
    return {
        **{f"{name}_s": statistics.median(figures) for name, figures in runs.items()},
        "torch_own_s": statistics.median(own),
        "torch_own_over_C": statistics.median(mine / c for mine, c in zip(own, runs["C"], strict=True)),
        "repeats": repeats,
        "machine": in_words(machine()),
    }


def _seconds(command: list[str]) -> Figures:
    return {"wall_s": measure(command, None).wall_s}


def present_commit() -> str:
    """The commit that is checked out. Raises InputError where there is none."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError("trend: this folder is no git checkout, so there is no commit to put a point at")
    return done.stdout.strip()


def joined(kept: list[Point], ledger: dict[str, Point], commit: str, measured: dict[str, Any]) -> list[Point]:
    """All points, oldest first: those kept, brought up to the ledger, and the new speed."""
    points = {point["commit"]: dict(point) for point in kept}
    for name, point in ledger.items():
        points[name] = {**points.get(name, {}), **point}
    if commit not in points:
        raise InputError(f"trend: no audit of commit {commit[:10]} is on record; run make audit first")
    points[commit]["speed"] = measured
    return sorted(points.values(), key=lambda point: str(point["time_utc"]))


def picture(points: list[Point]) -> bytes:
    """Both curves over the commits, as SVG."""
    import matplotlib.pyplot as plt

    names = [point["commit"][:8] for point in points]
    with plt.rc_context({"svg.hashsalt": "trend", "font.size": 9}):
        figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
        for dtype in sorted({dtype for point in points for dtype in point.get("worst_relative_difference", {})}):
            values = [point.get("worst_relative_difference", {}).get(dtype) for point in points]
            drawn = [float("nan") if value is None else max(value, 1e-17) for value in values]  # 0 has no logarithm
            above.plot(names, drawn, marker="o", label=dtype)
        above.set(yscale="log", ylabel="worst relative difference")
        for key, label in (("C_s", "C"), ("torch_own_s", "torch, float32, beyond its import")):
            values = [point.get("speed", {}).get(key, float("nan")) for point in points]
            below.plot(names, values, marker="o", label=label)
        below.set(ylabel="seconds of a process", ylim=(0, None))
        below.tick_params(axis="x", rotation=60)
        for axes in (above, below):
            axes.legend()
            axes.grid(alpha=0.3)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
        plt.close(figure)
    return stream.getvalue()


def page(points: list[Point]) -> str:
    """One HTML file that loads nothing."""
    dtypes = sorted({dtype for point in points for dtype in point.get("worst_relative_difference", {})})
    rows = [["commit", "last record", "passed", *map(_WORST.format, dtypes), *_SPEEDS.values()]]
    for point in reversed(points):
        fast = point.get("speed", {})
        worst = [point.get("worst_relative_difference", {}).get(dtype) for dtype in dtypes]
        rows.append([
            point["commit"][:10], point["time_utc"], f"{point['passed']} of {point['audits']}",
            *("" if value is None else f"{value:.1e}" for value in worst),
            *(f"{fast[key]:.2f}" if key in fast else "" for key in _SPEEDS),
        ])  # fmt: skip
    table = "\n".join(_table_row(row, "td" if number else "th") for number, row in enumerate(rows))
    about = next((point["speed"]["machine"] for point in reversed(points) if "speed" in point), "")
    return _PAGE.format(
        picture=data_address(picture(points), "svg+xml"),
        rows=table,
        machine=html.escape(printable(str(about))),
        repeats=REPEATS,
        flags=html.escape(FLAGS),
    )


def _table_row(cells: list[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(printable(cell))}</{tag}>" for cell in cells) + "</tr>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Parity and speed over commits</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}td,th{{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #ccc}}
img{{max-width:100%}}code{{font-size:.9em}}</style></head><body>
<h1>Parity and speed over commits</h1>
<p>Parity: of every audit the last attempt at a commit. Speed: median of {repeats} whole processes of each program in
turn, torch's less that of <code>import torch</code>, and their ratio within a turn; one image,
<code>{flags}</code>. Seconds of different machines do not compare; the ratio does better. Last measured on
{machine}.</p>
<img alt="Worst relative difference by precision, and seconds of both programs, over commits" src="{picture}">
<table>
{rows}
</table></body></html>
"""


def main(argv: list[str]) -> int:
    """Add the point of this commit and draw the page."""
    parser = command_parser("python -m nanobrag_bench.trend", __doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the C program")
    options = parser.parse_args(argv)
    kept = options.results / FOLDER / "points.json"
    known = read_document(kept, "points of the trend", Points)["points"] if kept.exists() else []
    commit = present_commit()
    ledger = parity(options.results)
    joined(known, ledger, commit, {})  # before anything is measured
    points = joined(known, ledger, commit, speed(options.binary.resolve()))
    write_atomic(kept, readable_json({"points": points}))
    write_atomic(kept.with_name("index.html"), page(points))
    print(kept.with_name("index.html"))
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
