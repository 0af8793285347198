"""A campaign in the report: its verdict, its figures, and a few of its frames."""

import io
from pathlib import Path
from typing import Any

from trace_audit.report.pictures import data_address

SHOWN_FRAMES = 4


def figures(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and values of a campaign's summary, as text."""
    slow, fast = result["shape_slow_fast"]
    rates = result["frames_per_s"], result["frames_per_s_of_one_job"]
    return [
        ("frames", f"{result['frames']} of {slow} × {fast} pixels in {result['shards']} shards"),
        ("device, dtype", f"{result['device']}, {result['dtype']}"),
        ("noise", result.get("noise", "none")),
        *(("structure factors", taken["line"]) for taken in result.get("structure_factors", {}).values()),
        ("frames a second", f"{rates[0]:.3g} in all, {rates[1]:.3g} a job"),
        ("CPU time", f"{result['cpu_s_per_frame']:.3g} s a frame"),
        ("size", f"{result['bytes'] / 1e6:.1f} MB, {result['bytes_per_frame'] / 1e3:.0f} kB a frame"),
        ("simulated again by the C program", f"{result['audited']} frames, {len(result['failed'])} differ"),
        ("tolerance", f"{result['tolerance_of_peak']:.0e} of the peak"),
    ]


def frame_pictures(master: Path) -> list[tuple[str, str]]:
    """Some frames as PNG data, on a logarithmic scale, evenly spaced over the campaign; none if they cannot be read."""
    import h5py
    import hdf5plugin  # noqa: F401 - lets h5py read what is compressed
    import numpy as np

    try:
        with h5py.File(master) as file:
            data = file["entry/data/data"]
            numbers = np.unique(np.linspace(0, len(data) - 1, SHOWN_FRAMES).round().astype(int)).tolist()
            title = f"{data.attrs.get('units', 'photons')} on a logarithmic scale"
            return [(f"frame {number}, {title}", _png(data[number])) for number in numbers]
    except (OSError, KeyError):
        return []


def _png(frame: Any) -> str:
    import matplotlib.image
    import numpy as np

    lowest, highest = (max(float(np.nanquantile(frame, q)), 1e-30) for q in (0.05, 0.9995))
    shown = np.log10(np.clip(np.nan_to_num(frame), lowest, max(highest, lowest)))
    stream = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    matplotlib.image.imsave(stream, shown, cmap="inferno", format="png", metadata=metadata)
    return data_address(stream.getvalue(), "png")
