"""Files of a refinement: refinement.json, report.md, convergence.png and images.png, each complete or absent."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanobrag_torch.io.writing import write_whole
from nanobrag_torch.refine.plots import convergence_plot, images_plot
from nanobrag_torch.refine.problem import Observed
from nanobrag_torch.refine.refinement import Refinement

JSON, PAGE, CONVERGENCE, IMAGES = "refinement.json", "report.md", "convergence.png", "images.png"


def write_report(outcome: Refinement, folder: Path) -> None:
    """Write all four files into `folder`. Raises WriterError."""
    folder.mkdir(parents=True, exist_ok=True)
    document = record(outcome)
    write_whole(folder / JSON, [(json.dumps(document, indent=1, allow_nan=False) + "\n").encode()], follow=False)
    write_whole(folder / CONVERGENCE, [convergence_plot(document)], follow=False)
    write_whole(folder / IMAGES, [images_plot(_pictures(outcome))], follow=False)
    write_whole(folder / PAGE, [page(document).encode()], follow=False)


def record(outcome: Refinement) -> dict[str, Any]:
    """The refinement as JSON values; null for a number that is not finite."""
    problem = outcome.problem
    figures = [tensor.tolist() for tensor in (outcome.start, outcome.values, outcome.sigmas)]
    columns = zip(problem.names, problem.units, *figures, strict=True)
    return {
        "parameters": [
            {"name": name, "unit": unit, "start": start, "value": value, "sigma": _finite(sigma)}
            for name, unit, start, value, sigma in columns
        ],
        "correlation": [[_finite(value) for value in row] for row in outcome.correlation.tolist()],
        "covariance": [[_finite(value) for value in row] for row in outcome.covariance.tolist()],
        "undetermined": [
            {"name": parameter.name, "partners": list(parameter.partners), "why": str(parameter)}
            for parameter in outcome.frozen
        ],
        "outliers": [str(parameter) for parameter in outcome.outliers],
        "target": outcome.target,
        "method": outcome.method,
        "converged": outcome.converged,
        "target_per_pixel_start": outcome.start_target_per_pixel,
        "target_per_pixel": outcome.target_per_pixel,
        "pixels": problem.pixels,
        "images": [image.name for image in problem.images],
        "derivatives": dict(problem.made_by),
        "seconds": round(outcome.seconds, 3),
        "steps": [vars(step) for step in outcome.steps],
    }


def page(document: dict[str, Any], truth: dict[str, float] | None = None) -> str:
    """The report as Markdown. If the true values are known it shows the error of each parameter."""
    rows = document["parameters"]
    heads = [
        "parameter",
        "unit",
        "start",
        "refined",
        "sigma",
        *(["true", "start off by", "refined off by"] if truth else []),
    ]
    notes = [line for note in _notes(document) for line in (note, "")]
    lines = ["# Refinement", "", _verdict(document), "", *notes, f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [row["name"], row["unit"], f"{row['start']:.6g}", f"{row['value']:.8g}", _text(row["sigma"], ".2g")]
        if truth:
            true, sigma = truth[row["name"]], row["sigma"]
            off = [(value - true) / sigma if sigma else math.nan for value in (row["start"], row["value"])]
            cells += [f"{true:.8g}", f"{off[0]:+.1f} sigma", f"{off[1]:+.2f} sigma"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Sigma: root of the diagonal of the inverse Fisher matrix at the end."
        + (" The variance of each pixel is that of its residual." if document["target"] != "poisson" else ""),
        "",
        f"Strongest correlations: {_correlations(document)}.",
        "",
        f"![target against iteration]({CONVERGENCE})",
        "",
        "Measured, before, after, and what is left after in standard deviations:",
        "",
        f"![images before and after]({IMAGES})",
        "",
    ]
    return "\n".join(lines)


def _notes(document: dict[str, Any]) -> list[str]:
    """Parameters that were left out of a refinement, and pixels that decide it."""
    left = [
        f"Not refined: {parameter['why']}; it stays as the flags state it." for parameter in document["undetermined"]
    ]
    return [*left, *(f"One pixel decides: {parameter}." for parameter in document["outliers"])]


def _verdict(document: dict[str, Any]) -> str:
    state = "Converged" if document["converged"] else "**Not converged**"
    return (
        f"{state} in {document['seconds']:.1f} s ({document['method']}, {document['target']} target, "
        f"{document['pixels']} pixels of {len(document['images'])} images). Target per pixel: "
        f"{document['target_per_pixel_start']:.5g} before, {document['target_per_pixel']:.5g} after."
    )


def _correlations(document: dict[str, Any]) -> str:
    names = [row["name"] for row in document["parameters"]]
    pairs = [
        (abs(value), value, names[i], names[j])
        for i, row in enumerate(document["correlation"])
        for j, value in enumerate(row[:i])
        if value is not None
    ]
    strongest = sorted(pairs, reverse=True)[:3]
    return ", ".join(f"{a} and {b} {value:+.2f}" for _, value, a, b in strongest) or "none"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: float | None, form: str) -> str:
    return "not determined" if value is None else format(value, form)


def _pictures(outcome: Refinement) -> list[dict[str, Any]]:
    """For each image the photons measured, predicted at the start and at the end, (slow, fast); NaN where not used."""
    pictures: list[dict[str, Any]] = []
    for image in outcome.problem.images:
        with torch.no_grad():
            before, after = (outcome.problem.predicted(values, image) for values in (outcome.start, outcome.values))

        def placed(values: torch.Tensor, image: Observed = image) -> np.ndarray:
            canvas = np.full(image.shape, np.nan)
            canvas[image.slow.cpu().numpy(), image.fast.cpu().numpy()] = values.cpu().numpy()
            return canvas

        pictures.append(
            {"name": image.name, "measured": placed(image.photons), "before": placed(before), "after": placed(after)}
        )
    return pictures
