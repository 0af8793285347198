"""Every way torch has to differentiate and to run a function, on every path of the image: right, or refused.

The outcomes are the table of docs/gradients.md: `python -m tests.gradients.test_ways` runs all of them and writes
src/nanobrag_torch/gradients/ways.md, of which that page is made. Each test holds one outcome to it.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch.autograd import functional

import nanobrag_torch.gradients
from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled import cache, selection
from nanobrag_torch.errors import ExperimentError
from tests.gradients.ways import TOWARDS, VALUES, WAYS, image, total

TABLE = Path(nanobrag_torch.gradients.__file__).with_name("ways.md")
# path of the derivative: the mode of compiled code, and how many steps keep their graph
PATHS = {"whole graph": ("never", 1 << 18), "tiles": ("never", 60), "compiled": ("always", 1 << 18)}
TOLERANCE = 1e-9
RIGHT = "right"
ADVICE = {  # to the sentences that are torch's own
    "modified by an inplace operation": "make the image after the change",
    "function marked as skipped": "leave fullgraph=True out",
    "Failed to trace builtin operator": "leave fullgraph=True out",
}


def jacobian_by_differences():
    """Differences of two orders, so that the error falls as the fourth power of the step."""
    columns = []
    for index, step in enumerate((1e-3, 1e-3, 1e-4, 1e-6, 1e-3, 1e-3)):
        move = torch.zeros_like(VALUES)
        move[index] = step
        near, far = ((image(VALUES + s * move) - image(VALUES - s * move)) / (2 * s * step) for s in (1, 2))
        columns.append((4 * near - far) / 3)
    return torch.stack(columns, -1)


def expectations():
    """The expected result of each way, by torch's plainest means on the whole graph."""
    jacobian, hessian = functional.jacobian(image, VALUES), functional.hessian(total, VALUES)
    return {
        "image": image(VALUES),
        "jacobian": jacobian,
        "tangent": jacobian @ TOWARDS,
        "gradient": torch.tensordot(2 * image(VALUES), jacobian, 2),
        "hessian": hessian,
        "hessian along": hessian @ TOWARDS,
    }


def outcome(way: str, expected: dict[str, torch.Tensor]) -> str:
    """Right, or the sentence that it is refused with; anything else fails."""
    function, kind = WAYS[way]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own about its ways
            gradient = function()
    except ExperimentError as error:
        return str(error)
    except (RuntimeError, torch._dynamo.exc.Unsupported) as error:
        sentence = str(error).splitlines()[0].split(":")[0]
        (advice,) = (advice for phrase, advice in ADVICE.items() if phrase in sentence)
        return f"torch itself: {sentence}; {advice}"
    gradient, wanted = gradient.double(), expected[kind]
    off = float((gradient.reshape(-1) - wanted.reshape(-1)).abs().max() / wanted.abs().max())
    assert off < TOLERANCE, f"{way}: off by {off:.1e}"
    return RIGHT


def take(path: str, set_variable) -> None:
    mode, pairs = PATHS[path]
    set_variable(selection.MODE_VARIABLE, mode)
    eager.PAIRS_PER_PASS = pairs


@pytest.fixture(scope="module")
def expected():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(selection.MODE_VARIABLE, "never")
        return expectations()


def test_what_is_expected_is_what_differences_say(expected, monkeypatch):
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    numeric = jacobian_by_differences()
    assert (numeric - expected["jacobian"]).abs().amax((0, 1)).div(numeric.abs().amax((0, 1))).max() < 1e-7


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("way", WAYS)
def test_way(way, path, expected, compiled_code, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", eager.PAIRS_PER_PASS)  # put back afterwards
    take(path, monkeypatch.setenv)
    sentence = written()[way][list(PATHS).index(path)]
    assert outcome(way, expected) == sentence


def written() -> dict[str, list[str]]:
    """The table as it is in the package: outcomes by way, sentences in place of their numbers."""
    lines = TABLE.read_text().splitlines()
    sentences = dict(line.split(". ", 1) for line in lines if line[:1].isdigit())
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    return {row[0]: [sentences.get(cell.strip("()"), cell) for cell in row[1:]] for row in rows}


def test_the_table_has_every_way():
    assert list(written()) == list(WAYS)


def table(outcomes: dict[str, list[str]]) -> str:
    """The outcomes as Markdown, each sentence once below."""
    sentences = list(dict.fromkeys(cell for row in outcomes.values() for cell in row if cell != RIGHT))
    lines = [f"| way | {' | '.join(PATHS)} |", "|---" * (1 + len(PATHS)) + "|"]
    for way, row in outcomes.items():
        cells = [cell if cell == RIGHT else f"({sentences.index(cell) + 1})" for cell in row]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{number}. {text}" for number, text in enumerate(sentences, 1)), ""])


def main() -> None:
    """Run every way on every path and write the table."""
    os.environ[selection.MODE_VARIABLE] = "never"
    expected = expectations()
    outcomes: dict[str, list[str]] = {way: [] for way in WAYS}
    for path in PATHS:
        take(path, os.environ.__setitem__)
        for way in WAYS:
            outcomes[way].append(outcome(way, expected))
            print(f"{path}: {way}: {outcomes[way][-1]}", file=sys.stderr)
    TABLE.write_text(table(outcomes))


if __name__ == "__main__":
    main()
