"""docs/physics.md, the C files and the torch files say the same: every equation stands in one of each."""

import json
import re

import pytest

from nanobragg_tables import equations, flags
from nanobragg_tables.__main__ import REPOSITORY

TEXT = equations.DOCUMENT.read_text(encoding="utf-8")
EQUATIONS = equations.document_equations(TEXT)
STAGES = {  # files that the pixels of an image go through: each opens with an equation
    "C program": [
        f"src/nanobragg_c/physics/{path.name}" for path in (REPOSITORY / "src/nanobragg_c/physics").glob("*.c")
    ],
    "torch program": [
        f"src/nanobrag_torch/physics/{path.name}" for path in (REPOSITORY / "src/nanobrag_torch/physics").glob("*.py")
    ],
}
NO_EQUATION = {
    "simulate.c",
    "detector_geometry.py",
    "__init__.py",
    "constants.py",
    "tensors.py",
    "sinpi.py",
    "slopes.py",
}


def test_numbers_run_without_gaps():
    sections: dict[int, list[int]] = {}
    for number in EQUATIONS:
        section, position = map(int, number.split("."))
        sections.setdefault(section, []).append(position)
    assert list(sections) == sorted(sections)
    assert all(positions == list(range(1, len(positions) + 1)) for positions in sections.values())


@pytest.mark.parametrize("program", equations.PROGRAMS)
def test_each_equation_opens_one_file_of_each_program(program):
    owners = equations.owners(program)
    assert {number: paths for number, paths in owners.items() if len(paths) != 1} == {}
    assert sorted(owners) == sorted(EQUATIONS)


def test_files_and_document_are_fresh():
    stale = [n for n, text in equations.made().items() if (REPOSITORY / n).read_text(encoding="utf-8") != text]
    assert stale == [], "run python -m nanobragg_tables generate"


@pytest.mark.parametrize("program", equations.PROGRAMS)
def test_every_stage_opens_with_an_equation_and_its_section(program):
    paths = [path for path in STAGES[program] if path.rsplit("/", 1)[1] not in NO_EQUATION]
    assert len(paths) > 10
    for path in paths:
        head = (REPOSITORY / path).read_text(encoding="utf-8")[:600]
        block = equations.file_block((REPOSITORY / path).read_text(encoding="utf-8"))
        assert block is not None, path
        named = re.search(r"[Ss]ections? ([\d, and]+) of docs/physics\.md", head)
        assert named is not None, path
        sections = {number.split(".")[0] for number in block.equations}
        assert set(re.findall(r"\d+", named.group(1))) == sections, path


def test_named_equations_exist():
    prose = re.sub(r"^```text\n.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert equations.references(prose) <= set(EQUATIONS)
    for program in equations.PROGRAMS:
        for path in equations.source_files(program):
            text = (REPOSITORY / path).read_text(encoding="utf-8")
            for comment in re.findall(r'/\*.*?\*/|(?:^|\s)# .*?$|""".*?"""', text, re.MULTILINE | re.DOTALL):
                assert equations.references(comment) <= set(EQUATIONS), f"{path}: {comment}"


@pytest.mark.parametrize("program", equations.PROGRAMS)
def test_functions_name_the_equations_of_their_file(program):
    """Where a file opens with several equations, each is named again at the function that computes it."""
    missing = []
    for path in equations.source_files(program):
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        block = equations.file_block(text)
        if block is None or "/physics/" not in str(path) or len(block.equations) < 3:
            continue
        below = equations.references("\n".join(text.splitlines()[block.end :]))
        missing += [f"{path}: ({number})" for number in block.equations if number not in below]
    assert missing == []


def test_every_flag_that_moves_a_pixel_has_its_symbol():
    table = TEXT[TEXT.index("## 16.") :]
    quiet = {"-printout", "-printout_pixel", "-progress", "-noprogress", "-trace_pixel", "-nopgm", "-nonoise"}
    for flag in flags():
        writes_file = flag.group == "Output" and flag.args and flag.args[0].type == "file"
        if flag.effect or flag.group == "Program" or writes_file or flag.name in quiet:
            continue
        assert f"`{flag.name}`" in table, flag.name
    known = {flag.name for flag in flags()}
    assert set(re.findall(r"`(-[\w-]+)`", table)) <= known


def test_links_and_constants_exist():
    for target in re.findall(r"\]\(([\w./-]+)\)", TEXT):
        assert (REPOSITORY / "docs" / target).is_file(), target
    sources = {
        program: "\n".join((REPOSITORY / path.parent / path.name).read_text(encoding="utf-8") for path in files)
        for program in equations.PROGRAMS
        for files in [[*equations.source_files(program), *_headers(program)]]
    }
    constants = TEXT[TEXT.index("| Constant |") : TEXT.index("## 2.")]
    rows = re.findall(r"\| `([A-Z_0-9]+)` \| `([A-Z_0-9]+)` \|$", constants, re.MULTILINE)
    assert len(rows) >= 5
    for in_c, in_torch in rows:
        assert re.search(rf"#define {in_c} ", sources["C program"]), in_c
        assert re.search(rf"^{in_torch} = ", sources["torch program"], re.MULTILINE), in_torch


def _headers(program: str):
    folder = REPOSITORY / equations.PROGRAMS[program]
    return sorted(path.relative_to(REPOSITORY) for path in folder.rglob("*.h"))


def test_stale_text_is_found():
    old = "/* Title. Section 8 of docs/physics.md.\n *\n * (8.1)  q = d - i\n *        more\n * (8.4)  wrong\n */\n"
    new = equations.refreshed(old, EQUATIONS)
    assert new.splitlines()[2:4] == [f" * {EQUATIONS['8.1'][0]}", f" * {EQUATIONS['8.4'][0]}"]
    with pytest.raises(ValueError, match=r"no equation \(99\.1\)"):
        equations.refreshed('"""Title.\n\n(99.1)  x = y\n"""\n', EQUATIONS)
    with pytest.raises(ValueError, match=r"\(1\.1\) stands twice"):
        equations.document_equations("```text\n(1.1)  x = y\n(1.1)  x = z\n```\n")


def _columns(heading: str) -> list[str]:
    """Names in backticks below a heading of the tables of symbols."""
    names = []
    for table in re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE):
        rows = [row.strip("|\n").split("|") for row in table.splitlines()]
        headings = [cell.strip() for cell in rows[0]]
        if headings[0] == "Symbol" and heading in headings:
            names += [name for row in rows[2:] for name in re.findall(r"`(\w+)`", row[headings.index(heading)])]
    return names


def test_names_of_symbols_exist():
    paths = [path for program in equations.PROGRAMS for path in (*equations.source_files(program), *_headers(program))]
    names = set(re.findall(r"\w+", " ".join((REPOSITORY / path).read_text(encoding="utf-8") for path in paths)))
    named = _columns("In the code")
    assert len(named) > 60
    assert [name for name in named if name not in names] == []


def test_trace_keys_of_symbols_exist():
    registry = json.loads((REPOSITORY / "src/trace_audit/data/trace_keys.json").read_text(encoding="utf-8"))
    keys = {key["name"] for key in registry["keys"]}
    numbers = {number for key in registry["keys"] for number in key.get("equations", ())}
    assert len(numbers) > 30 and numbers <= set(EQUATIONS)
    named = _columns("Trace key")
    assert len(named) > 15
    assert [name for name in named if name not in keys] == []
