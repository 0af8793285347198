"""One picture of each part: bars of medians with every run as a dot; time against steps as lines."""

from __future__ import annotations

import io
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH_IN, _BAR_IN = 7.0, 0.36
_COLOURS = {"torch": "#2b6cb0", "C": "#a0522d"}
_OTHER_COLOUR = "#6b7280"


def svg(part: str, result: dict[str, Any], about: str) -> bytes:
    """The picture of a part as SVG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings: Any = {"svg.hashsalt": part, "font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(settings):
        figure = _lines(pyplot, result) if part == "steps" and result["rows"] else _bars(pyplot, result)
        figure.suptitle(result["title"], fontsize=10)
        figure.text(0.01, 0.005, about, fontsize=5, color="#6b7280")
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    return stream.getvalue()


def _colour(program: str) -> str:
    return _COLOURS.get(program.split()[0], _OTHER_COLOUR)


def _bars(pyplot: ModuleType, result: dict[str, Any]) -> Figure:
    """A panel for each unit: a bar a row."""
    figure: Figure
    units = list(dict.fromkeys(measured["unit"] for measured in result["rows"]))
    groups = [[measured for measured in result["rows"] if measured["unit"] == unit] for unit in units]
    if not groups:
        figure = pyplot.figure(figsize=(_WIDTH_IN, 1.2))
        figure.text(0.5, 0.45, f"not run: {result.get('not_run', 'nothing to show')}", ha="center", wrap=True)
        return figure
    heights = [len(group) for group in groups]
    figure, panels = pyplot.subplots(
        len(groups),
        1,
        figsize=(_WIDTH_IN, 1.2 + _BAR_IN * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for panel, group, unit in zip(panels[:, 0], groups, units, strict=True):
        labels = [f"{measured['program']}, {measured['what']}" for measured in group]
        positions = range(len(group))
        panel.barh(
            positions,
            [measured["median"] for measured in group],
            color=[_colour(measured["program"]) for measured in group],
            alpha=0.7,
        )
        for position, measured in zip(positions, group, strict=True):
            panel.plot(measured["runs"], [position] * len(measured["runs"]), ".", color="black", markersize=3)
            panel.annotate(f" {measured['median']:.3g}", (max(measured["runs"]), position), va="center")
        panel.set_yticks(list(positions), labels)
        panel.invert_yaxis()
        panel.set_xlabel(unit)
    return figure


def _lines(pyplot: ModuleType, result: dict[str, Any]) -> Figure:
    """Medians against the number of steps, both on logarithmic axes, with the fitted line."""
    figure: Figure
    figure, panel = pyplot.subplots(figsize=(_WIDTH_IN, 4.2), layout="constrained")
    styles = {"float64": "--"}
    for name, law in result["laws"].items():
        points = [(measured["steps"], measured["median"]) for measured in result["rows"] if measured["program"] == name]
        count, seconds = zip(*points, strict=True)
        style = styles.get(name.split()[-1], "-")
        fitted = [law["start_s"] + law["ns_per_step"] * 1e-9 * steps for steps in count]
        label = f"{name}: {law['ns_per_step']:.3g} ns a step, exponent {law['exponent']:.2f}"
        panel.loglog(count, seconds, "o", color=_colour(name), markersize=3)
        panel.loglog(count, fitted, style, color=_colour(name), linewidth=1, label=label)
    panel.set_xlabel("steps (pixels x phi x mosaic)")
    panel.set_ylabel("s")
    panel.legend(frameon=False)
    return figure
