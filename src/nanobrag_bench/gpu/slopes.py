"""Derivatives of an image by each kind of parameter: right, the same bytes again, compiled; and their times.

Kinds: numbers that every ray depends on (cell, misset, distance), a table of amplitudes, the amplitude beyond it
(`default_F`), weights and wavelengths of sources, a table that is interpolated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from nanobrag_bench.gpu.clock import median, profile
from nanobrag_bench.gpu.goals import SLOPES
from nanobrag_bench.gpu.images import TOLERANCE_OF_PEAK, line_of
from nanobrag_bench.gpu.rows import Row, Task, check, milliseconds
from nanobrag_bench.gpu.runs import Plan, name_of, parsed, set_mode
from nanobrag_bench.gpu.times import LARGE, SPINDLE

LIMITS = {"float64": TOLERANCE_OF_PEAK, "float32": 2e-5}  # of the largest derivative by the same tensor
GEOMETRY = "cell, misset and distance"
LINES = ("one sample", "still", "mosaic", "sources", "round")  # differentiated by the geometry
_SMALL, _LARGE = 3, 24  # largest index in the tables of amplitudes; reflections beyond it have default_F
Leaves = dict[str, Any]


def _leaf(value: Any) -> Any:
    import torch

    return torch.as_tensor(value, dtype=torch.float64).clone().requires_grad_()


def _by_geometry(experiment: Any, reach: int) -> tuple[Any, Leaves]:
    xtal, panel = experiment.crystal, experiment.detector
    leaves = {
        "cell": _leaf(xtal.cell_lengths_A),
        "misset": _leaf(xtal.misset_deg),
        "distance": _leaf(panel.distance_m),
    }
    xtal = replace(xtal, cell_lengths_A=tuple(leaves["cell"].unbind()), misset_deg=tuple(leaves["misset"].unbind()))
    panel = replace(panel, distance_m=leaves["distance"])
    return replace(experiment, crystal=xtal, detector=panel), leaves


def _by_amplitudes(experiment: Any, reach: int, interpolate: bool = False) -> tuple[Any, Leaves]:
    import torch

    from nanobrag_torch.parameters import ReflectionTable

    h = torch.arange(-reach, reach + 1, dtype=torch.float64)
    values = 50 + 30 * torch.sin(1.3 * h[:, None, None] + 2.1 * h[None, :, None] + 0.7 * h[None, None, :])
    leaves = {"amplitudes": _leaf(values), "default_F": _leaf(20.0)}
    table = ReflectionTable(leaves["amplitudes"], -reach, -reach, -reach)
    factors = replace(experiment.structure_factors, table=table, default_F=leaves["default_F"], interpolate=interpolate)
    return replace(experiment, structure_factors=factors), leaves


def _by_default_F(experiment: Any, reach: int) -> tuple[Any, Leaves]:
    leaves = {"default_F": _leaf(100.0)}
    factors = replace(experiment.structure_factors, table=None, default_F=leaves["default_F"])
    return replace(experiment, structure_factors=factors), leaves


def _by_sources(experiment: Any, reach: int) -> tuple[Any, Leaves]:
    from nanobrag_torch.parameters.experiment import SourceTable

    leaves = {"weights": _leaf([1.0, 2.0, 0.5]), "wavelengths": _leaf([1.0e-10, 1.01e-10, 1.02e-10])}
    positions = _leaf([[-10.0, 0.01 * i, 0.0] for i in range(3)]).detach()
    sources = SourceTable(positions, leaves["weights"], leaves["wavelengths"])
    return replace(experiment, beam=replace(experiment.beam, sources=sources), defects=frozenset()), leaves


def _by_interpolated(experiment: Any, reach: int) -> tuple[Any, Leaves]:
    return _by_amplitudes(experiment, reach, interpolate=True)


Maker = Callable[[Any, int], tuple[Any, Leaves]]  # of an experiment, and the largest index of its table
KINDS: dict[str, Maker] = {
    GEOMETRY: _by_geometry,
    "a table of amplitudes": _by_amplitudes,
    "default_F": _by_default_F,
    "weights and wavelengths of sources": _by_sources,
    "interpolated amplitudes": _by_interpolated,
}


def derivatives(experiment: Any, kind: str, device: str, dtype: Any, reach: int = _SMALL) -> tuple[Leaves, Any]:
    """Derivatives of a weighted sum of the image by the tensors of a kind, on the CPU; and the simulation."""
    import torch

    from nanobrag_torch.simulator import Simulation

    made, leaves = KINDS[kind](experiment, reach)
    simulation = Simulation(made, device, dtype)
    image = simulation.image(image_dtype=torch.float64)
    weight = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64, device=image.device).view_as(image)
    gradients = torch.autograd.grad((image * weight).sum(), list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True)), simulation


def tasks(plan: Plan) -> Iterator[Task]:
    """The geometry for several command lines, the other kinds for one."""
    for name in LINES[: plan.extent.lines]:
        yield f"derivatives: {name}", partial(_checked, plan, name, GEOMETRY)
    for kind in KINDS:
        if kind != GEOMETRY:
            yield f"derivatives: {kind}", partial(_checked, plan, "one sample", kind)


def _checked(plan: Plan, name: str, kind: str) -> Iterator[Row]:
    import torch

    experiment = parsed(line_of(name, plan.extent.checked))
    set_mode("eager")
    truth, _ = derivatives(experiment, kind, "cpu", torch.float64)
    ways = [("compiled", dtype) for dtype in plan.dtypes]
    for mode, dtype in [("eager", torch.float64), *ways] if kind == GEOMETRY and name == LINES[0] else ways:
        set_mode(mode)
        (got, simulation), (again, _) = (derivatives(experiment, kind, plan.device, dtype) for _ in range(2))
        subject, path = f"by {kind}, {name}, {mode}, {name_of(dtype)}", simulation.explain().derivative
        worst = {leaf: _off(got[leaf], expected) for leaf, expected in truth.items()}
        figures = ", ".join(f"{leaf} {off:.1e}" for leaf, off in worst.items())
        moving = all(bool(expected.any()) for expected in truth.values())
        yield check(f"derivatives: {subject}", max(worst.values()) <= LIMITS[name_of(dtype)] and moving, figures)
        yield check(f"same bytes: derivatives {subject}", all(torch.equal(got[leaf], again[leaf]) for leaf in got))
        if mode == "compiled":
            yield check(f"derivative path: {subject}", path.startswith("tiles, compiled"), path)


def _off(got: Any, expected: Any) -> float:
    """The largest difference as a share of the largest derivative by the same tensor."""
    return float((got - expected).abs().max() / expected.abs().max())


def times(plan: Plan) -> Iterator[Task]:
    """Image and derivatives, by the geometry first."""
    for kind in KINDS:
        for dtype in plan.dtypes:
            for side in plan.extent.times if kind == GEOMETRY else plan.extent.times[:1]:
                subject = f"image and derivatives by {kind}, {side} x {side}, {name_of(dtype)}"
                yield subject, partial(_timed, plan, kind, side, dtype, subject)


def _timed(plan: Plan, kind: str, side: int, dtype: Any, subject: str) -> Iterator[Row]:
    experiment = parsed(f"{LARGE} -detpixels {side} {SPINDLE}")
    set_mode("compiled")
    work = partial(derivatives, experiment, kind, plan.device, dtype, _LARGE)
    path = work()[1].explain().derivative
    code = "" if path.startswith("tiles, compiled") else f"; {path}"
    seconds = median(work, max(3, plan.repeats // 2), plan.device)
    yield milliseconds(subject, seconds, f"{profile(work, plan.device)}{code}")


assert SLOPES.endswith(GEOMETRY)  # the goals name this figure
