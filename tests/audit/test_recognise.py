"""Unit and convention mistakes made in a stage of the real torch program are recognised by their numbers."""

import math

import pytest

from trace_audit.compare.blame import blame
from trace_audit.compare.comparison import compare
from trace_audit.compare.selftest import Case, place_of
from trace_audit.compare.suggestions import suggestions
from trace_audit.trace.keys import registry

DEGREES = 180.0 / math.pi
PIXEL_M = 0.3e-3


@pytest.fixture(scope="module")
def case(c_binary):
    return Case("sample_pivot", c_binary)


def scaled(factor):
    return lambda values, number: [value * factor for value in values]


def divided_by(name):
    return lambda values, number: [value / number(name) for value in values]


def half_a_pixel(values, number):
    return [values[0] + PIXEL_M / 2]


@pytest.mark.parametrize(
    ("key", "mistake", "recognised"),
    [
        ("lambda_meters", scaled(1e10), "1e10: metres against Angstrom"),
        ("rot_a_angstroms", scaled(1e-10), "1e10: metres against Angstrom"),
        ("R_distance_meters", scaled(1e3), "1e3: metres against millimetres"),
        ("angles_rad", scaled(DEGREES), "180/pi: radians against degrees"),
        ("pixel_slow_fast", lambda values, number: values[::-1], "fast and slow are swapped"),
        ("Fclose_m", half_a_pixel, "off by half a pixel"),
        ("incident_vec", scaled(-1.0), "the sign is reversed"),
        ("r_e_sqr", lambda values, number: [values[0] ** 0.5], "r_e for r_e^2"),
        ("r_e_sqr", lambda values, number: [values[0] ** 0.5], "r_e for r_e^2"),
        ("I_pixel_final", divided_by("r_e_meters"), "C is larger by the factor r_e_meters"),
        ("polar", lambda values, number: [1.0], "polarization is off in torch"),
        ("I_pixel_final", divided_by("polar"), "C is larger by the factor polar"),
        ("F_latt_a", scaled(2.0), "a factor of N = 2: N against N^2"),
        ("I_pixel_final", divided_by("steps"), "C is larger by the factor steps"),
    ],
)
def test_a_mistake_in_a_stage_is_recognised(case, key, mistake, recognised):
    record = place_of(case.reference, registry()[key])
    wrong = case.trace(key, record.context, mistake(list(record.values), case.reference.number))
    comparison = compare(case.reference, wrong)
    blamed = blame(comparison)
    assert key in blamed.root_keys
    rows = suggestions(comparison, blamed.roots)
    assert any(recognised in row["suggestion"] for row in rows if row["key"] == key), rows
