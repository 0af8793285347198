"""`python -m nanobrag_campaign.summary`: what a campaign made, how fast, and whether its sample agrees with C.

With `gate` in place of `summarize`: exit status 1, and the frames by name, if the summary says that some do not agree.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanobrag_campaign import verify
from nanobrag_campaign.noise import NAMES, bytes_per_pixel
from nanobrag_campaign.plan import Plan, read_plan
from nanobrag_campaign.shards import Shard, audit_file, shard_file
from trace_audit.core.documents import StructureFactors, read_document
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import printable, readable_json, write_atomic
from trace_audit.core.result_documents import CampaignSummary, ShardVerdict

_SHOWN = (
    *("shard", "frame", "index_in_file", "worst_difference_of_peak", "worst_pixel_slow_fast", "c", "stored"),
    "other_counts",
)


def verdict_of(records: Path, folder: Path, shard: Shard) -> dict[str, Any]:
    """The verdict on a shard. Raises InputError if it was reached on other bytes than the shard now has."""
    path = audit_file(records, shard)
    verdict: dict[str, Any] = read_document(path, "verdict on a shard", ShardVerdict)
    recorded = verify.side_record(folder, shard)["sha256"]
    if verdict["sha256"] != recorded:
        raise InputError(f"{path}: is about other bytes than {shard_file(folder, shard)}; remove it and run again")
    return verdict


def summarize(plan: Plan, folder: Path, records: Path, taken: Sequence[Path] = ()) -> dict[str, Any]:
    """The figures of a campaign, JSON-ready. Raises InputError where a shard or its verdict is missing.

    `taken`: files SCENARIO.taken.json that say what was read of the structure factors.
    """
    sides = [verify.side_record(folder, shard) for shard in plan.shards]
    verdicts = [verdict_of(records, folder, shard) for shard in plan.shards]
    frames = sum(side["frames"] for side in sides)
    size = sum(side["bytes"] for side in sides)
    audited = [{"shard": verdict["shard"], **row} for verdict in verdicts for row in verdict["frames"]]
    failed = [row for row in audited if row["status"] == "fail"]
    worst = max(audited, key=lambda row: row["worst_difference_of_peak"], default=None)
    slow, fast = sides[0]["shape_slow_fast"]
    return {
        "status": "fail" if failed else "pass",
        "summary": _sentence(plan, frames, len(audited), failed, worst),
        "name": plan.settings.name,
        "folder": folder.as_posix(),
        "frames": frames,
        "shards": len(sides),
        "shape_slow_fast": [slow, fast],
        "device": plan.settings.device,
        "dtype": plan.settings.dtype,
        "noise": plan.settings.noise.generator,
        "structure_factors": dict(map(_taken, taken)),
        "bytes": size,
        "bytes_per_frame": size / frames,
        "raw_bytes_per_frame": bytes_per_pixel(plan.settings.noise) * slow * fast,
        "seconds": {name: sum(side["seconds"][name] for side in sides) for name in sides[0]["seconds"]},
        "frames_per_s": frames / busy_s([side["interval_s"] for side in sides]),
        "frames_per_s_of_one_job": frames / sum(side["seconds"]["wall"] for side in sides),
        "cpu_s_per_frame": sum(side["seconds"]["cpu"] for side in sides) / frames,
        "audited": len(audited),
        "failed": [{name: row[name] for name in _SHOWN} for row in failed],
        "worst": None if worst is None else {name: worst[name] for name in _SHOWN},
        "tolerance_of_peak": verdicts[0]["tolerance_of_peak"],
        "tolerances_sha256": verdicts[0]["tolerances_sha256"],
    }


def _taken(path: Path) -> tuple[str, Any]:
    """Scenario, and the record of what was read of its structure factors."""
    return path.name.removesuffix(".taken.json"), read_document(path, "record of structure factors", StructureFactors)


def busy_s(intervals: list[list[float]]) -> float:
    """Seconds during which at least one of the intervals [start, end] was open."""
    total, until = 0.0, -math.inf
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _sentence(plan: Plan, frames: int, audited: int, failed: list[dict[str, Any]], worst: Any) -> str:
    if worst is None:
        return f"{frames} frames; none was simulated again by the C program."
    if failed:
        first = failed[0]
        return (
            f"{len(failed)} of {audited} audited frames differ from those of the C program, first frame "
            f"{first['frame']} of {first['shard']}: {first['worst_difference_of_peak']:.1e} of the peak"
            + (f", {first['other_counts']} counts are not those drawn from it." if first["other_counts"] else ".")
        )
    noisy = plan.settings.noise.generator != "none"
    return (
        f"{frames} frames; the {audited} that the C program simulated again agree, "
        f"worst {worst['worst_difference_of_peak']:.1e} of the peak"
        + (" before noise; their counts are those drawn from them." if noisy else ".")
    )


def text(result: dict[str, Any]) -> str:
    """The figures for people."""
    slow, fast = result["shape_slow_fast"]
    ratio = result["raw_bytes_per_frame"] / result["bytes_per_frame"]
    rows = [
        ("frames", f"{result['frames']} of {slow} x {fast} pixels (slow x fast), {result['shards']} shards"),
        ("device, dtype", f"{result['device']}, {result['dtype']}"),
        ("noise", NAMES[result["noise"]]),
        *(("structure factors", told["line"]) for told in result["structure_factors"].values()),
        ("all jobs", f"{result['frames_per_s']:.3g} frames/s while any ran"),
        ("one job", f"{result['frames_per_s_of_one_job']:.3g} frames/s, {result['cpu_s_per_frame']:.3g} CPU s a frame"),
        (
            "size",
            f"{result['bytes']} bytes, {result['bytes_per_frame']:.0f} a frame, {ratio:.2f} times smaller than raw",
        ),
        ("audit", f"{result['status']}: {result['summary']}"),
        ("all frames as one file", f"{result['folder']}/master.h5"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {value}" for name, value in rows]
    return "\n".join([f"campaign {result['name']}", "", *lines, ""])


def gate(result: dict[str, Any]) -> int:
    """Name the frames that do not agree; 1 if there is any."""
    for row in result["failed"]:
        print(
            f"campaign gate: {printable(row['shard'])}: frame {row['frame']}: "
            f"{row['worst_difference_of_peak']:.1e} of the peak at pixel {row['worst_pixel_slow_fast']} (slow, fast): "
            f"C {row['c']:.9g}, stored {row['stored']:.9g}"
            + (f"; {row['other_counts']} counts are not those drawn from it" if row.get("other_counts") else ""),
            file=sys.stderr,
        )
    return 1 if result["status"] != "pass" else 0


def main(argv: list[str]) -> int:
    """Summarize a campaign, or check its summary."""
    parser = argparse.ArgumentParser(
        prog="python -m nanobrag_campaign.summary", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("summarize", help="write summary.json and summary.txt")
    make.add_argument("--plan", type=Path, required=True, metavar="FILE", help="plan.h5")
    make.add_argument("--folder", type=Path, required=True, metavar="DIR", help="the campaign's folder with shards/")
    make.add_argument("--records", type=Path, required=True, metavar="DIR", help="where audit/ is")
    make.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="summary.json; summary.txt goes beside it"
    )
    make.add_argument(
        "--taken", type=Path, nargs="*", default=[], metavar="FILE", help="what was read of the structure factors, JSON"
    )
    check = commands.add_parser("gate", help="fail if an audited frame does not agree")
    check.add_argument("summary", type=Path, metavar="FILE", help="summary.json")
    options = parser.parse_args(argv)
    if options.command == "gate":
        return gate(read_document(options.summary, "summary of a campaign", CampaignSummary))
    result = summarize(read_plan(options.plan), options.folder, options.records, options.taken)
    write_atomic(options.out.with_suffix(".txt"), text(result))
    write_atomic(options.out, readable_json(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
