"""The numbered equations of docs/physics.md, and the files that open with them.

The document holds the text of every equation. A file that computes some of them repeats their lines in its first
comment; `python -m nanobragg_tables generate` writes those lines anew from the document, and the table of the files
into it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "docs" / "physics.md"
PROGRAMS = {"C program": Path("src/nanobragg_c"), "torch program": Path("src/nanobrag_torch")}
MAP_BEGIN, MAP_END = "<!-- files: begin -->\n", "<!-- files: end -->\n"

_NUMBERED = re.compile(r"\((\d+\.\d+)\) +\S")
_CONTINUED = re.compile(r" {7,}\S")
_SECTION = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_REFERENCE = re.compile(r"\((\d{1,2}\.\d{1,2})\)")


@dataclass(frozen=True)
class Block:
    """The equations that a file opens with: lines `start` to `end` of its text, without the comment's `leader`."""

    start: int
    end: int
    leader: str
    equations: dict[str, list[str]]


def _read_block(lines: list[str], leader: str) -> dict[str, list[str]]:
    """Equations of consecutive lines by number: the numbered line, and those that continue it."""
    equations: dict[str, list[str]] = {}
    for line in lines:
        text = line.removeprefix(leader)
        if numbered := _NUMBERED.match(text):
            if numbered.group(1) in equations:
                raise ValueError(f"equation ({numbered.group(1)}) stands twice")
            equations[numbered.group(1)] = current = [text]
        else:
            current.append(text)
    return equations


def document_equations(text: str) -> dict[str, list[str]]:
    """Every equation of the document by its number, in its order."""
    equations: dict[str, list[str]] = {}
    for block in re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for number, lines in _read_block(block.splitlines(), "").items():
            if number in equations:
                raise ValueError(f"{DOCUMENT.name}: equation ({number}) stands twice")
            equations[number] = lines
    return equations


def file_block(text: str) -> Block | None:
    """The equations in the first comment or docstring of a source file; None if it has none."""
    lines = text.splitlines()
    for leader in (" * ", ""):
        start = next((i for i, line in enumerate(lines[:60]) if _starts(line, leader)), None)
        if start is None:
            continue
        end = start
        while end < len(lines) and (_starts(lines[end], leader) or _continues(lines[end], leader)):
            end += 1
        return Block(start, end, leader, _read_block(lines[start:end], leader))
    return None


def _starts(line: str, leader: str) -> bool:
    return line.startswith(leader) and _NUMBERED.match(line[len(leader) :]) is not None


def _continues(line: str, leader: str) -> bool:
    return line.startswith(leader) and _CONTINUED.match(line[len(leader) :]) is not None


def source_files(program: str) -> list[Path]:
    """C and Python files of one of the two programs, as paths below the repository."""
    folder = REPOSITORY / PROGRAMS[program]
    files = (path for path in folder.rglob("*") if path.suffix in (".c", ".py"))
    return sorted(path.relative_to(REPOSITORY) for path in files)


def owners(program: str) -> dict[str, list[Path]]:
    """The files of a program that open with each equation."""
    files: dict[str, list[Path]] = {}
    for path in source_files(program):
        block = file_block((REPOSITORY / path).read_text(encoding="utf-8"))
        for number in block.equations if block else ():
            files.setdefault(number, []).append(path)
    return files


def refreshed(text: str, equations: dict[str, list[str]]) -> str:
    """A source file whose equations have the document's text. Raises ValueError for a number that it does not have."""
    block = file_block(text)
    if block is None:
        return text
    lines = text.splitlines()
    unknown = [number for number in block.equations if number not in equations]
    if unknown:
        raise ValueError(f"no equation ({unknown[0]}) in docs/physics.md")
    body = [block.leader + line for number in block.equations for line in equations[number]]
    return "\n".join([*lines[: block.start], *body, *lines[block.end :]]) + "\n"


def _files_of(section: str, program: str) -> str:
    files = [path for number, paths in owners(program).items() if number.split(".")[0] == section for path in paths]
    names = [str(path.relative_to(PROGRAMS[program])) for path in dict.fromkeys(sorted(files))]
    return " ".join(f"`{name}`" for name in names)


def document_with_map(text: str) -> str:
    """The document with the table of sections and files between its two marks."""
    equations = document_equations(text)
    with_equations = {number.split(".")[0] for number in equations}
    rows = ["| Section | | C program, `src/nanobragg_c/` | torch program, `src/nanobrag_torch/` |", "|---|---|---|---|"]
    for section, title in _SECTION.findall(text):
        if section in with_equations:
            rows.append(f"| {section} | {title} | {' | '.join(_files_of(section, program) for program in PROGRAMS)} |")
    begin, end = text.index(MAP_BEGIN) + len(MAP_BEGIN), text.index(MAP_END)
    return text[:begin] + "\n" + "\n".join(rows) + "\n\n" + text[end:]


def references(text: str) -> set[str]:
    """Numbers of equations that the prose of a document or the comments of a C or torch file name."""
    return set(_REFERENCE.findall(text))


def made() -> dict[str, str]:
    """The document and every file with equations, as they should read, by path below the repository."""
    text = DOCUMENT.read_text(encoding="utf-8")
    equations = document_equations(text)
    result = {"docs/physics.md": document_with_map(text)}
    for program in PROGRAMS:
        for path in source_files(program):
            before = (REPOSITORY / path).read_text(encoding="utf-8")
            if file_block(before) is not None:
                result[str(path)] = refreshed(before, equations)
    return result
