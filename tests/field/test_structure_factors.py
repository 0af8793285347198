"""Reflection files and atom models in common use: the right amplitudes with a message, or a refusal by name."""

import gzip
import shutil

import gemmi
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobrag_torch.cli import UsageError, parse
from nanobrag_torch.io.reading import ReaderError
from nanobrag_torch.io.reflections import read_reflections

GRID = ["-distance", "100", "-lambda", "1", "-detpixels", "24", "-pixel", "2", "-N", "2"]
CELL = ["-cell", "50", "60", "70", "90", "90", "90"]

# file -> (flags, the sum of the image, what is said on standard output, what is warned of)
TAKEN = {
    "fp_sigfp.mtz": ([], 6356.7, "column FP (amplitudes)", None),
    "hkl_last.mtz": ([], 6356.7, "column FP (amplitudes)", None),
    "valm999.mtz": ([], 5268.6, "125 without a value left out", None),
    "missing.mtz": ([], 5268.6, "125 without a value left out", None),
    "f_plus_minus.mtz": ([], 6356.7, "column F(+) F(-)", "anomalous differences are ignored"),
    "mad_interleaved.mtz": ([], 6356.7, "column F_pk(+) F_pk(-)", "means of F_pk(+) F_pk(-)"),
    "pdb_F.cif": ([], 5746.6, "block r1abcsf, column F_meas_au", None),
    "pdb_statusx.cif": ([], None, "28 of status x or - left out", None),
    "fc_and_I.mtz": ([], 6356.7, "not taken: FC (calculated amplitudes)", "roots of the intensities IMEAN"),
    "model.pdb": ([], 364.23, "4 atoms", "without solvent"),
    "ensemble.pdb": ([], 364.23, "8 atoms in 2 models", "holds 2 models, whose amplitudes are added"),
    "unk_atom.pdb": ([], 364.23, "4 atoms", "left out: 1 of element X"),
    "plain.hkl": (CELL, 4036.10, "text h k l F", None),
    "r1abcsf.ent": ([], 5746.6, "mmCIF, block r1abcsf", None),
    "r1abcsf.ent.gz": ([], 5746.6, "mmCIF, block r1abcsf", None),
    "h3.mtz": (CELL, None, "column FP", "has the unit cell 80 80 60 90 90 120, the crystal 50 60 70 90 90 90"),
    "refmac_out.mtz": ([], None, "208 without a value left out; not taken: FC", None),
    "flags_first.cif": ([], None, "column F_meas_au", "is read, not r1abcsf"),
    "sgnum.cif": ([], None, "column F_meas_au", None),
    "I_neg.mtz": ([], None, "negative intensities set to 0", "roots of the intensities IMEAN"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(torch_program, name):
    flags, total, said, warned = TAKEN[name]
    seen = torch_program("-hkl", name, *flags, *GRID)
    assert seen.sum > 0 if total is None else seen.sum == pytest.approx(total, rel=1e-4)
    (line,) = [line for line in seen.stdout.splitlines() if line.startswith("structure factors of ")]
    assert said in line and name in line
    warnings = [warning for warning in seen.warnings if name in warning]
    assert any(warned in warning for warning in warnings) if warned else not warnings


REFUSED = {
    "unmerged.mtz": ([], "is not merged (it has M/ISYM BATCH), expected one row a reflection"),
    "mtz2various_8.hkl": (CELL, "has 8 columns"),
    "sigma5.hkl": (CELL, "has 5 columns"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(torch_program, name):
    flags, culprit = REFUSED[name]
    assert culprit in torch_program("-hkl", name, *flags, *GRID).error


@pytest.mark.parametrize("name", ["mtz2various_8.hkl", "sigma5.hkl"])
def test_text_of_other_columns(program, name):
    error = program("-hkl", name, *CELL, *GRID).error
    assert " columns" in error and "expected four: h k l F; keep" in error and "awk" in error


def test_column_by_name(torch_program):
    by_name = torch_program("-hkl", "refmac_out.mtz", "-hkl_column", "FC_ALL_LS", *GRID)
    assert "column FC_ALL_LS (calculated amplitudes); 622 rows, 622 reflections" in by_name.stdout
    assert by_name.sum != pytest.approx(torch_program("-hkl", "refmac_out.mtz", *GRID).sum, rel=1e-3)
    wrong = torch_program("-hkl", "refmac_out.mtz", "-hkl_column", "F-obs", *GRID).error
    assert "has no column F-obs, expected one of: FP (amplitudes), FC (calculated amplitudes)" in wrong
    assert "of phases" in torch_program("-hkl", "refmac_out.mtz", "-hkl_column", "PHIC", *GRID).error
    from_mtz = torch_program("-hkl", "mad_interleaved.mtz", "-hkl_column", "F_in", *GRID)
    assert "column F_in(+) F_in(-)" in from_mtz.stdout
    assert "column F_in(-) (" in torch_program("-hkl", "mad_interleaved.mtz", "-hkl_column", "F_in(-)", *GRID).stdout
    assert "_refln.F_meas_au" not in torch_program("-hkl", "pdb_F.cif", "-hkl_column", "_refln.F_meas_au", *GRID).stderr
    assert "no named columns" in torch_program("-hkl", "plain.hkl", "-hkl_column", "F", *CELL, *GRID).error
    assert "no -hkl" in torch_program("-default_F", "1", "-hkl_column", "F", *CELL, *GRID).error


@pytest.mark.parametrize("name", ["fp_sigfp.mtz", "model.pdb", "plain.hkl"])
def test_content_counts_not_the_name(torch_program, here, name):
    plain = torch_program("-hkl", name, *CELL, *GRID).sum
    shutil.copy(name, "x.dat")
    with gzip.open("y", "wb") as file:
        file.write((here / name).read_bytes())
    assert torch_program("-hkl", "x.dat", *CELL, *GRID).sum == torch_program("-hkl", "y", *CELL, *GRID).sum == plain


def cif(rows: str, tags: str, symmetry: str = "_symmetry.space_group_name_H-M 'P 21 21 21'") -> str:
    cell = "".join(f"_cell.length_{axis} {length}\n_cell.angle_{angle} 90\n" for axis, length, angle in
                   (("a", 50, "alpha"), ("b", 60, "beta"), ("c", 70, "gamma")))  # fmt: skip
    loop = "loop_\n" + "".join(f"_refln.{tag}\n" for tag in ["index_h", "index_k", "index_l", *tags.split()])
    return f"data_x\n{cell}{symmetry}\n{loop}{rows}\n"


SYMMETRY = [
    "_symmetry.Int_Tables_number 19", "_space_group.IT_number 19", "_space_group.name_H-M_alt 'P 21 21 21'",
    "_space_group_name_H-M_alt 'P 21 21 21'", "_symmetry.space_group_name_Hall 'P 2ac 2ab'",
    "_symmetry.space_group_name_H-M ?\n_space_group.IT_number 19",
    "loop_\n_symmetry_equiv.pos_as_xyz\n'x,y,z'\n'-x+1/2,-y,z+1/2'\n'-x,y+1/2,-z+1/2'\n'x+1/2,-y+1/2,-z'",
]  # fmt: skip


@pytest.mark.parametrize("symmetry", SYMMETRY)
def test_symmetry_of_a_cif(here, symmetry):
    (here / "x.cif").write_text(cif("1 2 3 10.5(2)", "F_meas_au", symmetry))
    reflections = read_reflections("x.cif")
    assert (
        sorted(map(abs, reflections.reflections.hkl[0].tolist())) == [1, 2, 3] and len(reflections.reflections.hkl) == 8
    )
    assert (reflections.reflections.F_electrons == 10.5).all()


def test_observations_that_are_not_merged(here):
    (here / "x.cif").write_text(cif("1 2 3 10\n-1 -2 3 20\n1 2 4 5", "intensity_meas"))
    with pytest.raises(ReaderError, match="is not merged .3 observations of 2 reflections"):
        read_reflections("x.cif")
    (here / "x.cif").write_text(cif("1 2 3 10\n-1 -2 3 10\n1 2 4 5", "intensity_meas"))
    assert read_reflections("x.cif").taken.reflections == 2
    (here / "x.cif").write_text(cif("1 2 3 10\n-1 -2 -3 20\n1 2 4 5", "F_meas"))
    reflections = read_reflections("x.cif")
    assert 15.0 in reflections.reflections.F_electrons and "averaged" in reflections.notices[0]
    (here / "x.cif").write_text("data_x\nloop_\n_diffrn_refln.index_h\n_diffrn_refln.index_k\n1 2\n")
    with pytest.raises(ReaderError, match="not merged"):
        read_reflections("x.cif")


def test_models_of_whole_occupancy_are_averaged(torch_program, here):
    text = (here / "ensemble.pdb").read_text()
    (here / "nmr.pdb").write_text(text.replace("  0.50 1", "  1.00 1"))
    seen = torch_program("-hkl", "nmr.pdb", *GRID)
    assert seen.sum == pytest.approx(364.23, rel=1e-4) and any("averaged" in warning for warning in seen.warnings)


LABELS = [
    "FP",
    "F",
    "FC",
    "FWT",
    "I",
    "IMEAN",
    "F(+)",
    "F(-)",
    "F_pk(+)",
    "F_pk(-)",
    "I(+)",
    "I(-)",
    "Fplus",
    "PHI",
    "X",
]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from("FJGKPQIR")), max_size=5, unique_by=lambda c: c[0]),
    st.sampled_from([None, *LABELS]),
    st.permutations(range(3)),
    st.sampled_from([np.nan, -999.0]),
)
def test_any_columns_of_an_mtz_file(tmp_path_factory, columns, wanted, order, marker):
    """A column of the file, named in the message, or a refusal in one line; missing values never count."""
    path = str(tmp_path_factory.getbasetemp() / "any.mtz")
    write_mtz(path, columns, order, marker)
    flags = ["-hkl", path, *GRID] + (["-hkl_column", wanted] if wanted else [])
    try:
        invocation = parse(flags)
    except UsageError as error:
        assert path in str(error) and str(error).isprintable()
        assert not any(kind in "FJ" for _, kind in columns) or wanted
        return
    (line,) = [line for line in invocation.taken if line.startswith("structure factors")]
    taken = line.partition("column ")[2].partition(" (calculated")[0]
    assert any(label in taken for label, kind in columns if kind in "FJGK")
    assert "1 without a value left out" in line
    amplitudes = invocation.experiment.structure_factors.table.F_electrons
    assert 0 < float(amplitudes.max()) < 200 and float(amplitudes.min()) >= 0


def write_mtz(path: str, columns: list[tuple[str, str]], order: list[int], marker: float) -> None:
    """Whole numbers below 200 under each label, one row without any; the indices in any order behind the rest."""
    hkl = gemmi.make_miller_array(gemmi.UnitCell(50, 60, 70, 90, 90, 90), gemmi.SpaceGroup("P 21 21 21"), 12.0)
    mtz = gemmi.Mtz(with_base=False)
    mtz.spacegroup = gemmi.SpaceGroup("P 21 21 21")
    mtz.set_cell_for_all(gemmi.UnitCell(50, 60, 70, 90, 90, 90))
    mtz.add_dataset("made")
    mtz.valm = marker
    data = []
    for position, (label, kind) in enumerate([*columns, *(("HKL"[axis], "H") for axis in order)]):
        mtz.add_column(label, kind)
        values = (
            np.abs(hkl @ [1, 3, 7]) % 97 + 2.0 + position if kind != "H" else hkl[:, "HKL".index(label)].astype(float)
        )
        data.append(np.where((np.arange(len(hkl)) == 3) & (kind != "H"), marker, values))
    mtz.set_data(np.column_stack(data).astype(np.float32))
    mtz.write_to_file(path)


TAGS = ["F_meas_au", "F_meas", "F_calc", "intensity_meas", "pdbx_F_plus", "pdbx_I_minus", "status", "fom", "phase_calc"]
WORD = st.one_of(st.integers(1, 99).map(str), st.sampled_from(["?", ".", "o", "x", "-5", "1e3", "'a b'", "12.5(3)"]))


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_loop_of_an_mmcif_file(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.cif"
    tags = data.draw(st.lists(st.sampled_from(TAGS), max_size=4, unique=True))
    rows = [f"{n} 1 {n + 1} " + " ".join(data.draw(WORD) for _ in tags) for n in range(1, 4)]
    path.write_text(cif("\n".join(rows), " ".join(tags), data.draw(st.sampled_from([*SYMMETRY, ""]))))
    try:
        reflections = read_reflections(path)
    except ReaderError as error:
        assert str(path) in str(error) and str(error).isprintable()
        return
    assert any(tag in reflections.taken.column for tag in tags)
    assert (
        reflections.taken.rows
        == 3
        == reflections.taken.reflections + reflections.taken.missing + reflections.taken.left_out
    )
    assert (
        np.isfinite(reflections.reflections.F_electrons).all()
        and (reflections.reflections.F_electrons >= 0).all()
        or tags
    )
