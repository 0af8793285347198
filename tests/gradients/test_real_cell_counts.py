"""Derivatives by the numbers of cells against the C program: its lattice factor takes real ones, its flags do not."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace

import pytest

from nanobrag_torch.gradients import parameter
from nanobrag_torch.parameters import number
from tests.c_program import REPOSITORY, SOURCES
from tests.gradients.test_against_c import BASE, PIXEL, changed, short
from trace_audit.derivatives.gradient_blame import blame
from trace_audit.derivatives.gradient_case import CProgram, prepare
from trace_audit.derivatives.gradient_sweep import sweep

WORD = "-real_cells"  # of these tests alone


@dataclass(frozen=True)
class RealCells(CProgram):
    """The C program with real numbers of cells, which are passed beside its command line."""

    def run(self, arguments, folder):
        if WORD not in arguments:
            return super().run(arguments, folder)
        position = arguments.index(WORD)
        (folder / "real_cells.txt").write_text(" ".join(arguments[position + 1 : position + 4]))
        return super().run([*arguments[:position], *arguments[position + 4 :]], folder)


@pytest.fixture(scope="module")
def real_cells(build_folder, tmp_path_factory):
    binary = tmp_path_factory.mktemp("real") / "nanobragg_real_cells"
    objects = sorted((build_folder / "nanobragg.objects").rglob("*.o"))
    wrapped = REPOSITORY / "tests" / "gradients" / "real_cells.c"
    command = ["gcc", "-std=c11", "-fopenmp", f"-I{SOURCES}", wrapped, *objects, "-Wl,--wrap=lattice_of", "-lm"]
    subprocess.run([*command, "-o", binary], check=True, timeout=120)
    return RealCells(binary)


def case(axis, arguments, program, folder):
    def flags(experiment, folder):
        return [WORD, *(repr(float(number(count))) for count in experiment.crystal.n_cells)]

    return prepare(replace(parameter(f"N_{axis}"), flags=flags), arguments, program, folder)


def at(started, count):
    """The same parameter at a number of cells that is not whole."""
    experiment = started.parameter.put(started.experiment, count)
    return replace(started, experiment=experiment, start=count)


@pytest.mark.parametrize(
    ("axis", "shape", "count"),
    [("a", "", 5.0), ("a", "", 4.7), ("b", "", 4.0), ("c", "-round_xtal", 3.0), ("b", "-gauss_xtal", 3.6)],
)
def test_derivative_by_a_number_of_cells(axis, shape, count, real_cells, tmp_path):
    flags = [*BASE, *shape.split(), "-nointerpolate"]
    swept = sweep(at(case(axis, flags, real_cells, tmp_path), count), steps=10)
    assert swept.failure is None and swept.best.error < 1e-7
    assert swept.best.pixels_excluded == 0


def test_a_wrong_derivative_by_a_number_of_cells_is_named(real_cells, tmp_path):
    started = case("a", [*BASE, "-nointerpolate"], real_cells, tmp_path)
    assert blame(started, PIXEL, 1e-3).stages == ()
    wrong = blame(replace(started, hooks=changed("interference", short())), PIXEL, 1e-3)
    assert wrong.stages == ("lattice",) and wrong.root_keys[0] == "F_latt_a"
