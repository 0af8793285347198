"""Hooks see the values that make the image, the values that they return are used, and without hooks nothing changes."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nanobrag_torch.hooks import Place
from nanobrag_torch.simulator import Simulation
from nanobrag_torch.trace import trace_lines
from tests.c_program import REPOSITORY
from tests.physics.helpers import per_term, small

BASE = small()
EXPERIMENTS = {"plain": BASE, "per_term": per_term(BASE)}
NAMES = {  # of every floor: set-up, rays, light, orientations, sum
    *("fdet", "pix0_m", "reciprocal_per_A", "real_m", "n_cells", "incident", "wavelength_m", "fluence_photons_per_m2"),
    *("position_m", "pixel_distance_m", "direction", "obliquity", "omega_sr", "q_per_m", "cos_2theta", "kahn_factor"),
    *("hkl", "hkl_rounded", "hkl_fraction", "F_cell", "F_latt_axes", "F_latt", "intensity", "term_weight"),
    *("capture_fraction", "polar", "omega_of_pixel_sr", "steps", "I_background", "I_before_scaling", "photons"),
}
MOVES = (  # each is read by what follows
    *("fdet", "pix0_m", "n_cells", "wavelength_m", "fluence_photons_per_m2", "position_m", "pixel_distance_m"),
    *("direction", "obliquity", "omega_sr", "q_per_m", "kahn_factor", "hkl", "hkl_fraction", "F_cell"),
    *("F_latt_axes", "F_latt", "intensity", "polar", "omega_of_pixel_sr", "I_before_scaling", "photons"),
)


class Watch:
    """Hooks that note the names they see and move the values of one of them."""

    def __init__(self, moved: str | None = None):
        self.moved, self.seen = moved, set()

    def __call__(self, name: str, value, place: Place):
        self.seen.add(name)
        return value * 1.01 if name == self.moved else value


def photons(experiment, hooks=None) -> torch.Tensor:
    return Simulation(experiment, hooks=hooks).image(image_dtype=torch.float64)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_watching_changes_no_bit(name):
    watch = Watch()
    assert torch.equal(photons(EXPERIMENTS[name], watch), photons(EXPERIMENTS[name]))
    assert watch.seen >= NAMES


@pytest.mark.parametrize("name", MOVES)
def test_a_moved_value_moves_the_image_and_its_trace_alike(name):
    slow, fast = 10, 20
    image = Simulation(BASE, hooks=Watch(name)).image()
    assert (image - photons(BASE)).abs().max() > 1e-4 * image.max()
    *_, last = trace_lines(BASE, slow, fast, hooks=Watch(name))
    assert torch.tensor(float(last.split()[-1])).float() == image[slow, fast]


def test_a_value_of_a_derivative_is_replaced_too():
    distance = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
    experiment = replace(BASE, detector=replace(BASE.detector, distance_m=distance))

    def slope(hooks) -> torch.Tensor:
        return torch.autograd.grad(photons(experiment, hooks).sum(), distance)[0]

    doubled = slope(lambda name, value, place: 2 * value if name == "photons" else value)
    torch.testing.assert_close(doubled, 2 * slope(None), rtol=1e-9, atol=0)


def test_places_count_samples_sources_and_orientations():
    places = {}
    experiment = replace(
        per_term(BASE), beam=replace(BASE.beam, hdiv_range_rad=1e-3, hdiv_steps=3, vdiv_range_rad=0.0, vdiv_steps=1)
    )
    Simulation(experiment, hooks=lambda name, value, place: places.setdefault(name, []).append(place) or value).image()
    assert {place.source for place in places["q_per_m"]} == {0, 1, 2}
    assert {place.source for place in places["position_m"]} == {0}


# ---- nobody reaches into the simulator


def private_assignments(text: str) -> list[str]:
    """Names with a leading underscore, of objects that are not the module's own, that a module assigns to."""
    seen = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "setattr":
            named = [a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            seen += [name for name in named if name.split(".")[-1].startswith("_")]
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            owner = getattr(getattr(target, "value", None), "id", "self")
            if isinstance(target, ast.Attribute) and target.attr.startswith("_") and owner not in ("self", "cls"):
                seen.append(f"{owner}.{target.attr}")
    return [name for name in seen if not name.endswith("__")]


def imports_the_simulator(text: str) -> bool:
    return any(
        (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nanobrag_torch"))
        or (isinstance(node, ast.Import) and any(alias.name.startswith("nanobrag_torch") for alias in node.names))
        for node in ast.walk(ast.parse(text))
    )


@pytest.mark.parametrize(
    "folder", ["tests", "src/trace_audit", "src/nanobrag_bench", "src/nanobrag_campaign", "workflow"]
)
def test_no_test_or_tool_assigns_to_a_private_name_of_the_simulator(folder):
    wrong = {}
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        text = Path(path).read_text()
        if imports_the_simulator(text) and private_assignments(text):
            wrong[str(path.relative_to(REPOSITORY))] = private_assignments(text)
    assert wrong == {}


def test_no_tool_replaces_anything_of_the_simulator():
    """The audit uses hooks and replaces no name of the simulator."""
    for path in (REPOSITORY / "src/trace_audit").rglob("*.py"):
        text = path.read_text()
        assert not (imports_the_simulator(text) and "setattr(" in text), path


def test_the_check_for_private_names_finds_them():
    assert private_assignments("monkeypatch.setattr(selection, '_AGREED', 1)") == ["_AGREED"]
    assert private_assignments("monkeypatch.setattr('a.b._c', 1)") == ["a.b._c"]
    assert private_assignments("tile._x = 1\nself._y = 2\nfor tile._z in (): pass") == ["tile._x", "tile._z"]
