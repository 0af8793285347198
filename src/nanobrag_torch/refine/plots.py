"""Plots of a refinement as PNG; the same numbers give the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ROWS = 4
_BRIGHT_PERCENTILE = 99.5


def convergence_plot(document: dict[str, Any]) -> bytes:
    """Target per pixel against iteration, a line for each start, with the stages marked."""
    figure = _figure(7, 4)
    axes = figure.add_subplot(yscale="log")
    steps = document["steps"]
    for start in sorted({step["start"] for step in steps}):
        own = [step for step in steps if step["start"] == start]
        positions = np.arange(len(own))
        axes.plot(positions, [step["target_per_pixel"] for step in own], "o-", markersize=3, linewidth=1,
                  label=f"start {start + 1}")  # fmt: skip
        for position in positions[1:]:
            if own[position]["cells_factor"] != own[position - 1]["cells_factor"]:
                axes.axvline(position - 0.5, color="0.8", linewidth=1)
    axes.set_xlabel("iteration (lines: the crystal's spots are narrowed)")
    axes.set_ylabel(f"{document['target'].replace('_', ' ')} target per pixel")
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def images_plot(pictures: list[dict[str, Any]]) -> bytes:
    """Measured, before, after (square root of photons) and the residual after in standard deviations."""
    pictures = pictures[:_MOST_ROWS]
    figure = _figure(12, 3.1 * len(pictures))
    grid = figure.subplots(len(pictures), 4, squeeze=False)
    for row, picture in zip(grid, pictures, strict=True):
        brightest = max(float(np.nanpercentile(picture["measured"], _BRIGHT_PERCENTILE)), 1e-12)
        for axes, name in zip(row, ("measured", "before", "after"), strict=False):
            shown = np.sqrt(np.clip(picture[name], 0.0, brightest))
            axes.imshow(shown, cmap="gray_r", vmin=0.0, vmax=brightest**0.5, interpolation="nearest")
            axes.set_title(f"{picture['name']}: {name}" if name == "measured" else name, fontsize=9)
        spread = np.sqrt(np.maximum(picture["after"], 1e-3))
        residual = (picture["measured"] - picture["after"]) / spread
        drawn = row[3].imshow(residual, cmap="RdBu_r", vmin=-5, vmax=5, interpolation="nearest")
        row[3].set_title("(measured - after) / sqrt(after)", fontsize=9)
        figure.colorbar(drawn, ax=row[3], shrink=0.85)
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
    return _png(figure)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    with io.BytesIO() as stream:
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
        return stream.getvalue()
