"""Pictures of the page: pixels around a traced one, reduced whole images, the radial profile, colour scales."""

import base64
import io
from pathlib import Path
from typing import Any

from trace_audit.core.documents import read_document
from trace_audit.core.picture_documents import Overview, Patch
from trace_audit.images.overview import packed

IMAGES = "images"
_DECADES, _DECADES_OF_ALL = 6, 8  # decades of the logarithmic colour scale, below the highest value
_PNG, _SVG = "png", "svg+xml"


def data_address(data: bytes, kind: str) -> str:
    """Bytes of a picture as a data address; a browser shows it as an image and runs nothing in it."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def svg_data(path: Path) -> str | None:
    """An SVG file as data; None if there is no such file."""
    return data_address(path.read_bytes(), _SVG) if path.is_file() and not path.is_symlink() else None


def png_data(path: Path) -> str | None:
    """A PNG file as data; None if there is no such file."""
    return data_address(path.read_bytes(), _PNG) if path.is_file() and not path.is_symlink() else None


def colour_scales() -> dict[str, list[list[int]]]:
    """Colours as 256 red, green, blue triples: a scale for photons, and a diverging one for differences."""
    import matplotlib

    def scale(name: str) -> list[list[int]]:
        return [[round(255 * part) for part in matplotlib.colormaps[name](i)[:3]] for i in range(256)]

    return {"photons": scale("inferno"), "difference": scale("RdBu_r"), "difference_dark": scale("berlin")}


Picture = dict[str, Any]


def patch_picture(
    folder: Path | None, pixel: list[int], names: dict[str, str]
) -> tuple[Picture | None, str | None, Picture | None]:
    """The pixels around a traced one for the page's script, or None and the reason; and the programs that made them."""
    path = folder / "patch.json" if folder else None
    if path is None or not path.is_file():
        return None, "The pixels round the traced one were not simulated for this attempt.", None
    import numpy as np

    patch = read_document(path, "patch", Patch)
    if patch["failure"]:
        return None, patch["failure"], patch.get("made_by")
    c, py = np.array(patch["c"], dtype=float), np.array(patch["py"], dtype=float)
    picture = {
        "first": patch["first_slow_fast"],
        "block": 1,
        "shape": list(c.shape),
        "last": [first + length - 1 for first, length in zip(patch["first_slow_fast"], c.shape, strict=True)],
        "c": packed(c),
        "py": packed(py),
        "difference": packed(py - c),
        "marks": [pixel],
        "names": names,
        "decades": _DECADES,
    }
    return picture, None, patch.get("made_by")


def overviews(folder: Path, sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The whole image of each scenario that was simulated for the page, with the traced pixels of its audits.

    In the order of the audits.
    """
    traced: dict[str, list[list[int]]] = {}
    names = {section["record"]["scenario"]: section["names"] for section in reversed(sections)}
    for section in sections:
        pixels = traced.setdefault(section["record"]["scenario"], [])
        if section["record"]["pixel_slow_fast"] not in pixels:
            pixels.append(section["record"]["pixel_slow_fast"])
    pictures = []
    for number, path in enumerate(sorted((folder / IMAGES).glob("*.json"))):
        about = read_document(path, "overview", Overview)
        if about["scenario"] in traced:
            scenario = about["scenario"]
            pictures.append(_overview(f"image-{number}", {"made_by": None} | about, traced[scenario], names[scenario]))
    order = list(traced)
    return sorted(pictures, key=lambda part: order.index(part["about"]["scenario"]))


def _overview(name: str, about: dict[str, Any], marks: list[list[int]], names: dict[str, str]) -> dict[str, Any]:
    part = {"id": name, "about": about, "marks": marks, "names": names, "picture": None, "profile": None}
    if about["failure"]:
        return part
    size, shape = about["block_pixels"], about["shape_slow_fast"]
    part["picture"] = {
        "first": [0, 0],
        "block": size,
        "shape": [-(-length // size) for length in shape],
        "last": [length - 1 for length in shape],
        **{side: about[side] for side in ("c", "py", "difference")},
        "marks": marks,
        "names": names,
        "decades": _DECADES_OF_ALL,
    }
    part["profile"] = radial_profile(about, marks, names) if about["profiles"] else None
    return part


def radial_profile(about: dict[str, Any], marks: list[list[int]], names: dict[str, str]) -> str:
    """Mean photons in rings about the beam centre, both programs, and their difference, as an SVG picture."""
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    means = {}
    for side, style in (("c", "-"), ("py", "--")):
        curve = about["profiles"][side]
        radius = np.array(curve["radius_pixels"])
        means[side] = np.array(curve["mean_photons"])
        above.plot(radius, np.where(means[side] > 0, means[side], np.nan), style, label=names[side], linewidth=1)
    above.set(ylabel="mean photons per pixel", yscale="log")
    size = np.maximum(np.abs(means["c"]), np.abs(means["py"]))
    off = np.divide(np.abs(means["py"] - means["c"]), size, out=np.zeros_like(size), where=size > 0)
    below.semilogy(radius, np.maximum(off, 1e-17), linewidth=1, color="tab:red")
    below.set(xlabel="distance from the beam centre (pixels)", ylabel="relative\ndifference", ylim=(1e-17, 1))
    slow, fast = about["beam_centre_slow_fast"]
    for number, (s, f) in enumerate(marks):
        at = float(np.hypot(s + 0.5 - slow, f + 0.5 - fast))
        above.axvline(at, color="grey", linewidth=0.8, linestyle=":", label=None if number else "traced pixels")
    above.legend(loc="upper right")
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "report", "svg.fonttype": "path"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return data_address(stream.getvalue().encode(), _SVG)
