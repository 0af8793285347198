"""MTZ, mmCIF and atom models through gemmi, expanded to P1."""

import gemmi
import numpy as np
import pytest

from nanobrag_torch.cli import UsageError, parse
from nanobrag_torch.io.reading import ReaderError
from nanobrag_torch.io.reflections import read_reflections
from nanobrag_torch.io.symmetry import expand_to_P1

CELL = (30.0, 35.0, 40.0, 90.0, 105.0, 90.0)


def make_mtz(columns=(("F", "F"),), group="P 1 21 1", d_min=4.0):
    """Unique reflections with made-up values that depend on the indices alone."""
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.find_spacegroup_by_name(group)
    mtz.set_cell_for_all(gemmi.UnitCell(*CELL))
    mtz.add_dataset("made")
    hkl = gemmi.make_miller_array(mtz.cell, mtz.spacegroup, d_min)
    values = [10.0 + np.abs(hkl @ [1, 3, 7]) + number for number in range(len(columns))]
    for label, kind in columns:
        mtz.add_column(label, kind)
    mtz.set_data(np.column_stack([hkl, *values]).astype(np.float32))
    return mtz


def as_dict(reflections):
    return {tuple(hkl): F for hkl, F in zip(reflections.hkl.tolist(), reflections.F_electrons.tolist(), strict=True)}


@pytest.mark.parametrize("group", ["P 1", "P 1 21 1", "P 21 21 21", "P 31 2 1", "I 4 2 2"])
def test_expansion_is_gemmis(group, tmp_path):
    """gemmi expands to P1 without Friedel mates; ours has both of each pair."""
    mtz = make_mtz(group=group)
    mtz.write_to_file(str(tmp_path / "x.mtz"))
    ours = as_dict(read_reflections(tmp_path / "x.mtz").reflections)
    mtz.expand_to_p1()
    theirs = {tuple(hkl): F for hkl, F in zip(mtz.make_miller_array().tolist(), mtz.array[:, 3].tolist(), strict=True)}
    with_mates = theirs | {tuple(-index for index in hkl): F for hkl, F in theirs.items()}
    assert ours == with_mates


def test_columns(tmp_path):
    path = tmp_path / "x.mtz"
    make_mtz([("FC", "F"), ("FP", "F")]).write_to_file(str(path))
    reflections = read_reflections(path)
    assert reflections.cell == pytest.approx(CELL)
    assert "column FP (amplitudes)" in reflections.taken.line()
    assert "not taken: FC (calculated amplitudes)" in reflections.taken.line()
    assert as_dict(reflections.reflections)[0, 0, 5] == 10 + 35 + 1
    make_mtz([("I", "J")]).write_to_file(str(path))
    reflections = read_reflections(path)
    assert (
        as_dict(reflections.reflections)[0, 0, 5] == pytest.approx(45**0.5) and "intensities" in reflections.notices[0]
    )
    make_mtz([("F(+)", "G"), ("F(-)", "G")]).write_to_file(str(path))
    reflections = read_reflections(path)
    assert as_dict(reflections.reflections)[0, 0, 5] == 45.5 and "anomalous" in reflections.notices[0]
    make_mtz([("PHI", "P")]).write_to_file(str(path))
    with pytest.raises(ReaderError, match="has the columns PHI, expected amplitudes"):
        read_reflections(path)


def test_missing_amplitudes_are_left_out(tmp_path):
    mtz = make_mtz(group="P 1")
    data = mtz.array.copy()
    data[0, 3] = np.nan
    mtz.set_data(data)
    mtz.write_to_file(str(tmp_path / "x.mtz"))
    reflections = read_reflections(tmp_path / "x.mtz")
    assert tuple(data[0, :3].astype(int)) not in as_dict(reflections.reflections)
    assert reflections.taken.missing == 1 and "1 without a value left out" in reflections.taken.line()


def test_mmcif_structure_factors(tmp_path):
    rows = "".join(f"{h} {k} {l} {F}\n" for h, k, l, F in [(1, 2, 3, 10.5), (0, 2, 0, 20), (-1, 0, 4, 30)])
    text = (
        "data_x\n_cell.length_a 30\n_cell.length_b 35\n_cell.length_c 40\n_cell.angle_alpha 90\n_cell.angle_beta 105\n"
        "_cell.angle_gamma 90\n_symmetry.space_group_name_H-M 'P 1 21 1'\nloop_\n_refln.index_h\n_refln.index_k\n"
        f"_refln.index_l\n_refln.F_meas_au\n{rows}"
    )
    (tmp_path / "x.cif").write_text(text)
    reflections = read_reflections(tmp_path / "x.cif")
    values = as_dict(reflections.reflections)
    assert reflections.cell == CELL
    for mate in ((1, 2, 3), (-1, 2, -3), (-1, -2, -3), (1, -2, 3)):
        assert values[mate] == 10.5


def model(group="P 1 21 1"):
    structure = gemmi.Structure()
    structure.cell, structure.spacegroup_hm = gemmi.UnitCell(*CELL), group
    residue = gemmi.Residue()
    residue.name, residue.seqid = "ALA", gemmi.SeqId("1")
    rng = np.random.default_rng(4)
    for element, position in zip(["C", "N", "O", "S", "Fe"], rng.random((5, 3)), strict=True):
        atom = gemmi.Atom()
        atom.name, atom.element, atom.b_iso = element, gemmi.Element(element), 25.0
        atom.pos = structure.cell.orthogonalize(gemmi.Fractional(*position))
        residue.add_atom(atom)
    chain = gemmi.Chain("A")
    chain.add_residue(residue)
    structure.add_model(gemmi.Model(1))
    structure[0].add_chain(chain)
    structure.setup_entities()
    return structure


@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_model_amplitudes_are_the_direct_sum(suffix, tmp_path):
    structure, path = model(), tmp_path / f"m.{suffix}"
    if suffix == "pdb":
        structure.write_pdb(str(path))
    else:
        structure.make_mmcif_document().write_file(str(path))
    reflections = read_reflections(path, lambda: 2.5)
    again = gemmi.read_structure(str(path))
    again.setup_cell_images()
    direct = gemmi.StructureFactorCalculatorX(again.cell)
    values = as_dict(reflections.reflections)
    largest = max(values.values())
    assert len(values) > 2000 and largest > 20
    for hkl in list(values)[::37]:
        assert values[hkl] == pytest.approx(abs(direct.calculate_sf_from_model(again[0], hkl)), abs=2e-3 * largest)
        assert values[hkl] == values[tuple(-index for index in hkl)]
    with pytest.raises(ReaderError, match="a resolution is needed"):
        read_reflections(path)


def test_command_line_takes_cell_and_resolution_from_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model().write_pdb("m.pdb")
    flags = ["-hkl", "m.pdb", "-detpixels", "100", "-pixel", "1", "-distance", "100", "-lambda", "2"]
    invocation = parse(flags)
    table = invocation.experiment.structure_factors.table
    assert invocation.experiment.crystal.cell_lengths_A == CELL[:3]
    assert any("unit cell is that of m.pdb" in line for line in invocation.taken)
    corner = 2.0 / (2 * np.sin(np.arctan(np.hypot(50, 50) / 100) / 2))
    reach = table.F_electrons.shape[1] // 2
    assert 35.0 / corner - 1 <= reach <= 35.0 / corner * 1.05 + 1
    coarse = parse([*flags, "-dmin", "6"]).experiment.structure_factors.table
    assert coarse.F_electrons.shape[1] // 2 == 35 // 6
    assert parse([*flags, "-cell", "31", "36", "41"]).experiment.crystal.cell_lengths_A == (31, 36, 41)


def test_every_mate_once():
    group = gemmi.find_spacegroup_by_name("P 2 2 2").operations()
    expanded = expand_to_P1(np.array([[1, 2, 3], [0, 0, 4]]), np.array([5.0, 6.0]), group)
    assert len(expanded.hkl) == 10 and len(np.unique(expanded.hkl, axis=0)) == 10


SMALL_MODEL = """\
CRYST1   20.000   21.000{c}  90.00  90.00{gamma} P 1 21 1
HETATM    1  N   ALA A   1       0.000   0.000   1.000  1.00 20.00           N
HETATM    2  S   ALA A   1       3.000{y}   1.000  1.00{B_A2}           S
END
"""
USUAL = {"c": "   22.000", "gamma": "  90.00", "y": "   6.000", "B_A2": " 20.00"}


@pytest.mark.parametrize(
    "odd",
    [
        *({"c": c} for c in ("    0.000", "   -9.000", "    0.001", "      nan", " 9999999.")),
        *({"gamma": gamma} for gamma in (" 180.00", " 179.99", "   0.00", "   0.01")),
        *({"y": y} for y in ("9999999.", "-999999.")),
        *({"B_A2": B_A2} for B_A2 in ("99999.", "-9999.")),
    ],
    ids=str,
)
def test_atom_models_without_bound_are_refused_at_once(odd, tmp_path):
    (tmp_path / "usual.pdb").write_text(SMALL_MODEL.format(**USUAL))
    assert len(read_reflections(tmp_path / "usual.pdb", lambda: 4.0).reflections.hkl) > 100
    (tmp_path / "m.pdb").write_text(SMALL_MODEL.format(**(USUAL | odd)))
    with pytest.raises(ReaderError, match=r"m.pdb: has (the unit cell|atom S|no unit cell)"):
        read_reflections(tmp_path / "m.pdb", lambda: 4.0)


def test_a_label_that_is_not_utf8_is_refused(tmp_path):
    make_mtz().write_to_file(str(tmp_path / "x.mtz"))
    data = (tmp_path / "x.mtz").read_bytes()
    assert data.count(b"COLUMN F ") == 1
    (tmp_path / "x.mtz").write_bytes(data.replace(b"COLUMN F ", b"COLUMN \x8f "))
    with pytest.raises(ReaderError, match="x.mtz: is no MTZ file"):
        read_reflections(tmp_path / "x.mtz")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.mtz", b"MTZ nonsense" + bytes(100)),
        ("x.mtz", b""),
        ("x.cif", b"data_x\n_a.b 1\n"),
        ("x.cif", b"loop_ broken"),
        ("x.cif", b""),
        ("x.cif", b"data_x\nloop_\n_refln.index_h\n_refln.index_k\n_refln.index_l\n1 2 3\n"),
        ("x.pdb", b"nothing here\n"),
        ("x.pdb", b"ATOM      1  CA  ALA A   1      11.104   6.134  -6.504  1.00  0.00           C\n"),
    ],
)
def test_bad_files_are_refused_by_name(name, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=f"^-hkl {name}: .*") as error:
        parse(["-cell", "50", "-hkl", name])
    assert "\n" not in str(error.value)
