"""Refinement by compiled code: the derivatives, values and uncertainties of eager code."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import pytest
import torch

from nanobrag_torch import model
from nanobrag_torch.backends.compiled import agreement, cache, selection
from nanobrag_torch.cli import parse
from nanobrag_torch.gradients import parameter
from nanobrag_torch.io.float_image import write_double_image
from nanobrag_torch.refine import Config, ImageFile, refine
from nanobrag_torch.refine.jacobian import jacobian
from nanobrag_torch.refine.named import named
from nanobrag_torch.refine.summary import record
from tests.c_program import needs_compiler
from tests.physics.helpers import reflection_table
from tests.refine.test_refine import NAMES, START, TRUE, simulated

pytestmark = needs_compiler
BASE = TRUE.replace("-detpixels 40", "-detpixels 12")
EVERY = [
    "misset_x",
    "cell_a",
    "distance",
    "wavelength",
    "N_a",
    "fluence",
    "polarization",
    "fudge",
    "default_F",
    "water",
]
CASES = {
    "one sample and source": "-mosaic 0.2 -mosaic_dom 3",
    "samples, layers, sources": "-oversample 2 -round_xtal -dispersion 0.5 -dispsteps 2 -detector_thick 300 "
    "-detector_abs 400 -detector_thicksteps 2",
    "factors of each term": "-oversample 2 -oversample_omega -oversample_polar -gauss_xtal -dmin 2.5",
    "factors in sight of the beam": "-hdivrange 1 -hdivsteps 2 -nopolar",
}


@pytest.fixture(autouse=True)
def folder(compiled_code, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))


def derivatives(flags, mode, monkeypatch):
    monkeypatch.setenv(selection.MODE_VARIABLE, mode)
    experiment = parse(flags.split()).experiment
    values = torch.tensor([parameter(name).value(experiment) for name in EVERY], dtype=torch.float64)

    def make(at):
        made = experiment
        for name, value in zip(EVERY, at.unbind(), strict=True):
            made = parameter(name).put(made, value)
        return model.on_device(model.resolve(made, torch.device("cpu"), torch.float64), torch.device("cpu"))

    slow, fast = (place.reshape(-1) for place in torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij"))
    return jacobian(make, values, fast[5:], slow[5:])


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_pixels_are_those_of_eager_code(name, monkeypatch, capfd):
    flags = f"{BASE} {CASES[name]}"
    photons, columns, why = derivatives(flags, "always", monkeypatch)
    assert why.startswith("compiled: ") and "not used" not in capfd.readouterr().err
    expected, eager_columns, eager_why = derivatives(flags, "never", monkeypatch)
    assert eager_why == f"eager: {selection.MODE_VARIABLE}=never"
    assert (photons - expected).abs().max() <= 1e-12 * expected.max()
    largest = eager_columns.abs().amax(0)
    assert ((columns - eager_columns).abs().amax(0) <= 1e-11 * largest).all()
    assert (largest > 0).sum() >= 8


@pytest.mark.parametrize("method", ["levenberg_marquardt", "lbfgs"])
def test_a_refinement_ends_where_an_eager_one_does(method, tmp_path, monkeypatch):
    write_double_image(tmp_path / "noisy.f64", simulated()[1])
    config = Config(flags=f"{TRUE} {START}", images=[ImageFile(file="noisy.f64")], parameters=NAMES, method=method)
    derivatives_of = {}
    for mode in ("always", "never"):
        monkeypatch.setenv(selection.MODE_VARIABLE, mode)
        derivatives_of[mode] = refine(config, tmp_path)
        (made_by,) = record(derivatives_of[mode])["derivatives"].values()
        assert made_by.startswith("compiled: " if mode == "always" else "eager: ")
        json.dumps(record(derivatives_of[mode]), allow_nan=False)
    compiled, eager = derivatives_of["always"], derivatives_of["never"]
    assert compiled.converged and eager.converged
    assert ((compiled.values - eager.values).abs() <= 1e-4 * eager.sigmas).all()
    assert torch.allclose(compiled.sigmas, eager.sigmas, rtol=1e-6)


AMPLITUDES = [f"F_reflection {hkl}" for hkl in ("-2 -2 2", "1 0 -2", "-2 -2 3", "1 -1 -3")]


def by_amplitudes(words, names, mode, monkeypatch, interpolate):
    """As `derivatives`, of a crystal with a table of amplitudes."""
    monkeypatch.setenv(selection.MODE_VARIABLE, mode)
    stated = parse(words.split()).experiment
    factors = replace(stated.structure_factors, table=reflection_table(3), interpolate=interpolate)
    stated = replace(stated, structure_factors=factors)
    values = torch.tensor([named(name).value(stated) for name in names], dtype=torch.float64)

    def make(at):
        made = stated
        for name, value in zip(names, at, strict=True):
            made = named(name).put(made, value)
        return model.on_device(model.resolve(made, torch.device("cpu"), torch.float64), torch.device("cpu"))

    slow, fast = (place.reshape(-1) for place in torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij"))
    return jacobian(make, values, fast, slow, [i for i, name in enumerate(names) if named(name).is_looked_up(stated)])


@pytest.mark.parametrize("interpolate", [False, True], ids=["nearest", "interpolated"])
@pytest.mark.parametrize("names", [AMPLITUDES, [AMPLITUDES[0], "misset_x", *AMPLITUDES[1:], "default_F", "cell_a"]],
                         ids=["alone", "among others"])  # fmt: skip
def test_derivatives_by_chosen_amplitudes_are_those_of_eager_code(names, interpolate, monkeypatch, capfd):
    words = f"{BASE} -default_F 9 -mosaic 3 -mosaic_dom 20"
    photons, columns, why = by_amplitudes(words, names, "always", monkeypatch, interpolate)
    assert why.startswith("compiled: ") and "not used" not in capfd.readouterr().err
    expected, eager_columns, _ = by_amplitudes(words, names, "never", monkeypatch, interpolate)
    assert (photons - expected).abs().max() <= 1e-12 * expected.max()
    largest = eager_columns.abs().amax(0)
    assert ((columns - eager_columns).abs().amax(0) <= 1e-11 * largest).all()
    assert (largest > 0).sum() == len(names)


def test_a_reflection_beyond_the_table_is_named():
    stated = parse(BASE.split()).experiment
    stated = replace(stated, structure_factors=replace(stated.structure_factors, table=reflection_table(3)))
    with pytest.raises(ValueError, match="F_reflection 1 4 0: not in the table .* whose h, k, l are -3 to 3, -3 to 3"):
        named("F_reflection 1 4 0").value(stated)


@pytest.mark.parametrize("mode", ["always", "never"])
def test_amplitudes_of_chosen_reflections_are_refined(mode, tmp_path, monkeypatch):
    """From a table that is off in two of its amplitudes, beside a tilt, to those behind the image."""
    monkeypatch.setenv(selection.MODE_VARIABLE, mode)
    monkeypatch.chdir(tmp_path)
    words = f"{BASE} -default_F 9 -mosaic 3 -mosaic_dom 20 -nointerpolate"
    truth = {f"{h} {k} {l}": 90.0 + 7 * h + 5 * k + 3 * l for h, k, l in product(range(-3, 4), repeat=3)}
    for name, changed in {"true": {}, "start": {"-2 -2 2": 50.0, "1 0 -2": 120.0}}.items():
        (tmp_path / f"{name}.hkl").write_text("".join(f"{hkl} {F}\n" for hkl, F in (truth | changed).items()))
    write_double_image(tmp_path / "exact.f64", simulated(f"{words} -hkl true.hkl")[0])
    config = Config(
        flags=f"{words} -hkl start.hkl -misset 10.1 20 30", images=[ImageFile(file="exact.f64")],
        parameters=["misset_x", "F_reflection  -2 -2 2", "F_reflection 1 0 -2"], cells_factors=[1.0],
    )  # fmt: skip
    found = refine(config, tmp_path)
    assert found.converged and found.problem.names == ("misset_x", "F_reflection -2 -2 2", "F_reflection 1 0 -2")
    assert found.values.tolist() == pytest.approx([10.0, truth["-2 -2 2"], truth["1 0 -2"]], rel=1e-3)
    assert record(found)["derivatives"]["exact.f64"].startswith("compiled: " if mode == "always" else "eager: ")


def test_compiled_derivatives_that_are_wrong_are_not_used(monkeypatch, capfd):
    """A program that differs from eager code at a few pixels is refused with a message; derivatives are eager."""
    monkeypatch.setattr(agreement, "AGREED_DERIVATIVES", set())
    right = selection.TangentBackend.jacobian
    monkeypatch.setattr(
        selection.TangentBackend, "jacobian", lambda *call: tuple(1.001 * part for part in right(*call))
    )
    _, _, why = derivatives(BASE, "always", monkeypatch)
    assert why.startswith("eager: compiled derivatives are not used: they differ by 1.0e-03")
    assert "they differ by 1.0e-03 of the largest" in capfd.readouterr().err
