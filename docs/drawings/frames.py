"""Draws the laboratory frame and the detector of each convention as SVG files beside this script.

    python docs/drawings/frames.py            # writes laboratory.svg and one file a convention
    python docs/drawings/frames.py FOLDER     # writes them into another folder

The panel is not sketched: its corner and directions are those that the torch program computes for a command line.
The same version of matplotlib writes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import numpy as np
import torch
from matplotlib import pyplot as plt

from nanobrag_torch.faults import guarded
from nanobrag_torch.parameters.conventions import CONVENTIONS
from nanobrag_torch.parameters.experiment import Detector
from nanobrag_torch.physics import detector
from nanobragg_tables import resolve_defects

HERE = Path(__file__).resolve().parent
STYLE = {"svg.hashsalt": "frames", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}
BEAM, FAST, SLOW, FRAME, TWOTHETA, POLAR = "#c02020", "#1060b0", "#108040", "#404040", "#9040a0", "#b07000"
N_FAST, N_SLOW, PIXEL_M, DISTANCE_M = 5, 4, 0.02, 0.12
BEAM_FAST_M, BEAM_SLOW_M = 1.5 * PIXEL_M, 1.0 * PIXEL_M  # where the beam meets the panel
AZIMUTH_DEG, HEIGHT_DEG = -132.0, 20.0  # of the eye: the beam runs to the right, the panel is seen from the sample


class View:
    """Parallel projection of the laboratory frame onto the paper, z upwards, or y for a beam along z."""

    def __init__(self, azimuth_deg: float, upwards: str = "z"):
        azimuth, height = np.radians(azimuth_deg), np.radians(HEIGHT_DEG)
        towards_eye = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        right = np.array([-towards_eye[1], towards_eye[0], 0.0])
        up = np.array([0.0, 0.0, np.cos(height)]) - towards_eye * np.sin(height)
        turned = 0 if upwards == "z" else -1
        self.right, self.up = np.roll(right, turned), np.roll(up, turned)

    def __call__(self, point) -> np.ndarray:
        return np.array([self.right @ point, self.up @ point])


def arrow(axes, view: View, start, along, colour: str, label: str, width: float = 1.4, dashed: bool = False) -> None:
    """An arrow from `start`, with its label past the tip."""
    begin, end = view(np.asarray(start)), view(np.asarray(start) + along)
    axes.plot(*np.transpose([begin, end]), alpha=0.0)  # an annotation does not widen the axes
    style = {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=begin, arrowprops=style | ({"linestyle": "dashed"} if dashed else {}))
    away = (end - begin) / max(np.linalg.norm(end - begin), 1e-9)
    axes.annotate(label, xy=end, xytext=9 * away, textcoords="offset points", color=colour, ha="center", va="center")


def draw_frame(axes, view: View, length: float) -> None:
    """The axes x, y, z at the sample."""
    for name, direction in zip("xyz", np.eye(3), strict=True):
        arrow(axes, view, np.zeros(3), length * direction, FRAME, name, 1.0)
    axes.plot(*view(np.zeros(3)), "o", color=FRAME, markersize=4)


def place(convention: str) -> detector.DetectorGeometry:
    """The panel of the drawings, by the beam centre or nearest point that its convention takes."""
    by_convention = {
        "MOSFLM": (BEAM_SLOW_M - PIXEL_M / 2, BEAM_FAST_M - PIXEL_M / 2),
        "DENZO": (BEAM_SLOW_M, BEAM_FAST_M),
        "ADXV": (BEAM_FAST_M, N_SLOW * PIXEL_M - BEAM_SLOW_M),
    }
    x_m, y_m = by_convention.get(convention, (BEAM_FAST_M, BEAM_SLOW_M))
    given = Detector(
        convention=convention,
        n_fast=N_FAST,
        n_slow=N_SLOW,
        pixel_size_m=PIXEL_M,
        distance_m=DISTANCE_M,
        Xbeam_m=x_m,
        Ybeam_m=y_m,
        ORGX_pixels=BEAM_FAST_M / PIXEL_M + 0.5,
        ORGY_pixels=BEAM_SLOW_M / PIXEL_M + 0.5,
    )
    return detector.build(given, resolve_defects("default"), torch.device("cpu"))


def draw_panel(axes, view: View, panel: detector.DetectorGeometry) -> None:
    """Pixels of the panel, its directions at the corner, and the corner itself."""
    fast, slow, corner = panel.fdet.numpy(), panel.sdet.numpy(), panel.pix0_m.numpy()

    def at(f: float, s: float) -> np.ndarray:
        return view(corner + PIXEL_M * (f * fast + s * slow))

    lines = [((f, 0), (f, N_SLOW)) for f in range(N_FAST + 1)] + [((0, s), (N_FAST, s)) for s in range(N_SLOW + 1)]
    for begin, end in lines:
        axes.plot(*np.transpose([at(*begin), at(*end)]), color="#a0b8d0", lw=0.8)
    axes.fill(*np.transpose([at(0, 0), at(1, 0), at(1, 1), at(0, 1)]), color="#c4d8ee")
    arrow(axes, view, corner, PIXEL_M * (N_FAST + 0.8) * fast, FAST, "F")
    arrow(axes, view, corner, PIXEL_M * (N_SLOW + 0.8) * slow, SLOW, "S")
    axes.plot(*view(corner), "s", color=FRAME, markersize=4)
    outwards = view(-fast - slow) / np.linalg.norm(view(-fast - slow))
    axes.annotate(
        "pix0", xy=view(corner), xytext=12 * outwards, textcoords="offset points", color=FRAME, ha="center", va="center"
    )


def draw_convention(name: str, path: Path) -> None:
    """Beam, panel, normal, polarization and two-theta axis of a convention."""
    panel, table = place(name), CONVENTIONS[name]
    beam, spot = np.array(table.beam_vector), DISTANCE_M * np.array(table.beam_vector)
    view = View(AZIMUTH_DEG, "z" if beam[0] else "y")
    figure, axes = plt.subplots(figsize=(4.2, 3.8))
    draw_frame(axes, view, 0.05)
    arrow(axes, view, -0.11 * beam, spot + 0.11 * beam, BEAM, "", 1.2)
    tail = view(-0.11 * beam)
    axes.annotate("b", xy=tail, xytext=(-8, -4), textcoords="offset points", color=BEAM, ha="center", va="center")
    draw_panel(axes, view, panel)
    axes.plot(*view(spot), "o", color=BEAM, markersize=4)
    arrow(axes, view, spot, 0.06 * panel.odet.numpy(), FRAME, "O", 1.4)
    arrow(axes, view, -0.1 * beam, 0.03 * np.array(table.polar_vector), POLAR, "P")
    arrow(axes, view, np.zeros(3), 0.09 * np.array(table.twotheta_axis), TWOTHETA, "2θ", dashed=True)
    axes.set_title(f"{name}, pivot {panel.construction.pivot}", fontsize=9)
    save(figure, axes, path)


def draw_laboratory(path: Path) -> None:
    """The three axes and the positive turn about each."""
    view = View(35.0)
    figure, axes = plt.subplots(figsize=(4.6, 4.0))
    draw_frame(axes, view, 1.0)
    axes.annotate("sample", xy=view(np.zeros(3)), xytext=(-6, 6), textcoords="offset points", color=FRAME, ha="right")
    angle = np.linspace(0.25, 1.32, 30)
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        arc = np.zeros((30, 3))
        arc[:, first], arc[:, second] = 0.7 * np.cos(angle), 0.7 * np.sin(angle)
        drawn = np.array([view(point) for point in arc])
        axes.plot(*drawn[:-2].T, color=TWOTHETA, lw=1.2)
        head = {"arrowstyle": "-|>", "color": TWOTHETA, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xy=drawn[-1], xytext=drawn[-4], arrowprops=head)
        middle = arc[15] * 1.35
        axes.text(*view(middle), f"+ about {'xyz'[axis]}", color=TWOTHETA, ha="center", va="center", fontsize=8)
    save(figure, axes, path)


def save(figure, axes, path: Path) -> None:
    """Write the figure and forget it."""
    axes.set_aspect("equal")
    axes.axis("off")
    axes.margins(0.12)
    figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def main(folder: Path) -> None:
    """Write every drawing into `folder`."""
    with mpl.rc_context(STYLE):
        draw_laboratory(folder / "laboratory.svg")
        for name in CONVENTIONS:
            draw_convention(name, folder / f"{name.lower()}.svg")


if __name__ == "__main__":
    raise SystemExit(guarded("frames", lambda: main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE) or 0))
