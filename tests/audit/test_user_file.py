"""A user's own structure factors become the hkl text of both programs."""

import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import gemmi
import numpy as np
import pytest
import yaml

from trace_audit.config.scenario import load_scenario
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import sha256_of_file
from trace_audit.inputs.hkl_text import main
from trace_audit.inputs.user_file import convert_user_file
from trace_audit.report.__main__ import main as report
from trace_audit.report.table import main as verdicts
from trace_audit.trail.hash_chain import load

from .test_ledger import make_audit, record_attempt
from .test_scenario import MINIMAL

FIELD = Path(__file__).resolve().parents[1] / "field" / "files"
SCRIPT = Path(__file__).resolve().parents[2] / "workflow/scripts/structure_factors.py"


def structure_factors(job):
    spec = importlib.util.spec_from_file_location("structure_factors", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(job)


@pytest.fixture
def scenario(tmp_path):
    data = {**MINIMAL, "structure_factors": {"file": "F.mtz"}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data))
    return load_scenario("tiny", tmp_path)


def write_mtz(path):
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 2")
    mtz.set_cell_for_all(gemmi.UnitCell(50, 60, 70, 90, 90, 90))
    mtz.add_dataset("test")
    mtz.add_column("F", "F")
    mtz.set_data(np.array([[1, 2, 3, 10.5], [0, 4, 0, 20.25]], dtype=np.float32))
    mtz.write_to_file(str(path))


def table(path):
    rows = [line.split() for line in path.read_text().splitlines()]
    return {tuple(map(int, row[:3])): float(row[3]) for row in rows}


def test_mtz_is_expanded_to_P1_with_friedel_mates(scenario, tmp_path):
    write_mtz(tmp_path / "F.mtz")
    convert_user_file(scenario, tmp_path / "F.mtz", tmp_path / "out.hkl")
    expected = {(1, 2, 3): 10.5, (-1, 2, -3): 10.5, (-1, -2, -3): 10.5, (1, -2, 3): 10.5}
    assert table(tmp_path / "out.hkl") == {**expected, (0, 4, 0): 20.25, (0, -4, 0): 20.25}


def test_file_named_by_the_scenario_is_found_beside_it(scenario, tmp_path, capsys):
    write_mtz(tmp_path / "F.mtz")
    arguments = ["--scenario", "tiny", "--scenario-dir", str(tmp_path), "--out", str(tmp_path / "out.hkl")]
    assert run_command(main, arguments) == 0
    assert len(table(tmp_path / "out.hkl")) == 6
    assert "column F (amplitudes); 2 rows, 2 reflections, 6 in P1" in capsys.readouterr().err


def test_what_was_taken_stands_in_the_record_the_table_and_the_report(scenario, tmp_path, capsys):
    """The job of the workflow, then the jobs that read its output."""
    shutil.copy(FIELD / "mad_interleaved.mtz", tmp_path / "F.mtz")
    job = SimpleNamespace(
        input=SimpleNamespace(scenario=tmp_path / "tiny.yaml", file=[tmp_path / "F.mtz"]),
        output=SimpleNamespace(hkl=tmp_path / "tiny.hkl", taken=tmp_path / "tiny.taken.json"),
        params=SimpleNamespace(column="F_in"),
    )
    structure_factors(job)
    said = capsys.readouterr().out.splitlines()
    assert "column F_in(+) F_in(-)" in said[0] and "means of F_in(+) F_in(-)" in said[1]
    taken = json.loads(job.output.taken.read_text())
    assert [taken["line"], *taken["remarks"]] == said and taken["file_sha256"] == sha256_of_file(tmp_path / "F.mtz")
    counts = ("rows", "reflections", "merged_from", "missing", "negative", "left_out", "not_taken", "block", "column")
    assert set(counts) <= set(taken)
    audit = make_audit(tmp_path / "results")
    assert record_attempt(tmp_path / "results", audit, "--taken", job.output.taken) == 0
    assert load(tmp_path / "results/audit/ledger")[-1].record["structure_factors"] == taken
    comparison = str(audit / "compare_scaling_traces.json")
    capsys.readouterr()
    assert run_command(verdicts, [comparison, "--taken", str(job.output.taken)]) == 0
    assert capsys.readouterr().out.splitlines()[-3::2] == said
    assert run_command(report, ["--results", str(tmp_path / "results")]) == 0
    page = (tmp_path / "results/report/index.html").read_text()
    assert all(re.sub("<[^>]*>", "", page).count(line) == 2 for line in said)


def test_rows_of_one_reflection_are_counted_when_they_are_merged(scenario, tmp_path):
    made = convert_user_file(scenario, FIELD / "pdb_F.cif", tmp_path / "out.hkl")
    assert made.taken.merged_from is None
    lines = (FIELD / "pdb_F.cif").read_text().splitlines()
    index = next(i for i, line in reversed(list(enumerate(lines))) if len(re.findall(r"-?\d+", line)) > 3)
    (tmp_path / "twice.cif").write_text("\n".join([*lines[: index + 1], *lines[index:]]) + "\n")
    made = convert_user_file(scenario, tmp_path / "twice.cif", tmp_path / "out.hkl")
    assert made.taken.merged_from == made.taken.reflections + 1 and "(merged from " in made.lines[0]


def test_hkl_text_passes_through_with_all_its_digits(scenario, tmp_path):
    (tmp_path / "F.hkl").write_text("# comment\n1 2 3 190.2712345\n-1 0 0 3\n")
    convert_user_file(scenario, tmp_path / "F.hkl", tmp_path / "out.hkl")
    assert table(tmp_path / "out.hkl") == {(1, 2, 3): 190.2712345, (-1, 0, 0): 3.0}


def test_atom_model_is_calculated_to_the_corner_of_the_detector(scenario, tmp_path):
    structure = gemmi.Structure()
    structure.cell, structure.spacegroup_hm = gemmi.UnitCell(50, 60, 70, 90, 90, 90), "P 1"
    atom, residue, chain, model = gemmi.Atom(), gemmi.Residue(), gemmi.Chain("A"), gemmi.Model(1)
    atom.name, atom.element, atom.pos, atom.b_iso = "S", gemmi.Element("S"), gemmi.Position(1, 2, 3), 20.0
    residue.name, residue.seqid = "UNK", gemmi.SeqId("1")
    residue.add_atom(atom)
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.write_pdb(str(tmp_path / "model.pdb"))
    data = {**MINIMAL, "structure_factors": {"file": "model.pdb", "d_min_A": 10.0}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data))
    convert_user_file(load_scenario("tiny", tmp_path), tmp_path / "model.pdb", tmp_path / "out.hkl")
    amplitudes = table(tmp_path / "out.hkl")
    assert 860 < len(amplitudes) < 900 and max(map(abs, max(amplitudes))) <= 7
    assert amplitudes[1, 0, 0] == pytest.approx(15.9, abs=0.3), "16 electrons near the origin of reciprocal space"


def test_unreadable_files_are_refused_and_nothing_is_written(scenario, tmp_path):
    (tmp_path / "bad.hkl").write_text("1 2 3\n")
    for name in ("bad.hkl", "none.mtz"):
        with pytest.raises(InputError, match=name):
            convert_user_file(scenario, tmp_path / name, tmp_path / "out.hkl")
    assert not (tmp_path / "out.hkl").exists()
