"""The program and the flag table agree: names, aliases, limits, help."""

import pytest

import nanobragg_tables

from .program import BASE

FLAGS = [flag for flag in nanobragg_tables.flags() if "c" in flag.programs]
OTHERS = [flag for flag in nanobragg_tables.flags() if "c" not in flag.programs]


def test_help_names_every_flag(nanobragg):
    text = nanobragg.succeed("--help").stdout
    printed = set(text.replace("(also", " ").replace(")", " ").split())
    for flag in FLAGS:
        assert {flag.name, *flag.aliases} <= printed
        assert flag.meaning in text


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_aliases_take_the_same_arguments(nanobragg, flag):
    for name in (flag.name, *flag.aliases):
        if flag.args:
            result = nanobragg.run(*BASE, "-default_F", 5, name)
            assert result.returncode == 2 and flag.name in result.error and flag.args[0].name in result.error
        else:
            nanobragg.succeed(*BASE, "-default_F", 5, name)


def outside(arg):
    """Values just outside the limits of an argument."""
    if arg.range is None:
        return
    step = 1 if arg.type == "int" else 1e-9
    for limit, offset in (
        (arg.range.min, -step),
        (arg.range.exclusive_min, 0),
        (arg.range.max, step),
        (arg.range.exclusive_max, 0),
    ):
        if limit is not None:
            yield int(limit + offset) if step == 1 else limit + offset


# an argument out of range, those before it 1
CASES = [(flag, position, value) for flag in FLAGS for position, arg in enumerate(flag.args) for value in outside(arg)]


@pytest.mark.parametrize(("flag", "position", "value"), CASES, ids=lambda x: getattr(x, "name", str(x)))
def test_values_out_of_range_are_refused(nanobragg, flag, position, value):
    arguments = [1] * len(flag.args)
    arguments[position] = f"{value:.17g}" if isinstance(value, float) else value
    result = nanobragg.run(*BASE, "-default_F", 5, flag.name, *arguments)
    assert result.returncode == 2 and result.error.startswith(f"nanobragg: error: {flag.name}: ")


@pytest.mark.parametrize("flag", OTHERS, ids=lambda flag: flag.name)
def test_flags_of_the_other_program_are_unknown(nanobragg, flag):
    result = nanobragg.run(*BASE, "-default_F", 5, flag.name)
    assert result.returncode == 2 and "unknown flag" in result.error
