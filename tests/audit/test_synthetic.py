"""Synthetic structure factors: sound statistics, a plausible model, fixed amplitudes, the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest

from trace_audit.config.scenario import load_scenario
from trace_audit.config.scenario_model import FixedAmplitude, Scenario, SyntheticModel
from trace_audit.core.errors import InputError
from trace_audit.inputs import synthetic

SCENARIOS = Path(__file__).parents[2] / "config/scenarios"


def with_recipe(**recipe) -> Scenario:
    """The supervisor scenario with another recipe."""
    data = load_scenario("supervisor", SCENARIOS).model_dump()
    data["structure_factors"]["synthetic"] = {"seed": 20080, **recipe}
    return Scenario.model_validate(data)


@pytest.fixture(scope="module")
def scenario():
    return with_recipe(resolution_A=1.6)


@pytest.fixture(scope="module")
def reflections(scenario):
    return synthetic.synthetic_reflections(scenario)


def test_cell_is_that_of_the_matrix(scenario):
    cell = synthetic.unit_cell(scenario)
    assert cell.parameters == pytest.approx((26.7514, 31.3100, 33.6734, 88.687, 71.5295, 68.1375), abs=1e-3)


def test_cell_and_matrix_give_the_same_reciprocal_lengths():
    data = load_scenario("supervisor", SCENARIOS).model_dump()
    by_matrix = synthetic.reciprocal_axes_per_A(Scenario.model_validate(data))
    cell = synthetic.unit_cell(Scenario.model_validate(data))
    names = ("a_A", "b_A", "c_A", "alpha_deg", "beta_deg", "gamma_deg")
    data["crystal"] |= {"matrix": None, "cell": dict(zip(names, cell.parameters, strict=True))}
    by_cell = synthetic.reciprocal_axes_per_A(Scenario.model_validate(data))
    assert by_cell.T @ by_cell == pytest.approx(by_matrix.T @ by_matrix, rel=1e-9, abs=1e-12)


def test_model_is_as_dense_as_a_protein_and_has_its_elements(scenario):
    cell = synthetic.unit_cell(scenario)
    atoms = list(synthetic.atom_model(cell, scenario.structure_factors.synthetic)[0][0])
    assert len(atoms) == round(cell.volume * 0.5 / 20.0)
    counts = {name: sum(atom.element.name == name for atom in atoms) / len(atoms) for name in "CNOS"}
    for name, share in synthetic.ELEMENTS:
        assert counts[name] == pytest.approx(share, abs=0.06)
    assert min(atom.b_iso for atom in atoms) > 10 and max(atom.b_iso for atom in atoms) < 40
    positions = np.array([cell.fractionalize(atom.pos).tolist() for atom in atoms])
    apart = positions[:, None] - positions[None, :]
    apart -= np.rint(apart)
    distance = np.linalg.norm(apart @ np.array(cell.orth.mat.tolist()).T, axis=2)
    assert distance[np.triu_indices(len(atoms), 1)].min() >= synthetic.SHORTEST_CONTACT_A - 1e-9


def test_amplitudes_follow_wilson_statistics(scenario, reflections):
    """In shells of |h*|: <|E|> = 0.886, <|E|^4> = 2, <||E|^2 - 1|> = 0.736 for acentric reflections."""
    hkl, F = reflections
    s_sqr = ((hkl @ synthetic.reciprocal_axes_per_A(scenario).T) ** 2).sum(axis=1)
    edges = np.quantile(s_sqr, np.linspace(0.3, 1.0, 6))
    mean_intensity = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        shell = F[(s_sqr >= low) & (s_sqr <= high)]
        E = shell / np.sqrt((shell**2).mean())
        assert E.mean() == pytest.approx(0.886, abs=0.03)
        assert (E**4).mean() == pytest.approx(2.0, abs=0.3)
        assert abs(E**2 - 1).mean() == pytest.approx(0.736, abs=0.05)
        mean_intensity.append((shell**2).mean())
    assert all(np.diff(mean_intensity) < 0), "intensity falls with resolution, by form factors and B"


def test_fall_off_is_that_of_the_mean_B():
    """ln of the intensity ratio of two B is -(B2 - B1) |h*|^2 / 2."""
    low, high = (with_recipe(resolution_A=2.0, mean_B_A2=B) for B in (20.0, 40.0))
    hkl, F_low = synthetic.synthetic_reflections(low)
    F_high = synthetic.synthetic_reflections(high)[1]
    s_sqr = ((hkl @ synthetic.reciprocal_axes_per_A(low).T) ** 2).sum(axis=1)
    shell = (s_sqr > 0.2) & (s_sqr < 0.24)
    fall = np.log((F_high[shell] ** 2).mean() / (F_low[shell] ** 2).mean())
    assert fall == pytest.approx(-20.0 * 0.22 / 2.0, rel=0.15)


def test_resolution_reaches_every_pixel():
    scenario = with_recipe()
    corner = synthetic.detector_corner_per_A(scenario)
    assert 1.0 / corner == pytest.approx(1.0925, abs=1e-3)
    beam = np.array([0.00051387949, 0.0, -0.99999986])
    near_origin = np.array([-0.216475836204836, 0.216343050492215, -0.230192414300537])
    q = np.linalg.norm(near_origin / np.linalg.norm(near_origin) - beam / np.linalg.norm(beam)) / 0.9768
    assert q <= corner + 1e-12


def test_both_friedel_mates_and_the_fixed_amplitudes_are_listed(reflections):
    fixed = [FixedAmplitude(hkl=[-7, -1, -14], F_electrons=190.27), FixedAmplitude(hkl=[99, 0, 0], F_electrons=3)]
    text = synthetic.hkl_text(*reflections, fixed)
    table = {tuple(map(int, fields[:3])): float(fields[3]) for fields in map(str.split, text.splitlines())}
    assert len(table) == text.count("\n") == 2 * len(reflections[0]) + 2
    assert all(table[h, k, l] == table[-h, -k, -l] for h, k, l in table)
    assert table[-7, -1, -14] == table[7, 1, 14] == 190.27 and table[-99, 0, 0] == 3.0
    assert (0, 0, 0) not in table


def test_published_amplitudes_are_in_both_scenarios():
    for name in ("supervisor", "supervisor_historic"):
        fixed = load_scenario(name, SCENARIOS).structure_factors.fixed_amplitudes
        assert [(row.hkl, row.F_electrons) for row in fixed] == [([-7, -1, -14], 190.27), ([2, 2, -13], 300.58)]


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    texts = []
    for number, seed in enumerate((1, 1, 2)):
        synthetic._calculated.cache_clear()
        synthetic.write_synthetic(with_recipe(resolution_A=4.0, seed=seed), tmp_path / f"{number}.hkl")
        texts.append((tmp_path / f"{number}.hkl").read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_bytes_do_not_change_between_versions():
    """A known line of the set: another generator, model or form factor table would show here."""
    hkl, F = synthetic.synthetic_reflections(with_recipe(resolution_A=4.0))
    assert len(hkl) == len(F) == 805
    at = {tuple(index): value for index, value in zip(hkl.tolist(), F.tolist(), strict=True)}
    assert at[1, 2, 3] == pytest.approx(79.88466, abs=1e-4)


def test_impossible_recipes_are_refused(scenario, monkeypatch):
    cell = synthetic.unit_cell(scenario)
    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "SHORTEST_CONTACT_A", 8.0)
        with pytest.raises(InputError, match="no room for 617 atoms"):
            synthetic.atom_model(cell, SyntheticModel())
    with pytest.raises(InputError, match="larger resolution_A"):
        synthetic.half_sphere(synthetic.reciprocal_axes_per_A(scenario), 10.0)
