"""YAML of the core schema, with bounds."""

import math
import random

import pytest
import yaml

from nanobrag_torch.io import strict_yaml
from nanobrag_torch.io.strict_yaml import YamlError, load
from tests.conftest import REPOSITORY

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config").rglob("*.yaml")), ids=lambda path: path.name)
def test_our_own_files_read_as_they_do_elsewhere(path):
    assert load(path.read_text()) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("true", True), ("FALSE", False), ("yes", "yes"), ("'true'", "true"), ('"1"', "1"),
        ("-12", -12), ("1e3", 1000.0), ("1.0e+18", 1e18), (".5", 0.5), ("0x1f", 31), ("0o17", 15), ("017", 17),
        ("-.inf", -math.inf), ("0x_", "0x_"), ("2001-13-41", "2001-13-41"), ("2001-01-01", "2001-01-01"),
        ("12:30", "12:30"), ("1_000", "1_000"), ("9" * 30, float("9" * 30)), ("a: [1, {b: c}]", {"a": [1, {"b": "c"}]}),
        ("1: x", {"1": "x"}), ("a: &a [1]\nb: *a", {"a": [1], "b": [1]}), ("|\n  a\n  b", "a\nb"),
    ],
)  # fmt: skip
def test_values(text, value):
    assert load(text) == value and type(load(text)) is type(value)


def test_numbers_stay_as_written_where_that_is_asked():
    assert load("[1e5, 010, '7', 0x1, true, x]", numbers=False) == ["1e5", "010", "7", "0x1", True, "x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "line 7 .* more than 1,000,000 values"),
        ("a: &a [*a]", r"line 1 .*\*a stands in what it names"),
        ("a: &a {b: [*a]}", "stands in what it names"),
        ("a: *b", "."),
        ("a: &a x\nb: [" + "*a," * 2000 + "]", "more than 1,000 aliases"),
        ("[" * 5000, "deeper than 40"),
        ("{a: " * 5000, "deeper than 40"),
        ("- " * 5000, "deeper than 40"),
        ("a: !!int x", "line 1 .* the tag"),
        ("a: !!python/object/apply:os.system [ls]", "the tag"),
        ("!!binary x: 1", "no plain word"),
        ("? [a]\n: 1", "no plain word"),
        ('a: "x\\0y"', r"line 1 .* U\+0000"),
        ('a: "\\e[31m"', r"U\+001B"),
        ("a\0b", "."),
        ("a: 1\nb: 2\na: 3", "line 3 .* 'a' is given twice"),
        ("a: 1\n---\nb: 2", "second document"),
        ("1e999", "too large"),
        ("9" * 5000, "too large"),
        ("x" * (strict_yaml.MAX_CHARACTERS + 1), "characters"),
        ("a: [1\n", "line 2"),
        ("%YAML 9.9\n---\na", "."),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_beyond_a_bound_is_refused_in_one_line(text, message):
    with pytest.raises(YamlError, match=message) as error:
        load(text)
    assert str(error.value).isprintable() and len(str(error.value)) < 300


def test_changed_bytes_end_in_a_value_or_a_refusal():
    text = (REPOSITORY / "config/scenarios/supervisor.yaml").read_text()
    rng = random.Random(7)
    for _ in range(300):
        letters = list(text)
        for _ in range(rng.randint(1, 8)):
            letters[rng.randrange(len(letters))] = rng.choice("&*!|>{}[]:-#?,'\"\\\n\t\0\x85\ud800 0x9é")
        try:
            load("".join(letters))
        except YamlError as error:
            assert str(error).isprintable()
