"""The plot of a gradient audit: error against step, beside the line that falls as the square of the step."""

import io
from typing import Any

_COLOURS = {"pass": "#1f6f4a", "fail": "#b3261e"}


def error_plot(record: dict[str, Any]) -> bytes:
    """A PNG of the sweep of one record; the same record gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = [p for p in record["sweep"] if p["error_of_peak"]]
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xscale="log", yscale="log")
    errors = [*(p["error_of_peak"] for p in points), record["tolerance_of_peak"]]
    axes.set_ylim(min(errors) / 3, max(errors) * 3)
    colour = _COLOURS[record["status"]]
    whole = [p for p in points if p["pixels_excluded"] == 0]
    partial = [p for p in points if p["pixels_excluded"] > 0]
    axes.plot([p["step"] for p in points], [p["error_of_peak"] for p in points], "-", color=colour, linewidth=0.8)
    axes.plot([p["step"] for p in whole], [p["error_of_peak"] for p in whole], "o", color=colour, label="all pixels")
    if partial:
        axes.plot([p["step"] for p in partial], [p["error_of_peak"] for p in partial], "o", color=colour,
                  markerfacecolor="white", label="without pixels that pass to another reflection")  # fmt: skip
    if points and record["fitted_slope"] is not None:
        first = points[0]
        steps = [p["step"] for p in points[: record["slope_points"] + 2]]
        line = [first["error_of_peak"] * (s / first["step"]) ** 2 for s in steps]
        axes.plot(steps, line, "--", color="0.5", linewidth=1, label=f"step$^2$ (fitted {record['fitted_slope']:.3f})")
    axes.axhline(record["tolerance_of_peak"], color="0.7", linewidth=1, label="tolerance at the best step")
    axes.set_xlabel(f"step of {record['parameter']} ({record['unit']})")
    axes.set_ylabel("|C difference - torch gradient| / peak")
    axes.set_title(f"{record['parameter']} = {record['value']:.6g} {record['unit']}: {record['status']}", fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    with io.BytesIO() as stream:
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
        return stream.getvalue()
