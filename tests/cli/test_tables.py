"""The tables, and everything made from them, agree."""

import shutil
import subprocess

import pytest

from nanobragg_tables import Range, defects, flags, resolve_defects
from nanobragg_tables.__main__ import REPOSITORY
from nanobragg_tables.generate import c_header, flag_document, identifier


def test_spellings_and_identifiers_are_unique():
    spellings = [spelling for flag in flags() for spelling in flag.spellings]
    assert len(spellings) == len(set(spellings)) > 150
    identifiers = [identifier(flag.name) for flag in flags()]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("flag", flags(), ids=lambda flag: flag.name)
def test_row_is_complete(flag):
    assert all(spelling.startswith("-") for spelling in flag.spellings)
    assert flag.meaning and flag.group and set(flag.programs) <= {"c", "torch"} and flag.programs
    assert all(arg.type in ("float", "int", "file", "word") for arg in flag.args)
    optional = [arg.optional for arg in flag.args]
    assert optional == sorted(optional), "optional values come last"
    assert flag.sets_pivot in (None, "BEAM", "SAMPLE")


@pytest.mark.parametrize(
    ("made", "path"), [(c_header, "src/nanobragg_c/cli/tables_generated.h"), (flag_document, "docs/flags.md")]
)
def test_generated_files_are_fresh(made, path):
    assert (REPOSITORY / path).read_text(encoding="utf-8") == made(), "run python -m nanobragg_tables generate"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc here")
def test_header_compiles_and_lists_every_flag_and_defect(tmp_path):
    lines = [
        "#include <math.h>",
        "#include <stdio.h>",
        f'#include "{REPOSITORY}/src/nanobragg_c/cli/tables_generated.h"',
        '#define NAME(id, name, aliases, lo, hi, u, d, m) printf("%s %s\\n", name, aliases);',
        '#define BUG(id, name, number, on, warns, m) printf("%s %d\\n", name, on);',
        "#define ARG(id, i, n, type, a, b, c, d, inf, w) total += (a) <= (c) && (b) <= (d) && i >= 0 && inf >= 0;",
        "int main(void) { int total = 0; FLAG_TABLE(NAME) DEFECT_TABLE(BUG) FLAG_ARG_TABLE(ARG)",
        'printf("%d\\n", total); return 0; }',
    ]
    source, binary = tmp_path / "t.c", tmp_path / "t"
    source.write_text("\n".join(lines))
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", str(source), "-o", str(binary), "-lm"], check=True)
    said = subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout.splitlines()
    mine = [flag for flag in flags() if "c" in flag.programs]
    assert [line.split() for line in said[: len(mine)]] == [list(flag.spellings) for flag in mine]
    assert said[len(mine) : -1] == [f"{defect.name} {int(defect.default_on)}" for defect in defects()]
    assert int(said[-1]) == sum(len(flag.args) for flag in mine)


def test_c_program_lists_every_flag_and_defect(build_folder):
    binary = build_folder / "nanobragg"
    said = subprocess.run([str(binary), "--help"], check=True, capture_output=True, text=True).stdout.split()
    mentioned = {text.strip(" ,;()") for text in said}
    missing = [text for flag in flags() if "c" in flag.programs for text in flag.spellings if text not in mentioned]
    assert not missing
    said = subprocess.run([str(binary), "-defects", "list"], check=True, capture_output=True, text=True).stdout
    assert all(defect.name in said for defect in defects())


def test_range_describes_and_contains():
    half_open = Range(min=0, exclusive_max=180)
    assert half_open.describe() == "0 or more, below 180"
    assert [half_open.contains(x) for x in (-1e-9, 0, 179.9, 180)] == [False, True, True, False]
    assert Range(exclusive_min=0, max=5, infinite=True).describe() == "above 0, at most 5, or inf"


def test_presets():
    default, historic = resolve_defects("default"), resolve_defects("historic")
    assert default < historic and resolve_defects("none") == frozenset()
    assert len(default) == 24
    assert resolve_defects("historic", "c") - historic == {"interpolation_latch"}
    assert resolve_defects("default,+phi_carryover,-layer_pitch") == default - {"layer_pitch"} | {"phi_carryover"}
    assert resolve_defects("+phi_carryover") == default | {"phi_carryover"}
    assert "interpolation_latch" in resolve_defects("none,+interpolation_latch", "c")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "expected default, historic, none"),
        ("default,layer_pitch", "+name or -name"),
        ("default,+nope", "'nope' is no defect"),
        ("default,+interpolation_latch", "cannot reproduce 'interpolation_latch'"),
        ("", "expected default"),
    ],
)
def test_bad_defects_are_named(text, says):
    with pytest.raises(ValueError, match="expected|defect|reproduce") as error:
        resolve_defects(text)
    assert says in str(error.value) and "\n" not in str(error.value)
