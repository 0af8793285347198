"""`python -m trace_audit.inputs.synthetic`: structure factors of a seeded protein-like crystal in P1, as hkl text.

Atoms fill an ellipsoid in the middle of the cell as densely as in a protein, no two closer than a short bond, with the
elements of a protein and B factors that grow outwards. Structure factors are summed atom by atom in double precision
(gemmi, International Tables form factors) to the resolution of the detector's farthest corner, so the text is the
same on every machine. Amplitudes that the scenario fixes are then set, Friedel mates alike.
"""

import math
from functools import lru_cache
from pathlib import Path

import gemmi
import numpy as np

from trace_audit.config.scenario import ScenarioFiles, arguments, write_matrix
from trace_audit.config.scenario_model import FixedAmplitude, Scenario, SyntheticModel
from trace_audit.core.errors import InputError
from trace_audit.core.files import write_atomic

ELEMENTS = (("C", 0.634), ("N", 0.171), ("O", 0.190), ("S", 0.005))
SHORTEST_CONTACT_A = 1.3
MOST_REFLECTIONS = 5_000_000
MOST_MISSES = 2000  # consecutive positions without room, after which the ball counts as full


def reciprocal_axes_per_A(scenario: Scenario) -> np.ndarray:
    """Columns a*, b*, c* in 1/A, shape (3, 3), from the matrix or the cell of the scenario."""
    crystal = scenario.crystal
    if crystal.matrix is not None:
        return np.array(crystal.matrix).reshape(3, 3) / wavelength_A(scenario)
    assert crystal.cell is not None
    cell = gemmi.UnitCell(*crystal.cell.model_dump().values())
    return np.array(cell.frac.mat.tolist()).T


def wavelength_A(scenario: Scenario) -> float:
    """Wavelength in A; from an energy E in eV it is 12398.42 / E."""
    beam = scenario.beam
    return beam.wavelength_A if beam.wavelength_A is not None else 12398.42 / float(beam.energy_eV or 0.0)


def unit_cell(scenario: Scenario) -> gemmi.UnitCell:
    """Cell lengths (A) and angles (degrees) of the reciprocal axes."""
    a, b, c = np.linalg.inv(reciprocal_axes_per_A(scenario))
    a_A, b_A, c_A = (float(np.linalg.norm(v)) for v in (a, b, c))

    def angle(u: np.ndarray, v: np.ndarray) -> float:
        return math.degrees(math.acos(float(u @ v) / float(np.linalg.norm(u) * np.linalg.norm(v))))

    return gemmi.UnitCell(a_A, b_A, c_A, angle(b, c), angle(a, c), angle(a, b))


def detector_corner_per_A(scenario: Scenario) -> float:
    """Largest 1/d = |d - i| / wavelength over the detector, in 1/A: that of one of its corners."""
    import tempfile

    from nanobrag_torch.cli import parse
    from nanobrag_torch.simulator import Simulation

    with tempfile.TemporaryDirectory(prefix="inputs-") as folder:
        argv = arguments(scenario, ScenarioFiles(write_matrix(scenario, Path(folder)), None))
        g = Simulation(parse([*argv, "-default_F", "1"]).experiment).geometry
    fast, slow, pix0, beam = (v.detach().cpu().numpy() for v in (g.fdet, g.sdet, g.pix0_m, g.beam_vector))
    edge_fast_m, edge_slow_m = float(g.pixel_size_m) * g.n_fast, float(g.pixel_size_m) * g.n_slow
    corners = [pix0 + i * edge_fast_m * fast + j * edge_slow_m * slow for i in (0, 1) for j in (0, 1)]
    return max(float(np.linalg.norm(r / np.linalg.norm(r) - beam)) for r in corners) / wavelength_A(scenario)


def atom_model(cell: gemmi.UnitCell, recipe: SyntheticModel) -> gemmi.Model:
    """Atoms of the recipe in `cell`. Only uniform draws of a PCG64 generator are used, so a seed has one model."""
    rng = np.random.Generator(np.random.PCG64(recipe.seed))
    count = max(1, round(cell.volume * recipe.protein_fraction / recipe.volume_per_atom_A3))
    radius = (3.0 * recipe.protein_fraction / (4.0 * math.pi)) ** (1.0 / 3.0)  # of a ball in fractional space
    orthogonal = np.array(cell.orth.mat.tolist())
    residue = gemmi.Residue()
    residue.name, residue.seqid = "UNK", gemmi.SeqId("1")
    kinds = np.cumsum([share for _, share in ELEMENTS])
    for position, distance in _places(rng, count, radius, orthogonal):
        atom = gemmi.Atom()
        element = ELEMENTS[min(int(np.searchsorted(kinds, rng.random())), len(ELEMENTS) - 1)][0]
        atom.name, atom.element = element, gemmi.Element(element)
        atom.pos = gemmi.Position(*(orthogonal @ position).tolist())
        atom.b_iso = recipe.mean_B_A2 * (0.55 + 0.5 * (distance / radius) ** 2 + 0.3 * rng.random())
        residue.add_atom(atom)
    chain, model = gemmi.Chain("A"), gemmi.Model(1)
    chain.add_residue(residue)
    model.add_chain(chain)
    return model


def _places(
    rng: np.random.Generator, count: int, radius: float, orthogonal: np.ndarray
) -> list[tuple[np.ndarray, float]]:
    """`count` fractional positions in the ball, no two closer than the shortest contact; and their distances."""
    taken = np.empty((0, 3))
    result: list[tuple[np.ndarray, float]] = []
    misses = 0
    while misses < MOST_MISSES:
        offset = (2.0 * rng.random(3) - 1.0) * radius
        distance = float(np.sqrt(offset @ offset))
        apart = taken - offset
        apart -= np.rint(apart)
        crowded = len(taken) and (((apart @ orthogonal.T) ** 2).sum(axis=1) < SHORTEST_CONTACT_A**2).any()
        if distance > radius or crowded:
            misses += 1
            continue
        misses = 0
        taken = np.vstack([taken, offset])
        result.append((offset + 0.5, distance))
        if len(result) == count:
            return result
    raise InputError(f"synthetic model: no room for {count} atoms; make volume_per_atom_A3 larger")


def half_sphere(axes_per_A: np.ndarray, limit_per_A: float) -> np.ndarray:
    """Miller indices with 0 < |h*| <= limit, one of each Friedel pair, sorted; shape (n, 3)."""
    lengths = np.linalg.norm(np.linalg.inv(axes_per_A), axis=1)
    h_max, k_max, l_max = (math.floor(limit_per_A * length) for length in lengths)
    if (h_max + 1) * (2 * k_max + 1) * (2 * l_max + 1) > MOST_REFLECTIONS:
        raise InputError(f"synthetic structure factors: over {MOST_REFLECTIONS} indices; give a larger resolution_A")
    grid = np.mgrid[0 : h_max + 1, -k_max : k_max + 1, -l_max : l_max + 1].reshape(3, -1).T
    h, k, l = grid.T
    half = (h > 0) | ((h == 0) & ((k > 0) | ((k == 0) & (l > 0))))
    inside = ((grid @ axes_per_A.T) ** 2).sum(axis=1) <= limit_per_A**2
    return np.asarray(grid[half & inside])


def amplitudes(cell: gemmi.UnitCell, model: gemmi.Model, hkl: np.ndarray) -> np.ndarray:
    """|F| in electrons of each index, by direct summation over the atoms; shape (n,)."""
    calculator = gemmi.StructureFactorCalculatorX(cell)
    return np.array([abs(calculator.calculate_sf_from_model(model, index)) for index in hkl.tolist()])


def synthetic_reflections(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n, 3) of one of each Friedel pair and amplitudes (n,) in electrons, fixed amplitudes not yet set."""
    recipe = scenario.structure_factors.synthetic
    if recipe is None:
        raise InputError(f"scenario {scenario.name}: structure_factors has no synthetic part to calculate from")
    axes = reciprocal_axes_per_A(scenario)
    if recipe.resolution_A is not None:
        limit = 1.0 / recipe.resolution_A
    else:  # half a reciprocal cell further, so that the index nearest to any pixel is listed
        limit = detector_corner_per_A(scenario) + 0.5 * float(np.linalg.norm(axes, axis=0).sum())
    return _calculated(
        tuple(unit_cell(scenario).parameters), tuple(axes.ravel().tolist()), recipe.model_dump_json(), limit
    )


@lru_cache(maxsize=16)
def _calculated(
    cell: tuple[float, ...], axes_per_A: tuple[float, ...], recipe: str, limit_per_A: float
) -> tuple[np.ndarray, np.ndarray]:
    """The set of a recipe; scenarios of one crystal, and one scenario asked for again, share it."""
    of_cell = gemmi.UnitCell(*cell)
    hkl = half_sphere(np.array(axes_per_A).reshape(3, 3), limit_per_A)
    F = amplitudes(of_cell, atom_model(of_cell, SyntheticModel.model_validate_json(recipe)), hkl)
    for array in (hkl, F):
        array.setflags(write=False)
    return hkl, F


def hkl_text(hkl: np.ndarray, F_electrons: np.ndarray, fixed: list[FixedAmplitude]) -> str:
    """Lines of h k l F, both mates of each pair, sorted; amplitudes in `fixed` replace or join the list."""
    table = {tuple(index): F for index, F in zip(hkl.tolist(), F_electrons.tolist(), strict=True)}
    table |= {(-h, -k, -l): F for (h, k, l), F in table.items()}
    for row in fixed:
        for sign in (1, -1):
            table[tuple(sign * index for index in row.hkl)] = row.F_electrons
    return "".join(f"{h:4d} {k:4d} {l:4d} {table[h, k, l]:9.2f}\n" for h, k, l in sorted(table))


def write_synthetic(scenario: Scenario, path: Path) -> None:
    """Calculate the synthetic set of a scenario and write it as hkl text."""
    hkl, F_electrons = synthetic_reflections(scenario)
    write_atomic(path, hkl_text(hkl, F_electrons, scenario.structure_factors.fixed_amplitudes))
