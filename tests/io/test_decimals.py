"""Numbers read many at once are those that `float` reads one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanobrag_torch.io.decimals import find_words, numbers

PLAIN = st.from_regex(r"[+-]?([0-9]{1,9}\.?[0-9]{0,6}|\.[0-9]{1,6})", fullmatch=True)
ANY = st.text("0123456789.+-eE", min_size=1, max_size=24)
GAP = st.sampled_from([" ", "\n", "\t ", "\r\n", "  \n \n"])


def read(texts, gaps):
    text = "".join(number + gap for number, gap in zip(texts, gaps, strict=False))
    return find_words(text.encode()), numbers


@given(texts=st.lists(PLAIN, min_size=1, max_size=30), gaps=st.lists(GAP, min_size=30, max_size=30))
def test_plain_decimals_are_read_to_the_last_bit(texts, gaps):
    numbers, parse = read(texts, gaps)
    expected = np.array([float(text) for text in texts])
    assert parse(numbers).tobytes() == expected.tobytes()


@given(texts=st.lists(ANY, min_size=1, max_size=4), gaps=st.lists(GAP, min_size=4, max_size=4))
def test_anything_else_is_read_or_refused_as_float_does(texts, gaps):
    numbers, parse = read(texts, gaps)
    try:
        expected = np.array([float(text) for text in texts])
    except ValueError:
        with pytest.raises(ValueError):
            parse(numbers)
        return
    assert parse(numbers).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "text", ["123456789012345", "0.12345678901234", "-1e-300", "9007199254740993", "-0", "-.0", "1."]
)
def test_digits_at_the_limit(text):
    assert numbers(find_words(text.encode())).tobytes() == np.float64(float(text)).tobytes()


def test_words_in_each_line():
    assert find_words(b"1 2\n\n 3\r\n4 5 6").in_line.tolist() == [2, 1, 3]
    assert find_words(b" \n\t").first.size == 0
