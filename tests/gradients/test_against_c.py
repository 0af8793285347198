"""Gradients against the C program's images and traces, and the naming of a stage whose derivative is wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled import cache
from nanobrag_torch.gradients import parameter, parameters
from nanobrag_torch.simulator import checkpointing
from tests.c_program import needs_compiler
from trace_audit.core.errors import run_command
from trace_audit.derivatives import gradients
from trace_audit.derivatives.gradient_blame import blame
from trace_audit.derivatives.gradient_case import CProgram, prepare
from trace_audit.derivatives.gradient_stages import first_at_fault
from trace_audit.derivatives.gradient_sweep import Point, fitted_slope, sweep
from trace_audit.programs.environment import code_of
from trace_audit.trace.keys import registry

CELL = "-cell 31 37 43 82 96 101 -misset 11 23 35 -Na 5 -Nb 4 -Nc 3 -lambda 1.1 -fluence 1e24 -polar 0.7"
PANEL = "-phi 1 -osc 0.4 -phisteps 2 -pixel 5 -detpixels 7 -distance 70 -Xbeam 17 -Ybeam 20 -oversample 1"
BASE = f"{CELL} {PANEL} -default_F 50 -mosaic 0.01 -mosaic_dom 3 -nonoise".split(" ")
PIXEL = (4, 5)  # slow, fast
# every stage of the physics; the workflow target `gradients` does all parameters on two scenarios
SAMPLE = [
    "cell_b",
    "misset_y",
    "mosaic_spread",
    "source_wavelength",
    "hdiv_range",
    "Xbeam",
    "ORGX",
    "rotx",
    "attenuation_length",
    "polar_vector_y",
    "default_F",
    "water",
]


@pytest.mark.parametrize("name", SAMPLE)
def test_gradient_of_the_c_program(name, c_binary, tmp_path):
    record, plot = gradients.audit(name, BASE, c_binary, tmp_path)
    assert record["reason"] is None and record["status"] == "pass"
    assert record["torch_gradient_norm"] == pytest.approx(record["c_gradient_norm"], rel=1e-6)
    assert record["torch_gradient_norm"] > 0 and record["best_agreement"]["error_of_peak"] <= 1e-6
    assert record["fitted_slope"] is None or 1.8 < record["fitted_slope"] < 2.2
    assert record["blame"]["keys_compared"] > 0 and record["blame"]["root_keys"] == []
    assert plot.startswith(b"\x89PNG")
    json.dumps(record, allow_nan=False)


@needs_compiler
@pytest.mark.parametrize("name", ["distance", "cell_b"])
def test_compiled_gradient_of_the_c_program(name, c_binary, tmp_path, compiled_code, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    with code_of("compiled"):
        record, _ = gradients.audit(name, BASE, c_binary, tmp_path)
    assert record["torch_derivative"].startswith("tiles, compiled: ")
    assert record["reason"] is None and record["best_agreement"]["error_of_peak"] <= 1e-7


class ShortBackward(torch.autograd.Function):
    """The same value with a share of its derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, share):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.share = inputs[1]

    @staticmethod
    def backward(ctx, gradient):
        return ctx.share * gradient, None


def short(share=0.9):
    return lambda value: ShortBackward.apply(value, share)


def changed(stage: str, change):
    """Hooks that change what one stage returns."""
    return lambda name, value, place: change(value) if name == stage else value


WRONG = {  # the value, a parameter that moves it, the stage to blame, and the first traced key that is off
    "fluence": ("fluence_photons_per_m2", "fluence", "sources", "fluence_photons_per_m2"),
    "reciprocal cell": ("reciprocal_per_A", "cell_b", "crystal", "rot_b_star_A_inv"),
    "turned cell": ("real_m", "misset_y", "crystal", "rot_a_angstroms"),
    "spindle": ("phi_rad", "phi_start", "crystal", "TRACE_PHI.phi_deg"),
    "omega": ("omega_sr", "distance", "detector", "omega_pixel_sr"),
    "capture": ("captured", "attenuation_length", "detector", "capture_fraction"),
    "scattering vector": ("q_per_m", "distance", "scattering", "scattering_vec_A_inv"),
    "indices": ("hkl", "misset_y", "scattering", "hkl_frac"),
    "interference": ("interference", "misset_y", "lattice", "F_latt_a"),
    "lattice factor": ("F_latt", "cell_b", "lattice", "F_latt"),
    "amplitude": ("F_cell", "default_F", "structure_factor", "F_cell"),
    "polarization": ("kahn_factor", "distance", "polarization", "polar"),
    "term": ("intensity", "misset_y", "scaling", "term.value"),
    "sum": ("I_before_scaling", "misset_y", "scaling", "I_before_scaling"),
    "photons": ("photons", "fluence", "scaling", "I_pixel_final"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_stage_with_a_wrong_backward_is_named(fault, c_binary, tmp_path):
    value, name, stage, key = WRONG[fault]
    case = prepare(parameter(name), BASE, CProgram(c_binary), tmp_path)
    step = 1e-3 * case.start
    assert blame(case, PIXEL, step).stages == () and first_at_fault(case, PIXEL, step) is None
    named = blame(replace(case, hooks=changed(value, short())), PIXEL, step).record()
    assert named["stages_to_blame"] == [stage] and named["first_value_at_fault"]["value"] == value
    root = named["root_keys"][0]
    assert root["key"] == key and root["torch"] == pytest.approx(0.9 * root["c"], rel=5e-3)  # of differences


def test_a_wrong_backward_was_tried_in_every_stage():
    computed = {key.stage for key in registry().values() if key.kind in ("number", "vector", "matrix")}
    assert {stage for _, _, stage, _ in WRONG.values()} == computed


UNSEEN = {  # of a source or a domain whose way to its reflection no trace prints
    "wavelength": ("wavelength_m", "source_wavelength", "sources"),
    "scattering vector": ("q_per_m", "source_wavelength", "scattering"),
    "tilt": ("real_m", "mosaic_spread", "crystal"),
    "indices": ("hkl", "mosaic_spread", "scattering"),
    "lattice factor": ("F_latt", "mosaic_spread", "lattice"),
}


@pytest.mark.parametrize("fault", UNSEEN)
def test_a_stage_that_no_trace_prints_is_named(fault, c_binary, tmp_path):
    """The first key that differs is the lattice factor of a term in each case; the blamed stage is that of the wrong
    value.
    """
    value, name, stage = UNSEEN[fault]
    case = prepare(parameter(name), BASE, CProgram(c_binary), tmp_path)
    step = 1e-3 * case.start
    assert first_at_fault(case, PIXEL, step) is None
    blamed = blame(replace(case, hooks=changed(value, short())), PIXEL, step)
    assert blamed.root_keys[0] == "term.F_latt"
    assert blamed.stages == (stage,) and blamed.first.name == value


def test_a_fault_that_is_just_large_enough_to_fail_has_a_stage(c_binary, tmp_path):
    record, _ = gradients.audit("misset_y", BASE, c_binary, tmp_path, changed("interference", short(1 - 4e-6)))
    assert record["status"] == "fail" and record["blame"]["stages_to_blame"] == ["lattice"]


def test_a_wrong_way_to_the_derivative_of_the_image_is_named(c_binary, tmp_path, monkeypatch):
    """Each stage is right, but the derivative that is assembled from the tiles is wrong."""
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 200)
    right = checkpointing.slopes_of
    monkeypatch.setattr(checkpointing, "slopes_of", lambda *call: [0.9 * slope for slope in right(*call)])
    record, _ = gradients.audit("fluence", BASE, c_binary, tmp_path)
    assert record["status"] == "fail"
    (stage,) = record["blame"]["stages_to_blame"]
    assert stage.startswith("image (tiles, eager: ")


def test_wrong_backward_fails_the_audit(c_binary, tmp_path):
    record, _ = gradients.audit("distance", BASE, c_binary, tmp_path, changed("omega_sr", short()))
    assert record["status"] == "fail" and record["blame"]["stages_to_blame"] == ["detector"]


def test_cut_gradient_fails(c_binary, tmp_path):
    record, _ = gradients.audit("distance", BASE, c_binary, tmp_path, changed("omega_sr", torch.Tensor.detach))
    assert record["status"] == "fail" and "best agreement" in record["reason"]


def test_parameter_that_does_not_move_the_image_fails(c_binary, tmp_path):
    """A check without reflections does not pass: there is no gradient to check."""
    (tmp_path / "far.hkl").write_text("90 90 90 1\n")
    dark = [*BASE, "-hkl", str(tmp_path / "far.hkl"), "-default_F", "0"]
    record, _ = gradients.audit("fluence", dark, c_binary, tmp_path)
    assert record["status"] == "fail" and "does not move the image" in record["reason"]
    assert record["torch_gradient_norm"] == 0


def test_pixels_that_pass_to_another_reflection_are_counted(c_binary, tmp_path):
    """With different amplitudes the image jumps there; the report names the pixels that are left out at those steps."""
    rng = np.random.default_rng(5)
    rows = [f"{h} {k} {l} {rng.uniform(10, 90)!r}" for h in range(-9, 10) for k in range(-9, 10) for l in range(-9, 10)]
    (tmp_path / "some.hkl").write_text("\n".join(rows).replace("np.float64(", "").replace(")", ""))
    flags = [*BASE, "-detpixels", "14", "-pixel", "3", "-hkl", str(tmp_path / "some.hkl"), "-nointerpolate"]
    swept = sweep(prepare(parameter("misset_z"), flags, CProgram(c_binary), tmp_path))
    assert swept.failure is None
    counts = [point.pixels_excluded for point in swept.points]
    assert counts[0] > 0 and counts[-1] == 0 and counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("name", ["misset_z", "mosaic_spread"])
def test_interpolated_amplitudes_leave_next_to_no_pixel_out(name, c_binary, tmp_path):
    """A pixel that moves to another cell of the table is counted at a step that is small enough."""
    rng = np.random.default_rng(5)
    rows = [f"{h} {k} {l} {float(rng.uniform(10, 90))!r}" for h, k, l in np.array(list(np.ndindex(23, 23, 23))) - 11]
    (tmp_path / "some.hkl").write_text("\n".join(rows))
    flags = [*BASE, "-detpixels", "9", "-mosaic", "0.2", "-hkl", str(tmp_path / "some.hkl"), "-interpolate"]
    swept = sweep(prepare(parameter(name), flags, CProgram(c_binary), tmp_path))
    assert swept.failure is None and swept.best.error < 1e-8
    assert swept.points[0].pixels_excluded > 8 and swept.best.pixels_excluded <= 1  # of 81
    assert 1.9 < swept.slope < 2.1


def test_slope_is_that_of_the_part_above_rounding():
    def points(errors):
        return [Point(0.5**n, error, 0) for n, error in enumerate(errors)]

    rounding = [1e-11 * 2**n for n in range(14)]
    for power in (1, 2, 4):
        slope, count = fitted_slope(points([1e-3 * 0.5 ** (power * n) + rounding[n] for n in range(14)]))
        assert slope == pytest.approx(power, abs=0.02) and count >= 3
    assert fitted_slope(points(rounding)) == (None, 0)


def test_command_line(c_binary, tmp_path, capsys):
    folder = tmp_path / "out"
    run = ["run", "--binary", str(c_binary), "--config", "gradients", "--out", str(folder), "--parameter", "fluence"]
    assert run_command(gradients.main, run) == 0
    assert {path.name for path in folder.iterdir()} == {"fluence.json", "fluence.png", "gradients.json"}
    assert run_command(gradients.main, ["check", str(folder / "gradients.json")]) == 0
    summary = json.loads((folder / "gradients.json").read_text())
    summary["parameters"][0]["status"] = "fail"
    (folder / "gradients.json").write_text(json.dumps(summary))
    capsys.readouterr()
    assert run_command(gradients.main, ["check", str(folder / "gradients.json")]) == 1
    assert "gradients: 0 of 1 gradients pass\nfail fluence" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--parameter", "distnace"], "did you mean: distance"),
        (["--parameter", "N_a"], "the C program takes no such real number"),
        (["--binary", "no/such"], "reference binary no/such: no such file"),
        (["--config", "nosuch"], "scenario 'nosuch'"),
    ],
)
def test_refused_in_one_line(flags, said, c_binary, tmp_path, capsys):
    run = ["run", "--binary", str(c_binary), "--config", "gradients", "--out", str(tmp_path / "out"), *flags]
    assert run_command(gradients.main, run) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_all_parameters_with_a_flag_are_audited_by_default():
    assert gradients.audited_parameters([]) == [name for name, row in parameters().items() if row.flags]
