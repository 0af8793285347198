"""What the report shows of campaigns: figures and verdict of the latest one of each name, and a few of its frames."""

import base64
import io
from pathlib import Path
from typing import Any

from trace_audit.chain import Entry
from trace_audit.files import read_json

SHOWN_FRAMES = 4
_MASTER = "master.h5"
_SUMMARY = "summary.json"


def campaign_sections(results: Path, entries: list[Entry]) -> list[dict[str, Any]]:
    """One section for the latest record of each campaign, in the order of their names."""
    latest: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry.record and entry.record.get("kind") == "campaign":
            latest[entry.record["name"]] = entry.record
    return [_section(results, record) for _, record in sorted(latest.items())]


def _section(results: Path, record: dict[str, Any]) -> dict[str, Any]:
    summary = _artifact(results, record, _SUMMARY)
    result = read_json(summary, "summary of a campaign") if summary else None
    master = _artifact(results, record, _MASTER)
    return {
        "record": record,
        "figures": _figures(result) if result else [],
        "failed": result["failed"] if result else [],
        "pictures": frame_pictures(master) if master else [],
    }


def _artifact(results: Path, record: dict[str, Any], name: str) -> Path | None:
    """A file of the record by its last name; None if it is not there any more."""
    for path in (results / artifact for artifact in record["artifacts"] if "\0" not in artifact):
        if path.name == name and path.is_file() and path.resolve().is_relative_to(results.resolve()):
            return path
    return None


def _figures(result: dict[str, Any]) -> list[tuple[str, str]]:
    slow, fast = result["shape_slow_fast"]
    return [
        ("frames", f"{result['frames']} of {slow} × {fast} pixels in {result['shards']} shards"),
        ("device, dtype", f"{result['device']}, {result['dtype']}"),
        ("frames a second", f"{result['frames_per_s']:.3g} in all, {result['frames_per_s_of_one_job']:.3g} a job"),
        ("CPU time", f"{result['cpu_s_per_frame']:.3g} s a frame"),
        ("size", f"{result['bytes'] / 1e6:.1f} MB, {result['bytes_per_frame'] / 1e3:.0f} kB a frame"),
        ("simulated again by the C program", f"{result['audited']} frames, {len(result['failed'])} differ"),
        ("tolerance", f"{result['tolerance_of_peak']:.0e} of the peak"),
    ]


def frame_pictures(master: Path) -> list[dict[str, str]]:
    """Some frames as PNG data, on a logarithmic scale, evenly spaced over the campaign; none if it cannot be read."""
    import h5py
    import hdf5plugin  # noqa: F401 - lets h5py read what is compressed
    import numpy as np

    try:
        with h5py.File(master) as file:
            data = file["entry/data/data"]
            numbers = np.unique(np.linspace(0, len(data) - 1, SHOWN_FRAMES).round().astype(int)).tolist()
            return [{"name": f"frame {number}", "data": _picture(data[number])} for number in numbers]
    except (OSError, KeyError):
        return []


def _picture(frame: Any) -> str:
    import matplotlib.image
    import numpy as np

    lowest, highest = (float(np.nanquantile(frame, q)) for q in (0.05, 0.9995))
    shown = np.log10(np.clip(frame, max(lowest, 1e-30), max(highest, lowest, 1e-30)))
    stream = io.BytesIO()
    matplotlib.image.imsave(stream, shown, cmap="viridis", format="png", metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
