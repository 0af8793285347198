"""A few cases of every reader of the audit; `make fuzz` runs as many as its time allows."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.audit_readers import FUZZERS, base_folder, case

SLOW = {"verify", "record", "results_json"}  # each reads a whole folder of results several times


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return base_folder(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("name", FUZZERS)
def test_damage_is_named_or_refused_in_one_line(base, name):
    @settings(
        max_examples=4 if name in SLOW else 12,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32))
    def check(seed):
        case(name, seed, base)

    check()
