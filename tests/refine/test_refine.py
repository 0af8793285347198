"""Refinement recovers the values that made an image, states their uncertainty, and refuses nonsense in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
import yaml

from nanobrag_torch.cli import parse
from nanobrag_torch.io.float_image import write_double_image, write_float_image
from nanobrag_torch.io.hdf5 import write_nxmx
from nanobrag_torch.io.smv import write_smv
from nanobrag_torch.refine import Config, ImageFile, refine
from nanobrag_torch.refine.__main__ import main
from nanobrag_torch.refine.problem import load_problem
from nanobrag_torch.refine.solvers import Stage, covariance
from nanobrag_torch.refine.summary import page, record
from nanobrag_torch.refine.targets import LeastSquares, Poisson
from nanobrag_torch.simulator import Simulation

CRYSTAL = "-cell 38 42 47 85 95 100 -misset 10 20 30 -N 6 -default_F 100 -water 0.015"
PANEL = "-lambda 1 -distance 50 -detpixels 40 -pixel 1.1 -oversample 1 -phi 0.1 -osc 3 -phisteps 4 -fluence 1e28"
TRUE = f"{CRYSTAL} {PANEL}"
START = "-misset 10.08 20.08 29.92 -cell 38.1 41.9 47.1 85 95 100 -distance 50.1"
NAMES = ["misset_x", "misset_y", "misset_z", "cell_a", "cell_b", "cell_c", "distance", "scale"]
ANSWER = [10.0, 20.0, 30.0, 38.0, 42.0, 47.0, 50.0, 1.0]


def simulated(words=TRUE, seed=3):
    """Exact photons and a Poisson image of them, (slow, fast)."""
    with torch.no_grad():
        exact = Simulation(parse(words.split()).experiment).image(image_dtype=torch.float64)
    return exact.numpy(), torch.poisson(exact, generator=torch.Generator().manual_seed(seed)).numpy()


def write_config(folder, **changes):
    content = {"flags": f"{TRUE} {START}", "images": [{"file": "noisy.f64"}], "parameters": NAMES, **changes}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder / "config.yaml"


@pytest.fixture
def noisy(tmp_path):
    exact, counts = simulated()
    assert exact.max() > 100
    write_double_image(tmp_path / "noisy.f64", counts)
    return tmp_path


@pytest.mark.parametrize(
    ("method", "target"),
    [("levenberg_marquardt", "poisson"), ("levenberg_marquardt", "least_squares"), ("lbfgs", "poisson")],
)
def test_recovers_what_made_the_image(method, target, noisy):
    config = Config(flags=f"{TRUE} {START}", images=[ImageFile(file="noisy.f64")], parameters=NAMES, method=method,
                    target=target)  # fmt: skip
    fitted = refine(config, noisy)
    assert fitted.converged
    off = (fitted.values - torch.tensor(ANSWER, dtype=torch.float64)) / fitted.sigmas
    assert off.abs().max() < 3.0
    assert fitted.target_per_pixel < 0.2 * fitted.start_target_per_pixel
    assert [step.cells_factor for step in fitted.steps][0] == 0.3 and fitted.steps[-1].cells_factor == 1.0
    if target == "poisson":
        assert 0.8 < fitted.target_per_pixel < 1.2
        moved = (fitted.start - torch.tensor(ANSWER, dtype=torch.float64)) / fitted.sigmas
        assert moved[:7].abs().min() > 5, "the start has to be far from the answer"


def test_uncertainties_are_those_of_repeated_noise(noisy):
    """The scatter of refined values over noise drawn anew is what the Fisher matrix says."""
    names = ["misset_y", "cell_b", "scale"]
    config = Config(flags=TRUE, images=[ImageFile(file="noisy.f64")], parameters=names, cells_factors=[1.0])
    values, sigmas = [], []
    for seed in range(24):
        write_double_image(noisy / "noisy.f64", simulated(seed=seed)[1])
        fitted = refine(config, noisy)
        values.append(fitted.values.tolist())
        sigmas.append(fitted.sigmas.tolist())
    off = (np.array(values) - [20.0, 42.0, 1.0]) / np.array(sigmas)
    assert 0.65 < off.std() < 1.35  # 72 numbers: a standard deviation of 0.08
    assert abs(off.mean()) < 0.4


def test_every_file_format_gives_the_same(noisy, tmp_path):
    counts = np.fromfile(noisy / "noisy.f64").reshape(40, 40)
    simulation = Simulation(parse(TRUE.split()).experiment)
    from nanobrag_torch.cli.write import nxmx, smv_header

    invocation = parse([*TRUE.split(), "-hdf5file", "x.h5"])
    write_float_image(tmp_path / "image.bin", counts)
    write_smv(tmp_path / "image.img", smv_header(simulation), counts + 40)
    write_nxmx(tmp_path / "image.h5", counts, nxmx(invocation, simulation))
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["frames"] = np.stack([0 * counts, counts]).astype(np.uint32)
    images = [
        ImageFile(file="image.bin"),
        ImageFile(file="image.img"),
        ImageFile(file="image.h5"),
        ImageFile(file="stack.h5", dataset="frames", frame=1),
        ImageFile(file="noisy.f64", photons_per_count=1.0, offset_counts=0.0),
    ]
    for image in images:
        problem = load_problem(Config(flags=TRUE, images=[image], parameters=["scale"]), tmp_path)
        (observed,) = problem.images
        assert observed.shape == (40, 40) and np.array_equal(observed.photons.numpy(), counts.ravel())


def test_masked_and_overloaded_pixels_do_not_count(noisy, tmp_path):
    counts = np.fromfile(noisy / "noisy.f64").reshape(40, 40) + 40
    counts[5, 6], counts[7, 8] = 65535, 30000
    mask = np.ones((40, 40), np.uint16)
    mask[7, 8] = 0
    from nanobrag_torch.cli.write import smv_header

    header = smv_header(Simulation(parse(TRUE.split()).experiment))
    write_smv(tmp_path / "image.img", header, counts)
    write_smv(tmp_path / "mask.img", header, mask)
    image = ImageFile(file="image.img", mask="mask.img")
    problem = load_problem(Config(flags=TRUE, images=[image], parameters=["scale"]), tmp_path)
    (observed,) = problem.images
    pixels = set(zip(observed.slow.tolist(), observed.fast.tolist(), strict=True))
    assert len(pixels) == 1598 and not {(5, 6), (7, 8)} & pixels
    with torch.no_grad():
        assert problem.predicted(problem.start, observed).shape == (1598,)


@pytest.mark.parametrize("target", [Poisson(), LeastSquares()])
def test_descent_and_fisher_matrix_belong_to_the_target(target, noisy):
    """Half the steepest descent against differences; the Fisher matrix against second differences of exact data."""
    config = Config(flags=TRUE, images=[ImageFile(file="noisy.f64")], parameters=["misset_x", "distance", "scale"])
    problem = load_problem(config, noisy)
    (image,) = problem.images
    with torch.no_grad():
        exact = problem.predicted(problem.start, image)
    at = problem.start + torch.tensor([0.01, 0.005, 0.01], dtype=torch.float64)
    stage = Stage(problem, target, 1.0, 1, 0.01)
    _, descent, _ = stage.curvature(at)
    noiseless = Stage(replace(problem, images=(replace(image, photons=exact),)), target, 1.0, 1, 0.01)
    _, nothing, fisher = noiseless.curvature(problem.start)
    assert nothing.abs().max() < 1e-6 * descent.abs().max()
    for index, step in enumerate((1e-5, 1e-5, 1e-5)):
        move = torch.zeros(3, dtype=torch.float64)
        move[index] = step
        slope = (stage.tried(at + move) - stage.tried(at - move)) / (2 * step)
        assert slope == pytest.approx(-2 * float(descent[index]), rel=1e-5)
        wide = move * 10
        curve = (noiseless.tried(problem.start + wide) + noiseless.tried(problem.start - wide)) / (10 * step) ** 2
        assert curve == pytest.approx(2 * float(fisher[index, index]), rel=1e-3)


def test_covariance_of_undetermined_parameters_is_infinite():
    singular = torch.tensor([[1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    assert torch.isinf(covariance(singular, 1.0)).all()
    known = torch.tensor([[4.0, 1.0], [1.0, 9.0]], dtype=torch.float64)
    assert torch.allclose(covariance(known, 2.0) @ known, 2.0 * torch.eye(2, dtype=torch.float64))


def test_several_starts_keep_the_best(noisy):
    """With a start that is five degrees wrong the first attempt finds nothing; other starts within the spread do."""
    config = Config(flags=f"{TRUE} -misset 10 20 35", images=[ImageFile(file="noisy.f64")],
                    parameters=["misset_z", "scale"], starts=5, start_spread={"misset_z": 6.0}, max_iterations=12,
                    seed=2)  # fmt: skip
    fitted = refine(config, noisy)
    assert {step.start for step in fitted.steps} == {0, 1, 2, 3, 4}
    assert abs(float(fitted.values[0]) - 30.0) < 3 * float(fitted.sigmas[0])
    ends = {step.start: step.target_per_pixel for step in fitted.steps}
    assert fitted.target_per_pixel == pytest.approx(min(ends.values())) and max(ends.values()) > 2 * min(ends.values())


def test_command_line_writes_all_files(noisy, capsys):
    path = write_config(noisy, parameters=["misset_x", "scale"], flags=f"{TRUE} -misset 10.05 20 30")
    assert main([str(path)]) == 0
    out = noisy / "refined"
    assert sorted(p.name for p in out.iterdir()) == ["convergence.png", "images.png", "refinement.json", "report.md"]
    document = json.loads((out / "refinement.json").read_text())
    assert document["converged"] and [row["name"] for row in document["parameters"]] == ["misset_x", "scale"]
    assert (out / "images.png").read_bytes().startswith(b"\x89PNG")
    text = (out / "report.md").read_text()
    assert "Converged" in text and "| misset_x | deg | 10.05 |" in text
    said = capsys.readouterr()
    assert "misset_x" in said.out and "+-" in said.out and said.err == ""


def test_report_with_the_truth(noisy):
    config = Config(flags=TRUE, images=[ImageFile(file="noisy.f64")], parameters=["distance"], cells_factors=[1.0])
    fitted = refine(config, noisy)
    assert "sigma |" in page(record(fitted), {"distance": 50.0})


def test_no_convergence_is_exit_status_1(noisy):
    path = write_config(noisy, max_iterations=1, cells_factors=[1.0])
    assert main([str(path)]) == 1
    assert "**Not converged**" in (noisy / "refined/report.md").read_text()


REFUSED = {
    "unknown key": ({"imagse": []}, "unknown key 'imagse'; did you mean images?"),
    "unknown key of an image": ({"images": [{"file": "noisy.f64", "maks": "x"}]}, "did you mean mask?"),
    "missing key": ({"parameters": None}, "parameters"),
    "unknown parameter": ({"parameters": ["cell_aa"]}, "no parameter 'cell_aa'; did you mean: cell_a"),
    "no gradient": ({"parameters": ["d_min"]}, "d_min cannot be refined: a limit"),
    "many numbers": (
        {"parameters": ["source_weight"]},
        "source_weight cannot be refined: it is many numbers; minimise",
    ),
    "no indices": (
        {"parameters": ["F_reflection 1 2"]},
        "F_reflection 1 2: expected the indices of one reflection, as",
    ),
    "foreign indices": (
        {"parameters": ["cell_a 1 2 3"]},
        "only F_reflection takes indices, as in 'F_reflection 1 -2 3'",
    ),
    "no table": ({"parameters": ["F_reflection 1 2 3"]}, "F_reflection 1 2 3: the flags state no table of amplitudes"),
    "listed twice": ({"parameters": ["cell_a", "cell_a"]}, "cell_a is listed twice"),
    "target": ({"target": "likelihood"}, "target: Input should be 'poisson' or 'least_squares'"),
    "last stage": ({"cells_factors": [0.5]}, "cells_factors must end with 1"),
    "starts without spread": ({"starts": 3}, "starts above 1 need start_spread"),
    "spread of another": ({"start_spread": {"cell_alpha": 1.0}}, "cell_alpha is not among the parameters"),
    "unknown flag": ({"flags": f"{TRUE} -distnace 3"}, "-distnace"),
    "flag without place": ({"flags": f"{TRUE} -trace_pixel 1 1"}, "-trace_pixel has no place in a refinement"),
    "not stated": ({"parameters": ["close_distance"]}, "close_distance: the flags do not state it"),
    "open quote": ({"flags": "-cell '1"}, "flags: No closing quotation"),
    "no such image": ({"images": [{"file": "no.img"}]}, "no.img: cannot be read"),
    "other size": ({"images": [{"file": "noisy.f64", "flags": "-detpixels 41"}]}, "noisy.f64: holds 12800 bytes"),
    "no such dataset": ({"images": [{"file": "x.h5"}]}, "x.h5: has no dataset /entry/data/data"),
    "no signal": ({"images": [{"file": "zero.f64"}]}, "no photons are measured or predicted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name, noisy, capsys):
    changes, said = REFUSED[name]
    write_double_image(noisy / "zero.f64", np.zeros((40, 40)))
    with h5py.File(noisy / "x.h5", "w") as file:
        file["other"] = np.zeros((40, 40))
    assert main([str(write_config(noisy, **changes))]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and error.startswith("nanobrag_torch.refine: error: ")
    assert not (noisy / "refined").exists()


@pytest.mark.parametrize(("text", "said"), [("a: [", "is not YAML"), ("- 1", "found list"), (None, "cannot be read")])
def test_file_that_is_no_configuration(text, said, tmp_path, capsys):
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)
    assert main([str(tmp_path / "config.yaml")]) == 2
    assert said in capsys.readouterr().err
