"""Packages of compiled programs: damaged ones, builds that fail, what is not compiled, and what a key depends on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled import cache, selection
from nanobrag_torch.backends.compiled.programs import PROGRAMS, bare_model
from nanobrag_torch.cli.compile_ahead import main as build_command
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.simulator import Simulation, simulate
from tests.physics.helpers import small

BASE = small()


@pytest.mark.parametrize("damage", ["{", "[]", '{"key": 1, "sha256": ""}'])
def test_a_damaged_record_is_a_broken_package(damage, tmp_path):
    model = Simulation(BASE).model
    program = PROGRAMS["factors"]
    package = cache.package_path(tmp_path, cache.key_of(program, model))
    package.write_bytes(b"")
    package.with_suffix(".json").write_text(damage)
    with pytest.raises(cache.BrokenPackage):
        cache.find(program, model, tmp_path)


def test_a_package_without_its_compiler_is_eager_with_a_notice(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path / "none"))
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    simulation = Simulation(BASE)
    simulation.image()
    assert "install gcc" in capfd.readouterr().err
    assert isinstance(simulation.backend(), eager.EagerBackend)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["list", "--device", "cuda:99"], "-device cuda:99: no such device here"),
        (["list", "--device", "gpu"], "-device is 'gpu', expected cpu, cuda, cuda:N, mps or auto"),
        (["list", "--", "-bogus"], "unknown flag -bogus"),
        (["list", "--", "-cell", "50", "60", "70", "90", "90", "90"], "no structure factors"),
    ],
)
def test_build_command_refuses_what_the_simulator_refuses(flags, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path))
    assert build_command(flags) == 2
    said = capsys.readouterr()
    assert said.out == "" and complaint in said.err and len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    "error", [ImportError("no compiler of torch"), RuntimeError("two\nlines"), AssertionError("x")]
)
def test_a_build_that_fails_is_eager_with_a_notice(error, tmp_path, monkeypatch, capfd):
    def fail(*_):
        raise error

    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path))
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(cache, "build", fail)
    simulation = Simulation(BASE)
    simulation.image()
    said = capfd.readouterr().err.splitlines()
    assert said[-1] == f"nanobrag_torch: compiled code is not used: {' '.join(str(error).split())}" and len(said) == 2
    assert isinstance(simulation.backend(), eager.EagerBackend)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_small_work_stays_eager_and_quiet(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path))
    monkeypatch.delenv(selection.MODE_VARIABLE, raising=False)
    simulation = Simulation(BASE)
    simulation.image()
    assert isinstance(simulation.backend(), eager.EagerBackend)
    assert capfd.readouterr().err == "" and not list(tmp_path.iterdir())


def test_an_unknown_mode_is_refused_by_name(monkeypatch):
    monkeypatch.setenv(selection.MODE_VARIABLE, "perhaps")
    with pytest.raises(ExperimentError, match="NANOBRAG_TORCH_COMPILE=perhaps: expected one of auto, always, never"):
        simulate(BASE)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_key_depends_on_settings_types_and_kernel(program, monkeypatch):
    model = Simulation(BASE).model
    key = cache.key_of(program, model)
    assert key == cache.key_of(program, Simulation(BASE).model)
    moved = replace(BASE, detector=replace(BASE.detector, distance_m=0.2))
    assert key == cache.key_of(program, Simulation(moved).model), "numbers are no part of it"
    monkeypatch.setattr(cache, "kernel_sha256", lambda: "another")
    assert key != cache.key_of(program, model)
    assert json.loads(json.dumps(key)) == key


def test_a_program_sees_nothing_it_has_not_declared():
    model = Simulation(BASE).model
    program = PROGRAMS["scattered"]
    bare = bare_model(model, program, program.inputs(model))
    assert bare.fluence_photons_per_m2 is None and bare.kahn is None
    assert bare.real_m is not None and bare.shape == model.shape


def test_a_program_that_was_found_is_not_read_again(tmp_path, monkeypatch):
    """Neither its record nor its code, as long as the system says that both files are as they were."""
    program, model = PROGRAMS["photons"], Simulation(BASE).model
    package = cache.keep(program, model, tmp_path)
    assert cache.find(program, model, tmp_path) == package
    built = cache.about(package)
    read = []
    monkeypatch.setattr(cache, "open_own", lambda path, real=cache.open_own: read.append(path) or real(path))
    moved = Simulation(replace(BASE, crystal=replace(BASE.crystal, misset_deg=(1.0, 2.0, 3.0)))).model
    assert cache.find(program, moved, tmp_path) == package and cache.about(package) == built and read == []
    record = package.with_suffix(".json")
    record.write_text(record.read_text().replace("sha256", "sha257"))
    with pytest.raises(cache.BrokenPackage):
        cache.about(package)
    with pytest.raises(cache.BrokenPackage):
        cache.find(program, model, tmp_path)
