"""Parameters that the images do not determine are found first and named; what limits a refinement is named too."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from nanobrag_torch.cli import parse
from nanobrag_torch.cli.write import smv_header
from nanobrag_torch.io.float_image import write_double_image
from nanobrag_torch.io.smv import write_smv
from nanobrag_torch.refine import Config, ImageFile, refine
from nanobrag_torch.refine.__main__ import main
from nanobrag_torch.refine.config import ConfigError
from nanobrag_torch.refine.determined import undetermined
from nanobrag_torch.refine.problem import load_problem
from nanobrag_torch.simulator import Simulation
from tests.refine.test_refine import TRUE, noisy, write_config  # noqa: F401 - a fixture

START = f"{TRUE} -misset 10.05 20 30 -water 0"  # the background goes with the fluence in another way
IMAGE = [ImageFile(file="noisy.f64")]


def test_what_nothing_reads_and_what_another_does_too_stay_as_they_are(noisy):  # noqa: F811
    alone = refine(Config(flags=START, images=IMAGE, parameters=["misset_x", "scale"]), noisy)
    names = ["fudge", "misset_x", "scale", "fluence"]
    for method in ("levenberg_marquardt", "lbfgs"):
        fitted = refine(Config(flags=START, images=IMAGE, parameters=names, method=method), noisy)
        assert [(frozen.name, frozen.partners) for frozen in fitted.frozen] == [("fudge", ()), ("fluence", ("scale",))]
        assert fitted.converged and fitted.problem.names == ("misset_x", "scale")
        assert torch.isfinite(fitted.sigmas).all()
        assert float(fitted.sigmas[0]) == pytest.approx(float(alone.sigmas[0]), rel=1e-3)
        assert abs(float(fitted.values[0] - alone.values[0])) < 0.1 * float(alone.sigmas[0])


def test_a_combination_of_several_is_named():
    jacobian = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    jacobian = torch.cat([jacobian, (2 * jacobian[:, 0] - 3 * jacobian[:, 2]).unsqueeze(1)], 1)
    scale = torch.tensor([1e-9, 1.0, 1e6, 1e-3], dtype=torch.float64)
    jacobian = jacobian * scale
    combinations = undetermined(("a", "b", "c", "d"), jacobian.T @ jacobian)
    assert [str(combination) for combination in combinations] == ["d changes the images as a and c can"]
    nearly = jacobian.clone()
    nearly[0, 3] *= 1.01
    assert undetermined(("a", "b", "c", "d"), nearly.T @ nearly) == []


def test_they_are_refused_where_that_is_asked_for(noisy, capsys):  # noqa: F811
    path = write_config(noisy, flags=START, parameters=["misset_x", "fudge"], undetermined="refuse")
    assert main([str(path)]) == 2
    said = capsys.readouterr().err
    assert "parameters: fudge changes no pixel of the images: expected parameters that the images determine" in said
    assert said.count("\n") == 1


def test_nothing_to_refine_is_refused(noisy):  # noqa: F811
    with pytest.raises(ConfigError, match="fudge changes no pixel of the images: expected one that the images"):
        refine(Config(flags=START, images=IMAGE, parameters=["fudge"]), noisy)


def test_the_report_says_what_was_left_out(noisy, capsys):  # noqa: F811
    path = write_config(noisy, flags=START, parameters=["misset_x", "scale", "fudge"])
    assert main([str(path)]) == 0
    assert "fudge           not refined: fudge changes no pixel of the images" in capsys.readouterr().out
    document = json.loads((noisy / "refined/refinement.json").read_text())
    assert [combination["name"] for combination in document["undetermined"]] == ["fudge"]
    page = (noisy / "refined/report.md").read_text()
    assert "Not refined: fudge changes no pixel of the images; it stays as the flags state it." in page


@pytest.mark.parametrize("parameters", [["misset_x"], ["misset_x", "scale"]])
def test_an_image_without_photons_is_refused(parameters, noisy):  # noqa: F811
    write_double_image(noisy / "noisy.f64", np.zeros((40, 40)))
    with pytest.raises(ConfigError, match="no photons are measured or predicted in any image"):
        refine(Config(flags=START, images=IMAGE, parameters=parameters), noisy)


def test_a_pixel_that_cannot_be_counted_is_named(noisy):  # noqa: F811
    counts = np.fromfile(noisy / "noisy.f64").reshape(40, 40)
    counts[7, 3] = 1e30
    write_double_image(noisy / "noisy.f64", counts)
    with pytest.raises(ConfigError, match="noisy.f64: fast 3 slow 7: 1e.30 photons, expected at most 1e.15 in a pixel"):
        refine(Config(flags=START, images=IMAGE, parameters=["misset_x", "scale"]), noisy)


def test_a_pixel_that_decides_by_itself_is_named(noisy, capsys):  # noqa: F811
    counts = np.fromfile(noisy / "noisy.f64").reshape(40, 40)
    counts[7, 3] = 1e9
    write_double_image(noisy / "noisy.f64", counts)
    path = write_config(noisy, flags=START, parameters=["misset_x", "scale"])
    assert main([str(path)]) == 1
    said = capsys.readouterr().out
    assert "one pixel decides: noisy.f64: pixel fast 3 slow 7 holds 1e+09 photons where" in said
    assert "not converged" in said
    assert "**Not converged**" in (noisy / "refined/report.md").read_text()


def test_a_mask_of_another_shape_is_told_with_both(noisy):  # noqa: F811
    header = smv_header(Simulation(parse([*TRUE.split(), "-detpixels", "9"]).experiment))
    write_smv(noisy / "mask.img", header, np.ones((9, 9), np.uint16))
    images = [ImageFile(file="noisy.f64", mask="mask.img")]
    with pytest.raises(ConfigError, match="mask.img: has 9 x 9 pixels, expected 40 x 40 as .*noisy.f64 has"):
        load_problem(Config(flags=TRUE, images=images, parameters=["scale"]), noisy)


def test_a_smaller_crystal_of_a_coarse_stage_is_not_interpolated(noisy):  # noqa: F811
    """Three tenths of six cells are fewer than two, from which on amplitudes of a table would be interpolated."""
    (noisy / "few.hkl").write_text("".join(f"{h} {k} {el} {50 + 7 * h - 3 * k + el}\n" for h in range(-6, 7)
                                           for k in range(-6, 7) for el in range(-6, 7)))  # fmt: skip
    flags = f"{TRUE} -hkl {noisy / 'few.hkl'}"
    problem = load_problem(Config(flags=flags, images=IMAGE, parameters=["N_a", "scale"]), noisy)
    (image,) = problem.images
    assert image.experiment.structure_factors.interpolate is False
    with torch.no_grad():
        coarse = problem.predicted(problem.start, image, 0.3)
        stated = problem.predicted(problem.start * torch.tensor([0.3, 1.0]), image, 1.0)
    assert coarse.sum() > 0 and not torch.equal(coarse, stated)
