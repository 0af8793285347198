"""Where, along torch's own computation of a pixel, a derivative stops being the derivative of the values.

A trace shows the steps from a ray to its reflection for the first source and orientation alone, so that a wrong
derivative of another one is first seen in a term. Here every value of every pass is watched: its derivative as torch's
autograd gives it, and differences of the value itself. What is computed first among those that disagree is at fault,
as all it is computed from agrees.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from nanobrag_torch import integrate
from nanobrag_torch.hooks import Place
from nanobrag_torch.simulator import Simulation
from trace_audit.derivatives.gradient_case import Case, by_value
from trace_audit.stages.pixel import RAYS, SUMS, TERMS, WEIGHTS
from trace_audit.stages.setup import PARTS, WHOLE_TENSORS
from trace_audit.trace.keys import registry

TOLERANCE = 1e-6  # of the largest derivative of a value
REACH = (1.0, 0.125, 0.015625)  # of the step: the widest at which the value is smooth counts
_SMOOTH = 1e-3  # of the largest derivative: so near are differences over a step and over twice that
_ROUNDING = 1e-14  # of a value
_SINGLE = 2.0**-22  # of a parameter that the programs round to single precision, four times over
_WHOLE = ("hkl_rounded",)  # changes in jumps, and has no derivative
_UNTRACED = {
    "real_m": "crystal",
    "reciprocal_per_A": "crystal",
    "phi_rad": "crystal",
    "q_per_m": "scattering",
    "cos_2theta": "scattering",
    "last_cos_2theta": "scattering",
    "hkl_fraction": "lattice",
    "interference": "lattice",
    "F_latt_axes": "lattice",
    "kahn_factor": "polarization",
    "captured": "detector",
    "term_weight": "scaling",
    "intensity": "scaling",
    "sum_of_intensities": "scaling",
    "scattered": "scaling",
}
_KEYS = (
    {name: key for name, (key, _) in WHOLE_TENSORS.items()}
    | PARTS
    | RAYS
    | {name: keys[0] for name, keys in TERMS.items()}
    | {name: f"term.{key}" for name, key in WEIGHTS.items()}
    | SUMS
)
STAGES = {name: registry()[key].stage for name, key in _KEYS.items()} | _UNTRACED

Values = dict[tuple[str, Place, int], torch.Tensor]  # by name, pass, and how often it was seen there; as computed


@dataclass(frozen=True)
class ValueAtFault:
    """A value whose derivative is not that of its own differences, the worst component of it; per unit."""

    name: str
    place: Place
    torch: float
    differences: float

    @property
    def stage(self) -> str:
        return STAGES[self.name]

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "value": self.name,
            "stage": self.stage,
            **self.place._asdict(),
            "torch": self.torch,
            "differences": self.differences,
        }


def derivative_of_pixel(case: Case, pixel: tuple[int, int]) -> float:
    """The derivative of the photons of a pixel (slow, fast), with the graph of every step."""
    value = torch.tensor(case.start, dtype=torch.float64, requires_grad=True)
    photons = [seen for (name, _, _), seen in _values(case, value, pixel).items() if name == "photons"]
    return float(by_value(photons[-1], value))


def first_at_fault(case: Case, pixel: tuple[int, int], step: float) -> ValueAtFault | None:
    """The first value of a pixel (slow, fast), in order of computation, whose derivative is wrong; None if none is."""
    value = torch.tensor(case.start, dtype=torch.float64, requires_grad=True)
    seen = _values(case, value, pixel)
    derivatives = {key: by_value(tensor, value).reshape(-1) for key, tensor in seen.items()}
    numeric = [_Differences(case, pixel, step * reach, seen) for reach in REACH]
    for key, derivative in derivatives.items():
        fault = _fault(key, derivative, numeric)
        if fault is not None:
            return fault
    return None


def _values(case: Case, value: torch.Tensor, pixel: tuple[int, int]) -> Values:
    """Every floating point value that is computed for a pixel, at a value of the parameter."""
    seen: Values = {}

    def watch(name: str, tensor: Any, place: Place) -> Any:
        tensor = tensor if case.hooks is None else case.hooks(name, tensor, place)
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and name in STAGES and name not in _WHOLE:
            seen[name, place, sum(key[:2] == (name, place) for key in seen)] = tensor
        return tensor

    simulation = Simulation(case.parameter.put(case.experiment, value, case.index), hooks=watch)
    slow, fast = (torch.tensor([number]) for number in pixel)
    integrate.integrate(simulation.model, fast, slow, hooks=watch)
    return seen


class _Differences:
    """Differences of all values over a step and over twice that."""

    def __init__(self, case: Case, pixel: tuple[int, int], step: float, seen: Iterable[tuple[str, Place, int]]):
        def at(steps: float) -> Values:
            with torch.no_grad():
                return _values(case, torch.tensor(case.start + steps * step, dtype=torch.float64), pixel)

        images = {steps: at(steps) for steps in (-2, -1, 1, 2)}
        self.near: Values = {}
        self.far: Values = {}
        self.noise: dict[tuple[str, Place, int], float] = {}
        for key in seen:
            values = [images[steps].get(key) for steps in images]
            if any(tensor is None or tensor.shape != values[0].shape for tensor in values):  # type: ignore[union-attr]
                continue  # the number of passes changed
            farther_below, below, above, farther_above = (tensor.reshape(-1) for tensor in values if tensor is not None)
            self.near[key], self.far[key] = (above - below) / (2 * step), (farther_above - farther_below) / (4 * step)
            self.noise[key] = _ROUNDING * float(above.abs().max()) / step if above.numel() else 0.0
        # a parameter that is rounded to single precision moves in jumps of that size
        self.jump = _SINGLE * abs(case.start) / step if case.parameter.single else 0.0


def _fault(key: tuple[str, Place, int], derivative: torch.Tensor, numeric: list[_Differences]) -> ValueAtFault | None:
    """Whether a derivative is wrong, where its value is smooth enough over one of the steps to tell."""
    for differences in numeric:
        if key not in differences.near or not derivative.numel():
            continue
        near, far = differences.near[key], differences.far[key]
        largest = max(float(near.abs().max()), float(derivative.abs().max()))
        bend = (far - near).abs()
        if largest == 0.0 or float(bend.max()) > _SMOOTH * largest:
            continue
        expected = (4.0 * near - far) / 3.0
        excess = (derivative - expected).abs() - bend / 3.0 - differences.noise[key] - differences.jump * largest
        worst = int(excess.argmax())
        if float(excess[worst]) <= TOLERANCE * largest:
            return None
        return ValueAtFault(key[0], key[1], float(derivative[worst]), float(expected[worst]))
    return None
