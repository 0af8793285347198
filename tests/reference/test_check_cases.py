"""Two experiments with published intermediate numbers, through the C program."""

import pytest

from tests.check_cases import EXPECTED, IMAGE_SUM, PIXEL_SLOW_FAST


@pytest.mark.parametrize("defects", ["default", "historic"])
@pytest.mark.parametrize("case", EXPECTED, ids=["A", "B"])
def test_published_numbers(nanobragg, case, defects):
    more = ["-nonoise", "-nopgm", "-noprogress", "-trace_pixel", *PIXEL_SLOW_FAST, "-defects", defects]
    result = nanobragg.succeed(*case.split(), *more)
    for key, expected in EXPECTED[case].items():
        assert result.traced(key) == pytest.approx(expected, rel=2e-12), key
    assert result.image.sum() == pytest.approx(IMAGE_SUM[case], rel=1e-8)
    assert result.image[PIXEL_SLOW_FAST] == pytest.approx(EXPECTED[case]["I_pixel_final"][0], rel=1e-7)
