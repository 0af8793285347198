"""-config: the arguments of a command line, as -show_config saved them in a YAML file."""

from __future__ import annotations

from nanobrag_torch.cli.tokens import UsageError, one_line
from nanobrag_torch.io import strict_yaml
from nanobrag_torch.io.reading import ReaderError, read_text


def expand_config(argv: list[str]) -> list[str]:
    """Put the arguments of -config files, in their order, before the rest of the line. Raises UsageError."""
    first, rest, position = [], [], 0
    while position < len(argv):
        if argv[position] != "-config":
            rest.append(argv[position])
            position += 1
            continue
        if position + 1 == len(argv) or not argv[position + 1] or argv[position + 1].startswith("-"):
            raise UsageError("-config: expected the name of a YAML file made by -show_config")
        first += _config_words(argv[position + 1])
        position += 2
    return first + rest


def _config_words(path: str) -> list[str]:
    expected = "expected YAML with a list command_line, as -show_config prints it"
    try:
        document = strict_yaml.load(read_text(path), numbers=False)
    except ReaderError as error:
        raise UsageError(f"-config {error}") from None
    except strict_yaml.YamlError as error:
        line = f" (line {error.line})" if error.line else ""
        raise UsageError(f"-config {one_line(path)}: is no YAML{line}, {expected}") from None
    arguments = document.get("command_line") if isinstance(document, dict) else None
    if not isinstance(arguments, list):
        raise UsageError(f"-config {one_line(path)}: has no list command_line, {expected}")
    if not all(isinstance(word, str) for word in arguments) or "-config" in arguments:
        raise UsageError(f"-config {one_line(path)}: command_line holds more than plain words, {expected}")
    return list(arguments)
