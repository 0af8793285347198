"""Whatever the arguments, the parser understands them or prints one line."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobrag_torch.cli import UsageError, parse
from nanobrag_torch.cli.tokens import spellings, split
from tests.cli.conftest import BASE

FLAG = st.sampled_from(sorted(spellings()))
NUMBER = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.floats().map(repr),
    st.sampled_from(["0", "-0", "1e-320", "1e308", "1e999", "inf", "nan", "1.", ".5", "5e", "+1", "--1", "1_0"]),
)
WORD = st.one_of(
    FLAG, NUMBER, st.text(max_size=12), st.sampled_from(["random", "sample", "f.hkl", "a.mat", "m.img", "."])
)
# few pixels, and files that exist, so that most lines get far
COMMON = dict(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(**{**COMMON, "max_examples": 500})
@given(st.lists(WORD, max_size=12))
def test_split_never_crashes(arguments):
    try:
        occurrences = split(arguments)
    except UsageError as error:
        assert str(error) and str(error).isprintable() and len(str(error)) < 600
    else:
        assert sum(1 + len(occurrence.values) for occurrence in occurrences) == len(arguments)


@settings(**COMMON)
@given(st.lists(st.tuples(FLAG, st.lists(NUMBER, max_size=3)), max_size=4))
def test_parse_never_crashes(folder, flags):
    arguments = [argument for flag, values in flags for argument in (flag, *values)]
    before = sorted(folder.iterdir())
    try:
        invocation = parse([*BASE, *arguments])
    except UsageError as error:
        assert str(error) and str(error).isprintable()
    else:
        assert invocation.experiment.detector is not None
    assert sorted(folder.iterdir()) == before
