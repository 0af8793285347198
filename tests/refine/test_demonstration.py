"""The demonstration: the C program simulates from hidden values, and the refinement finds them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from nanobrag_torch.cli import parse
from nanobrag_torch.gradients import parameter
from nanobrag_torch.refine import Config, ImageFile, refine
from nanobrag_torch.refine.__main__ import main
from nanobrag_torch.refine.summary import record
from tests.refine.test_refine import TRUE, noisy  # noqa: F401 - a fixture
from trace_audit.core.errors import InputError, run_command
from trace_audit.derivatives import refinement as demonstration

REPOSITORY = Path(__file__).resolve().parents[2]


def test_demonstration_recovers_hidden_values(c_binary, tmp_path):
    """The shipped one, each parameter within three sigma of what the C program was told."""
    images, result = tmp_path / "images", tmp_path / "result"
    make = [
        "simulate",
        "--binary",
        str(c_binary),
        "--config",
        str(REPOSITORY / "config/refinements/demo.yaml"),
        "--out",
        str(images),
    ]
    assert run_command(demonstration.main, make) == 0
    truth = json.loads((images / "truth.json").read_text())
    told = (images / "refinement.yaml").read_text()
    start = parse(yaml.safe_load(told)["flags"].replace("refinement.hkl", str(images / "refinement.hkl")).split())
    wrong = {
        name: start_value(start.experiment, name) - truth["values"][name] for name in truth["values"] if name != "scale"
    }
    tilt_deg = np.linalg.norm([wrong[f"misset_{axis}"] for axis in "xyz"])
    assert tilt_deg >= 0.2 and abs(wrong["distance"]) >= 0.003 * 50 - 1e-9
    assert all(abs(wrong[f"cell_{axis}"]) >= 0.005 * truth["values"][f"cell_{axis}"] - 1e-9 for axis in "abc")
    assert main([str(images / "refinement.yaml"), "--out", str(result)]) == 0
    judged = demonstration.judge(result, images / "truth.json")
    assert judged["reasons"] == [] and judged["status"] == "pass"
    assert len(judged["parameters"]) == 11 and judged["chi_square"] < 35


def start_value(experiment, name):
    return parameter(name).value(experiment)


def test_demonstration_that_misses_fails(noisy):  # noqa: F811
    config = Config(flags=TRUE, images=[ImageFile(file="noisy.f64")], parameters=["distance"], cells_factors=[1.0])
    document = record(refine(config, noisy))
    (noisy / "refinement.json").write_text(json.dumps(document))
    truth = {"values": {"distance": 51.0}, "limits": {"sigmas": 3.0, "seconds": 1e-9}}
    (noisy / "truth.json").write_text(json.dumps(truth))
    verdict = demonstration.judge(noisy, noisy / "truth.json")
    assert (
        verdict["status"] == "fail" and "distance is -" in verdict["reasons"][0] and "it took" in verdict["reasons"][1]
    )
    (noisy / "verdict.json").write_text(json.dumps(verdict))
    assert run_command(demonstration.main, ["check", str(noisy / "verdict.json")]) == 1


@pytest.mark.parametrize(("change", "said"), [({"hiden": {}}, "hiden"), ({"limits": {"sigmas": 0}}, "limits.sigmas")])
def test_bad_demonstration(change, said, tmp_path):
    content = yaml.safe_load((REPOSITORY / "config/refinements/demo.yaml").read_text())
    (tmp_path / "demo.yaml").write_text(yaml.safe_dump({**content, **change}))
    with pytest.raises(InputError, match=said):
        demonstration.load_demonstration(tmp_path / "demo.yaml")
