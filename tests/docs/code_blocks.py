"""The code blocks of README and docs, cut out of the text, and their shell lines cut into commands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nanobragg_tables.__main__ import REPOSITORY

_FENCE = re.compile(
    r"(?:<!-- exit (?P<exit>\d+) -->\n\n)?"
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$"
    r"(?:\n\n```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """`title`: the file that it is the text of; `exit_code`: of a shell's last command; `output`: what it prints."""

    document: str
    line: int
    language: str
    title: str
    text: str
    exit_code: int
    output: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    """Every document with code that a reader types."""
    return [
        *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")),
        *sorted((REPOSITORY / "docs").rglob("*.md")),
    ]


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a document, in order."""
    text, blocks, position = path.read_text(encoding="utf-8"), [], 0
    while match := _FENCE.search(text, position):
        blocks.append(
            Block(
                path.relative_to(REPOSITORY).as_posix(),
                text.count("\n", 0, match.start("text")),
                match["language"],
                match["title"] or "",
                match["text"],
                int(match["exit"] or 0),
                (match["output"] or "") if match["language"] == "sh" else "",
            )
        )
        position = match.end("text") + len("```")
    return blocks


def all_blocks(*languages: str) -> list[Block]:
    """Blocks in any of these languages; of every language if none is named."""
    every = [block for path in documents() for block in blocks_of(path)]
    return [block for block in every if not languages or block.language in languages]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell text; variables set for one command, pipes and redirections left out."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        arguments: list[str] = []
        skip = False
        for token in lexer:
            if skip:
                skip = False
            elif token in ("|", "||", "&&", ";"):
                yield arguments
                arguments = []
            elif token in (">", ">>", "2>", "<"):
                skip = True
            elif arguments or not re.fullmatch(r"[A-Za-z_]+=.*", token):
                arguments.append(token)
        if arguments:
            yield arguments
